/** Exemplars as /api/v1/query_exemplars answers them. */
import { compareUtf8, type Labels } from '../../model/labels.js'
import { floatJson, timeJson } from './histogram.js'
import { TextPieces } from './pieces.js'
import { quoteLabel } from './quote.js'
import { type AnswerNotes, closeAnswer, OPEN } from './small.js'

/** The exemplars of one series. */
export interface ExemplarRow {
  readonly labels: Labels
  readonly exemplars: readonly {
    readonly labels: Labels
    readonly value: number
    /** ms. */
    readonly t: number
  }[]
}

/** Series in the order of their labels, exemplars in the order given. */
export function encodeExemplars(
  rows: readonly ExemplarRow[],
  notes: AnswerNotes = {},
): Uint8Array<ArrayBuffer>[] {
  const sorted = rows.slice().sort((a, b) => compareLabels(a.labels, b.labels))
  const pieces = new TextPieces()
  pieces.write(`${OPEN}[`)
  let separator = ''
  for (const { labels, exemplars } of sorted) {
    pieces.write(`${separator}{"seriesLabels":${labelsJson(labels)},"exemplars":[`)
    separator = ''
    for (const { labels: own, value, t } of exemplars) {
      const fields = `"labels":${labelsJson(own)},"value":${floatJson(value)}`
      pieces.write(`${separator}{${fields},"timestamp":${timeJson(t)}}`)
      separator = ','
    }
    pieces.write(']}')
    separator = ','
  }
  pieces.write(`]${closeAnswer(notes)}`)
  return pieces.finish()
}

function labelsJson(labels: Labels): string {
  const fields = labels.map(({ name, value }) => `${quoteLabel(name)}:${quoteLabel(value)}`)
  return `{${fields.join(',')}}`
}

/** Name and value of the first label that differs decide; then the shorter set is less. */
function compareLabels(a: Labels, b: Labels): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const order = compareUtf8(a[i]!.name, b[i]!.name) || compareUtf8(a[i]!.value, b[i]!.value)
    if (order !== 0) return order
  }
  return a.length - b.length
}
