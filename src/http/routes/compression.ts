/** How the body of a request is compressed, as a flag of its frame. */
import { fail } from '../../shared/errors/index.js'
import { BODY_GZIP, BODY_LZ4, BODY_ZSTD } from '../../shared/wire/frames/index.js'

/** BODY flags of a Content-Encoding. @throws AppError `content-type-unsupported` */
export function compressionOf(encoding: string | undefined): number {
  const name = encoding?.trim().toLowerCase() ?? ''
  if (name === '' || name === 'identity') return 0
  if (name === 'gzip') return BODY_GZIP
  if (name === 'zstd') return BODY_ZSTD
  if (name === 'lz4') return BODY_LZ4
  const text = `unsupported compression: ${name}. Only "gzip", "lz4", "zstd", or no compression is supported`
  throw fail('content-type-unsupported', { text })
}
