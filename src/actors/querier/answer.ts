/**
 * The answer of a query as JSON, as Prometheus writes it (web/api/v1/json_codec.go): samples in
 * Go's 'f' format, or 'e' when tiny or huge, times in seconds with no or three decimals.
 */
import { printFloatPlain } from '../../shared/base/go-number.js'
import type { LabelTable, QueryResult } from '../../shared/promql/index.js'

/** Characters of text that become one piece. */
const PIECE_CHARS = 1024 * 1024
const encoder = new TextEncoder()

/** Encodes an answer with its envelope, in pieces of about a mebibyte. */
export function encodeResult(result: QueryResult): Uint8Array<ArrayBuffer>[] {
  const out = new PieceWriter()
  out.add('{"status":"success","data":')
  encodeData(result, out)
  out.add('}')
  if (result.warnings.length > 0) out.add(`,"warnings":${JSON.stringify(result.warnings)}`)
  if (result.infos.length > 0) out.add(`,"infos":${JSON.stringify(result.infos)}`)
  out.add('}')
  return out.end()
}

function encodeData({ data, labels }: QueryResult, out: PieceWriter): void {
  switch (data.type) {
    case 'string': {
      const text = JSON.stringify(data.value)
      out.add(`{"resultType":"string","result":[${data.atMs / 1000},${text}]`)
      return
    }
    case 'scalar': {
      const text = printFloatPlain(data.value)
      out.add(`{"resultType":"scalar","result":[${data.atMs / 1000},"${text}"]`)
      return
    }
    case 'vector': {
      const { matrix, order } = data
      out.add('{"resultType":"vector","result":[')
      const at = sampleTime(data.atMs)
      let comma = ''
      for (const row of order) {
        if ((matrix.present[row * matrix.words]! & 1) === 0) continue
        const value = sampleValue(matrix.values[row * matrix.steps]!)
        out.add(
          `${comma}{"metric":${metric(labels, matrix.sets[row]!)},"value":[${at},"${value}"]}`,
        )
        comma = ','
      }
      out.add(']')
      return
    }
    case 'matrix':
      encodeMatrix(data, labels, out)
      return
    case 'samples':
      encodeSamples(data, labels, out)
  }
}

function encodeMatrix(
  data: Extract<QueryResult['data'], { type: 'matrix' }>,
  labels: LabelTable,
  out: PieceWriter,
): void {
  const { matrix, order, range } = data
  out.add('{"resultType":"matrix","result":[')
  const times = Array.from({ length: range.count }, (_, step) =>
    sampleTime(range.start + step * range.step),
  )
  let comma = ''
  for (const row of order) {
    let points = ''
    for (let step = 0; step < matrix.steps; step++) {
      if (((matrix.present[row * matrix.words + (step >>> 5)]! >>> (step & 31)) & 1) === 0) continue
      const value = sampleValue(matrix.values[row * matrix.steps + step]!)
      points += `${points === '' ? '' : ','}[${times[step]!},"${value}"]`
    }
    if (points === '') continue
    out.add(`${comma}{"metric":${metric(labels, matrix.sets[row]!)},"values":[${points}]}`)
    comma = ','
  }
  out.add(']')
}

function encodeSamples(
  data: Extract<QueryResult['data'], { type: 'samples' }>,
  labels: LabelTable,
  out: PieceWriter,
): void {
  const { matrix, order } = data
  out.add('{"resultType":"matrix","result":[')
  let comma = ''
  for (const row of order) {
    let points = ''
    for (let i = matrix.offsets[row]!; i < matrix.offsets[row + 1]!; i++) {
      const point = `[${sampleTime(matrix.ts[i]!)},"${sampleValue(matrix.values[i]!)}"]`
      points += points === '' ? point : `,${point}`
    }
    out.add(`${comma}{"metric":${metric(labels, matrix.sets[row]!)},"values":[${points}]}`)
    comma = ','
  }
  out.add(']')
}

function metric(labels: LabelTable, set: number): string {
  let text = '{'
  for (const pair of labels.pairs(set)) {
    if (text !== '{') text += ','
    text += `${JSON.stringify(labels.pairName(pair))}:${JSON.stringify(labels.pairValue(pair))}`
  }
  return `${text}}`
}

function sampleTime(ms: number): string {
  const fraction = Math.abs(ms % 1000)
  const whole = Math.trunc(ms / 1000)
  const text = ms < 0 && whole === 0 ? '-0' : String(whole)
  return fraction === 0 ? String(whole) : `${text}.${String(fraction).padStart(3, '0')}`
}

function sampleValue(value: number): string {
  const size = Math.abs(value)
  const isPlain = !(size < 1e-6 && size > 0) && !(size >= 1e21)
  if (isPlain || size === Number.POSITIVE_INFINITY) return printFloatPlain(value)
  return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2')
}

/** Gathers text and turns it into pieces. */
class PieceWriter {
  private readonly pieces: Uint8Array<ArrayBuffer>[] = []
  private text = ''

  add(part: string): void {
    this.text += part
    if (this.text.length < PIECE_CHARS) return
    this.pieces.push(encoder.encode(this.text))
    this.text = ''
  }

  end(): Uint8Array<ArrayBuffer>[] {
    if (this.text !== '') this.pieces.push(encoder.encode(this.text))
    return this.pieces
  }
}
