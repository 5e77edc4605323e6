/**
 * Answers of the API that are not query results, as bytes: lists of strings, series, small values
 * of any shape, errors. The envelope is that of Prometheus' web/api/v1.
 */
import type { LabelSource } from './answer.js'
import { TextPieces } from './pieces.js'
import { isPlain, quoteLabel, quoteText } from './quote.js'

/** Texts that stand beside the data of an answer. */
export interface AnswerNotes {
  readonly warnings?: readonly string[]
  readonly infos?: readonly string[]
}

/** The beginning of an answer, up to its data. */
export const OPEN = '{"status":"success","data":'

/** The end of an answer, from behind its data: warnings and infos where there are any. */
export function closeAnswer({ warnings, infos }: AnswerNotes): string {
  return `${notes('warnings', warnings)}${notes('infos', infos)}}`
}

function notes(name: string, texts: readonly string[] | undefined): string {
  if (texts === undefined || texts.length === 0) return ''
  return `,"${name}":[${texts.map(quoteText).join(',')}]`
}

/** Strings of a list that is written at once. */
const SHORT_LIST_MAX = 1_000

/** Label names or values. */
export function encodeStrings(
  strings: Iterable<string>,
  notes: AnswerNotes = {},
): Uint8Array<ArrayBuffer>[] {
  const pieces = new TextPieces()
  pieces.write(`${OPEN}[`)
  if (isShortList(strings) && isPlain(strings.join(''))) {
    // One search is cheaper than one for each.
    pieces.write(`"${strings.join('","')}"]${closeAnswer(notes)}`)
    return pieces.finish()
  }
  let separator = ''
  for (const text of strings) {
    pieces.write(separator + quoteText(text))
    separator = ','
  }
  pieces.write(`]${closeAnswer(notes)}`)
  return pieces.finish()
}

function isShortList(strings: Iterable<string>): strings is readonly string[] {
  return Array.isArray(strings) && strings.length > 0 && strings.length <= SHORT_LIST_MAX
}

/** Series, as Mimir's API of active series lists them: without a status. */
export function encodeActiveSeries(
  sets: Iterable<number>,
  labels: LabelSource,
): Uint8Array<ArrayBuffer>[] {
  const pieces = new TextPieces()
  pieces.write('{"data":')
  writeSeries(pieces, sets, labels)
  pieces.write('}')
  return pieces.finish()
}

function writeSeries(pieces: TextPieces, sets: Iterable<number>, labels: LabelSource): void {
  // Series share most of their labels: each is quoted once.
  const texts = new Map<number, string>()
  const textOf = (pair: number): string => {
    const known = texts.get(pair)
    if (known !== undefined) return known
    const text = `${quoteLabel(labels.pairName(pair))}:${quoteLabel(labels.pairValue(pair))}`
    texts.set(pair, text)
    return text
  }
  pieces.write('[')
  let before = ''
  for (const set of sets) {
    const pairs = labels.pairs(set)
    // Not looked at before the end: strings that are put together cost little until they are.
    let inner = `${before}{`
    for (let i = 0; i < pairs.length; i++) {
      if (i > 0) inner += ','
      inner += textOf(pairs[i]!)
    }
    pieces.write(`${inner}}`)
    before = ','
  }
  pieces.write(']')
}

/** Data of any shape that JSON has: metadata, build information, a formatted query. */
export function encodeData(data: unknown, notes: AnswerNotes = {}): Uint8Array<ArrayBuffer>[] {
  const pieces = new TextPieces()
  pieces.write(OPEN)
  pieces.write(toJson(data))
  pieces.write(closeAnswer(notes))
  return pieces.finish()
}

/** Data of any shape that JSON has, without an envelope. */
export function encodeBareData(data: unknown): Uint8Array<ArrayBuffer>[] {
  const pieces = new TextPieces()
  pieces.write(toJson(data))
  return pieces.finish()
}

/** An error. `type` is one of Prometheus' errorType values. */
export function encodeError(type: string, text: string): Uint8Array<ArrayBuffer>[] {
  const pieces = new TextPieces()
  pieces.write(`{"status":"error","errorType":${quoteText(type)},"error":${quoteText(text)}}`)
  return pieces.finish()
}

/** JSON with Go's escapes: strings only can hold the characters that are replaced. */
function toJson(data: unknown): string {
  const json = JSON.stringify(data) ?? 'null'
  return json.replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
