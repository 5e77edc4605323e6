/**
 * Answers that are lists of labels, as pieces of JSON: series, label names and values, metadata.
 * Answers with samples are written by shared/wire/json.
 */
import { compareUtf8 } from '../../shared/model/labels.js'
import type { LabelTable } from '../../shared/promql/index.js'
import type { MetricMetadata } from './fanout.js'

/** Characters of text that become one piece. */
const PIECE_CHARS = 1024 * 1024
const encoder = new TextEncoder()

/** The success envelope around a list of strings. */
export function encodeStrings(
  values: readonly string[],
  warnings: readonly string[],
): Uint8Array<ArrayBuffer>[] {
  const text = new PieceWriter('{"status":"success","data":[')
  for (const [index, value] of values.entries()) {
    text.add((index === 0 ? '' : ',') + JSON.stringify(value))
  }
  return text.end(`]${warningsText(warnings)}}`)
}

/** The success envelope around label sets, in the order given. */
export function encodeSeries(
  sets: Uint32Array,
  labels: LabelTable,
  warnings: readonly string[],
): Uint8Array<ArrayBuffer>[] {
  const text = new PieceWriter('{"status":"success","data":[')
  const shown: string[] = []
  const pairText = (pair: number): string => {
    let known = shown[pair]
    if (known === undefined) {
      const name = JSON.stringify(labels.pairName(pair))
      known = `${name}:${JSON.stringify(labels.pairValue(pair))}`
      shown[pair] = known
    }
    return known
  }
  for (let i = 0; i < sets.length; i++) {
    const pairs = labels.pairs(sets[i]!)
    let row = i === 0 ? '{' : ',{'
    for (let p = 0; p < pairs.length; p++) row += (p === 0 ? '' : ',') + pairText(pairs[p]!)
    text.add(`${row}}`)
  }
  return text.end(`]${warningsText(warnings)}}`)
}

/** The success envelope around metadata by metric name. */
export function encodeMetadata(
  byMetric: ReadonlyMap<string, readonly MetricMetadata[]>,
): Uint8Array<ArrayBuffer>[] {
  const text = new PieceWriter('{"status":"success","data":{')
  let isFirst = true
  for (const [metric, entries] of byMetric) {
    const list = entries.map(({ type, help, unit }) => ({ type, help, unit }))
    text.add(`${isFirst ? '' : ','}${JSON.stringify(metric)}:${JSON.stringify(list)}`)
    isFirst = false
  }
  return text.end('}}')
}

/** The success envelope around one string. */
export function encodeString(value: string): Uint8Array<ArrayBuffer>[] {
  return [encoder.encode(JSON.stringify({ status: 'success', data: value }))]
}

/** Set ids in the order of their labels: name, value, name, value; the shorter first. */
export function sortSets(sets: Uint32Array, labels: LabelTable): Uint32Array {
  return sets.slice().sort((a, b) => compareSets(labels.pairs(a), labels.pairs(b), labels))
}

function compareSets(a: Uint32Array, b: Uint32Array, labels: LabelTable): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a[i]!
    const y = b[i]!
    if (x === y) continue
    const byName = compareUtf8(labels.pairName(x), labels.pairName(y))
    return byName !== 0 ? byName : compareUtf8(labels.pairValue(x), labels.pairValue(y))
  }
  return a.length - b.length
}

function warningsText(warnings: readonly string[]): string {
  return warnings.length === 0 ? '' : `,"warnings":${JSON.stringify(warnings)}`
}

/** Gathers text and turns it into pieces of about a mebibyte. */
class PieceWriter {
  private readonly pieces: Uint8Array<ArrayBuffer>[] = []
  private text: string

  constructor(start: string) {
    this.text = start
  }

  add(part: string): void {
    this.text += part
    if (this.text.length >= PIECE_CHARS) this.flush()
  }

  end(last: string): Uint8Array<ArrayBuffer>[] {
    this.text += last
    this.flush()
    return this.pieces
  }

  private flush(): void {
    this.pieces.push(encoder.encode(this.text))
    this.text = ''
  }
}
