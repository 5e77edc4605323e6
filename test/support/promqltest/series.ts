/**
 * Series lines of PromQL test scripts: `name{label="value"} 1 2+1x3 _ stale {{count:3}}`. Metric,
 * then values; both the loaded series and the expected ones are written so.
 */
import { parseDuration } from '../../../src/shared/base/duration.js'
import { findGoFloat } from '../../../src/shared/base/go-float.js'
import { unquoteGo } from '../../../src/shared/base/go-string.js'
import {
  addHistograms,
  subtractHistograms,
} from '../../../src/shared/model/histogram-arithmetic.js'
import { type Labels, labelsOf, METRIC_NAME } from '../../../src/shared/model/labels.js'
import { type HistogramLiteral, parseHistogram } from './histogram-literal.js'

/** A value of a sequence; `undefined` is a gap. */
export type Item = number | 'stale' | HistogramLiteral | undefined

/** A metric and its values, one a step. */
export interface SeriesLine {
  readonly labels: Labels
  readonly items: readonly Item[]
  /**
   * Of a line `metric@st …`, which has no values: start timestamps of those of the line below, as
   * ms from their own times; `undefined` is not known.
   */
  readonly starts: readonly (number | undefined)[] | undefined
}

const NUMBER = String.raw`(?:inf|nan|\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)`
const SEQUENCE = new RegExp(String.raw`^([+-]?${NUMBER})(?:([+-])([+-]?${NUMBER}))?x(\d+)$`, 'i')
const HISTOGRAMS = /^\{\{(.*?)\}\}(?:([+-])\{\{(.*?)\}\})?(?:x(\d+))?(?=\s|$)/

/** Reads a series line. */
export function parseSeriesLine(line: string): SeriesLine {
  const reader = { line, at: 0 }
  const labels = readMetric(reader)
  if (line.startsWith('@st', reader.at)) {
    return { labels, items: [], starts: readStarts(line.slice(reader.at + '@st'.length)) }
  }
  return { labels, items: readItems(line.slice(reader.at)), starts: undefined }
}

const SPAN = String.raw`(?:(?:\d+(?:ms|[smhdwy]))+|0)`
const STARTS = new RegExp(String.raw`^([+-]?)(${SPAN})(?:([+-])(${SPAN}))?(?:x(\d+))?$`)

/** Offsets of start timestamps: `-30s-1mx2 _ _x3 1ms`. */
function readStarts(text: string): (number | undefined)[] {
  const starts: (number | undefined)[] = []
  for (const word of text.trim().split(/\s+/)) {
    const gaps = /^_(?:x(\d+))?$/.exec(word)
    if (gaps !== null) {
      starts.push(...new Array<undefined>(Number(gaps[1] ?? 1)).fill(undefined))
      continue
    }
    const found = STARTS.exec(word)
    if (found === null) throw new Error(`not a start timestamp: ${word}`)
    const [, sign, first, stepSign, step, times] = found
    let value = (sign === '-' ? -1 : 1) * parseDuration(first!)
    const increment = (stepSign === '-' ? -1 : 1) * (step === undefined ? 0 : parseDuration(step))
    for (let i = 0; i <= Number(times ?? 0); i++) {
      starts.push(value)
      value += increment
    }
  }
  return starts
}

interface Reader {
  readonly line: string
  at: number
}

function readMetric(reader: Reader): Labels {
  const { line } = reader
  const record: Record<string, string> = {}
  const name = /^[^\s{@]+/.exec(line)?.[0] ?? ''
  if (name !== '') record[METRIC_NAME] = name
  reader.at = name.length
  while (line[reader.at] === ' ') reader.at++
  // Two braces begin a histogram.
  if (line[reader.at] !== '{' || line[reader.at + 1] === '{') return labelsOf(record)
  reader.at++
  while (true) {
    skip(reader, /^[\s,]*/)
    if (line[reader.at] === '}') break
    if (reader.at >= line.length) throw new Error(`no closing brace: ${line}`)
    const label = readName(reader)
    skip(reader, /^\s*/)
    if (line[reader.at] !== '=') {
      record[METRIC_NAME] = label
      continue
    }
    reader.at++
    skip(reader, /^\s*/)
    record[label] = readString(reader)
  }
  reader.at++
  return labelsOf(record)
}

function skip(reader: Reader, pattern: RegExp): void {
  reader.at += pattern.exec(reader.line.slice(reader.at))![0].length
}

function readName(reader: Reader): string {
  if (/["'`]/.test(reader.line[reader.at]!)) return readString(reader)
  const name = /^[\p{L}\p{N}_:.]+/u.exec(reader.line.slice(reader.at))?.[0]
  if (name === undefined) throw new Error(`no label name at ${reader.at}: ${reader.line}`)
  reader.at += name.length
  return name
}

function readString(reader: Reader): string {
  const found = /^(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)/.exec(
    reader.line.slice(reader.at),
  )
  const text = found === null ? undefined : unquoteGo(found[0])
  if (found === null || text === undefined) throw new Error(`not a string: ${reader.line}`)
  reader.at += found[0].length
  return text
}

/** Reads the values of a series. */
export function readItems(text: string): Item[] {
  const items: Item[] = []
  let rest = text.trim()
  while (rest !== '') {
    const histograms = HISTOGRAMS.exec(rest)
    const word = histograms?.[0] ?? /^\S+/.exec(rest)![0]
    if (histograms !== null) {
      const [, first, sign, step, times] = histograms
      items.push(...expandHistograms(first!, sign, step, Number(times ?? 0)))
    } else items.push(...expand(word))
    rest = rest.slice(word.length).trim()
  }
  return items
}

/** A histogram, then `times` ones that each add (or take away) another to the one before. */
function expandHistograms(
  first: string,
  sign: string | undefined,
  step: string | undefined,
  times: number,
): HistogramLiteral[] {
  let item = parseHistogram(first)
  const increment = step === undefined ? undefined : parseHistogram(step).histogram
  const items = [item]
  for (let i = 0; i < times; i++) {
    if (increment !== undefined) {
      const combine = sign === '-' ? subtractHistograms : addHistograms
      const combined = combine(item.histogram, increment)
      if (combined === undefined) throw new Error(`no common buckets: ${first} ${step}`)
      item = { ...item, histogram: combined.histogram }
    }
    items.push(item)
  }
  return items
}

function expand(word: string): Item[] {
  const gaps = /^_(?:x(\d+))?$/.exec(word)
  if (gaps !== null) return new Array<Item>(Number(gaps[1] ?? 1)).fill(undefined)
  if (word === 'stale') return ['stale']
  const sequence = SEQUENCE.exec(word)
  if (sequence === null) {
    const value = findGoFloat(word)
    if (value === undefined) throw new Error(`not a value: ${word}`)
    return [value]
  }
  const [, first, sign, step, times] = sequence
  let value = findGoFloat(first!)!
  let increment = step === undefined ? 0 : findGoFloat(step)!
  if (sign === '-') increment = -increment
  const items: Item[] = [value]
  for (let i = 0; i < Number(times); i++) {
    if (step !== undefined) value += increment
    items.push(value)
  }
  return items
}
