/** Bodies that are not remote write: unpacked, and what no kernel reads rewritten as what one does. */
import { AppError } from '../../shared/errors/index.js'
import { type Compression, decompress } from '../../shared/wire/compression/index.js'
import {
  BODY_FORMAT,
  BODY_GZIP,
  BODY_OTLP_JSON,
  BODY_ZSTD,
} from '../../shared/wire/frames/index.js'
import { encodeJsonRequest } from '../../shared/wire/otlp/index.js'
import type { DistributorConfig } from './contract.js'
import { describeOtlpTooLarge } from './validate.js'

/** A body that the kernel can walk, or why it is refused. */
export type Unpacked =
  | { readonly body: Uint8Array }
  | { readonly text: string; readonly status: number }

/** Unpacks a body by its flags. */
export function unpackBody(source: Uint8Array, flags: number, config: DistributorConfig): Unpacked {
  const most = config.maxOtlpRequestSize
  try {
    const plain = decompressed(source, flags, most)
    if (plain === undefined || plain.length > most) {
      return { text: describeOtlpTooLarge(most), status: 413 }
    }
    if ((flags & BODY_FORMAT) !== BODY_OTLP_JSON) return { body: plain }
    const body = encodeJsonRequest(Buffer.from(plain).toString('utf8'))
    return body.length > most ? { text: describeOtlpTooLarge(most), status: 413 } : { body }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return { text: error.message, status: 400 }
  }
}

function decompressed(source: Uint8Array, flags: number, most: number): Uint8Array | undefined {
  let compression: Compression
  if ((flags & BODY_GZIP) !== 0) compression = 'gzip'
  else if ((flags & BODY_ZSTD) !== 0) compression = 'zstd'
  else return source
  return decompress(source, compression, most)
}
