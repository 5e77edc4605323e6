/** Bodies that are not remote write: unpacked, and what no kernel reads rewritten as what one does. */
import { AppError, fail } from '../../shared/errors/index.js'
import { type Compression, decompress, type Gunzip } from '../../shared/wire/compression/index.js'
import { parseExposition } from '../../shared/wire/exposition/index.js'
import {
  BODY_FORMAT,
  BODY_GZIP,
  BODY_INFLUX,
  BODY_LZ4,
  BODY_OTLP,
  BODY_OTLP_JSON,
  BODY_TEXT,
  BODY_ZSTD,
} from '../../shared/wire/frames/index.js'
import { parseInflux } from '../../shared/wire/influx/index.js'
import { encodeJsonRequest } from '../../shared/wire/otlp/index.js'
import type { DistributorConfig, LinesParameters } from './contract.js'
import { describeTooLargeFor } from './validate.js'

/** A body that the kernel can walk, in pieces if need be, or why it is refused. */
export type Unpacked =
  | {
      readonly pieces: readonly Uint8Array[]
      /** Samples and metadata records; undefined when the kernel is to count them. */
      readonly items?: number
      /** Lines that were left out for being malformed, and what is said of them. */
      readonly badLines?: number
      readonly badText?: string
    }
  | { readonly text: string; readonly status: number }

/** Times the limit of a body of lines that it may come to when each sample has its labels written out. */
const WRITTEN_OUT = 4

/** What bodies are unpacked with. */
export interface UnpackTools {
  readonly config: DistributorConfig
  readonly gunzip: Gunzip
  /** Where a body ends up to be walked; larger than any. */
  readonly room: Uint8Array
  /** ms. */
  readonly now: number
}

/** Unpacks a body by its flags; what needs no more than that lies in `room` then. */
export function unpackBody(source: Uint8Array, flags: number, tools: UnpackTools): Unpacked {
  const { config, now } = tools
  const format = flags & BODY_FORMAT
  const isOtlp = format === BODY_OTLP || format === BODY_OTLP_JSON
  const most = isOtlp ? config.maxOtlpRequestSize : config.maxInfluxRequestSize
  const tooLarge = { text: describeTooLargeFor(isOtlp ? 'otlp' : 'influx', most), status: 413 }
  try {
    if (format === BODY_OTLP && (flags & BODY_GZIP) !== 0) {
      const length = tools.gunzip.unpack(source, tools.room.subarray(0, most + 1))
      return length === undefined ? tooLarge : { pieces: [tools.room.subarray(0, length)] }
    }
    const { parameters, body } = isOtlp ? { parameters: {}, body: source } : splitLines(source)
    const plain = decompressed(body, flags, most)
    if (plain === undefined || plain.length > most) return tooLarge
    if (format === BODY_OTLP) return { pieces: [plain] }
    if (format === BODY_OTLP_JSON) {
      const encoded = encodeJsonRequest(plain, most)
      return encoded === undefined ? tooLarge : { pieces: [encoded] }
    }
    const text = Buffer.from(plain).toString('latin1')
    const bytesMax = WRITTEN_OUT * most
    return parseLines(format, text, { ...parameters, now: parameters.now ?? now, bytesMax })
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return { text: error.message, status: 400 }
  }
}

function parseLines(
  format: number,
  text: string,
  parameters: LinesParameters & { readonly now: number; readonly bytesMax: number },
): Unpacked {
  const { now, bytesMax, precision = 1e-6, extraLabels } = parameters
  if (format === BODY_INFLUX) return parseInflux(text, { precision, now, bytesMax })
  if (format !== BODY_TEXT) throw fail('bad-data', { text: `unknown body format ${format}` })
  if (extraLabels === undefined) return parseExposition(text, { now, bytesMax })
  const bytes = extraLabels.map((label) => Buffer.from(label).toString('latin1'))
  return parseExposition(text, { now, bytesMax, extraLabels: bytes })
}

/** Parameters go ahead of lines: their length, u32, and they as JSON. */
function splitLines(source: Uint8Array): { parameters: LinesParameters; body: Uint8Array } {
  const length = new DataView(source.buffer, source.byteOffset).getUint32(0, true)
  const json = Buffer.from(source.subarray(4, 4 + length)).toString('utf8')
  return { parameters: JSON.parse(json) as LinesParameters, body: source.subarray(4 + length) }
}

function decompressed(source: Uint8Array, flags: number, most: number): Uint8Array | undefined {
  let compression: Compression
  if ((flags & BODY_GZIP) !== 0) compression = 'gzip'
  else if ((flags & BODY_ZSTD) !== 0) compression = 'zstd'
  else if ((flags & BODY_LZ4) !== 0) compression = 'lz4'
  else return source
  return decompress(source, compression, most)
}
