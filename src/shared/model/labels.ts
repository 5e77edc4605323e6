/**
 * Labels as values, for cold paths: definitions, API answers, tests. On hot paths labels are
 * pair ids (promql/label-table.ts, tsdb/head). Names and values compare by their UTF-8 bytes, as
 * Go strings do.
 */

/** One label. */
export interface Label {
  readonly name: string
  readonly value: string
}

/** A label set: sorted by name, names unique, no empty values. */
export type Labels = readonly Label[]

/** The label that holds the metric name. */
export const METRIC_NAME = '__name__'

/**
 * Orders two strings by their UTF-8 bytes. UTF-16 order differs only where one of the two has a
 * surrogate pair and the other a unit from U+E000 on.
 */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    const xSurrogate = x >= 0xd800 && x <= 0xdfff
    const ySurrogate = y >= 0xd800 && y <= 0xdfff
    if (xSurrogate === ySurrogate) return x - y
    return xSurrogate ? 1 : -1
  }
  return a.length - b.length
}

/** Makes a label set of a record: sorted, empty values left out. */
export function labelsOf(record: Readonly<Record<string, string>>): Labels {
  return Object.entries(record)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => ({ name, value }))
    .sort((a, b) => compareUtf8(a.name, b.name))
}
