/**
 * What OTLP senders are answered, as protobuf or JSON: ExportMetricsServiceResponse on success,
 * google.rpc.Status on failure.
 */

/** What was not stored of a request that was taken. */
export interface PartialSuccess {
  readonly rejected: number
  readonly text: string
}

/** Codes of google.rpc.Status by HTTP status. */
const CODES: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  413: 3,
  415: 3,
  429: 8,
  499: 1,
  501: 12,
  503: 14,
}
const UNKNOWN = 2

/** The body of an answer that says that the request was taken. */
export function encodeSuccess(isJson: boolean, partial?: PartialSuccess): Uint8Array {
  if (isJson) {
    const { rejected, text } = partial ?? { rejected: 0, text: '' }
    const said = { rejectedDataPoints: String(rejected), errorMessage: text }
    return Buffer.from(JSON.stringify(partial === undefined ? {} : { partialSuccess: said }))
  }
  if (partial === undefined) return new Uint8Array()
  const inner = [...varintField(1, partial.rejected), ...textField(2, partial.text)]
  return Uint8Array.from([0x0a, ...varint(inner.length), ...inner])
}

/** The body of an answer that says that it was not. */
export function encodeFailure(isJson: boolean, status: number, message: string): Uint8Array {
  const code = CODES[status] ?? UNKNOWN
  if (isJson) return Buffer.from(JSON.stringify({ code, message }))
  return Uint8Array.from([...varintField(1, code), ...textField(2, message)])
}

function varintField(field: number, value: number): number[] {
  return value === 0 ? [] : [field << 3, ...varint(value)]
}

function textField(field: number, text: string): number[] {
  const bytes = Buffer.from(text)
  return bytes.length === 0 ? [] : [(field << 3) | 2, ...varint(bytes.length), ...bytes]
}

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return [...bytes, rest]
}
