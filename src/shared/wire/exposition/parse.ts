/**
 * Prometheus' text exposition format ("Text format details") into remote write 1.0: what scripts
 * push with curl. `# TYPE` and `# HELP` become metadata; exemplars of OpenMetrics are passed over.
 *
 *   name{label="value",…} value [milliseconds]
 *   {"name with any characters", label="value",…} value
 *
 * Works on byte strings: one character per byte.
 */
import { AppError, fail } from '../../errors/index.js'
import { METADATA_TYPES } from '../frames/index.js'
import { RequestEncoder, type Written } from '../remote-write/encode.js'

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y
const LABEL = /[a-zA-Z_][a-zA-Z0-9_]*/y
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/

/** Bad lines of one body: one with more is no body of this format, and refused as a whole. */
const BAD_LINES_MAX = 10_000

/** What a push says of all of its samples. */
export interface ExpositionOptions {
  /** ms, the time of samples that have none. */
  readonly now: number
  /** What the request may come to. */
  readonly bytesMax: number
  /** Added to every series, in place of a label of that name: names and values by turns. */
  readonly extraLabels?: readonly string[]
}

/** A body as remote write 1.0, in pieces of whole series. */
export interface ReadText extends Written {
  /** Lines that were left out; they are no samples. */
  readonly badLines: number
  /** What is wrong with the first of them; '' without. */
  readonly badText: string
}

/**
 * Parses a body. Bad lines are left out, as VictoriaMetrics does.
 *
 * @throws AppError `bad-data` for a body of too many samples or bad lines
 */
export function parseExposition(text: string, options: ExpositionOptions): ReadText {
  let badLines = 0
  let badText = ''
  const encoder = new RequestEncoder(options.bytesMax)
  const types = new Map<string, Described>()
  let line = 1
  for (let at = 0; at < text.length; line++) {
    const newline = text.indexOf('\n', at)
    const end = newline < 0 ? text.length : newline
    const wrong = readLine(text.slice(at, end).trim(), { encoder, types, options, line })
    at = end + 1
    if (wrong === '') continue
    badText ||= wrong
    if (++badLines <= BAD_LINES_MAX) continue
    throw fail('bad-data', { text: `${badText}; over ${BAD_LINES_MAX} lines are malformed` })
  }
  for (const [metric, { type, help }] of types) encoder.metadata(type, metric, help)
  return { ...encoder.take(), badLines, badText }
}

/** Metadata of a metric as far as it was read. */
interface Described {
  type: number
  help: string
}

interface Context {
  readonly encoder: RequestEncoder
  readonly types: Map<string, Described>
  readonly options: ExpositionOptions
  readonly line: number
}

/** What is wrong with the line; '' when nothing is. */
function readLine(line: string, context: Context): string {
  if (line === '') return ''
  if (line.startsWith('#')) {
    readComment(line, context.types)
    return ''
  }
  const reader = new LineReader(line, context.line)
  let labels: string[]
  let sample: { readonly value: number; readonly timeMs: number }
  try {
    labels = reader.series()
    sample = reader.sample(context.options.now)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return error.message
  }
  const { extraLabels } = context.options
  context.encoder.sample(withExtra(labels, extraLabels), sample.timeMs, sample.value)
  return ''
}

function readComment(line: string, types: Map<string, Described>): void {
  const match = /^#\s*(TYPE|HELP)\s+(\S+)\s*(.*)$/.exec(line)
  if (match === null) return
  const metric = match[2]!.replace(/^"(.*)"$/, '$1')
  const known = types.get(metric) ?? { type: 0, help: '' }
  types.set(metric, known)
  if (match[1] === 'HELP') known.help = unescaped(match[3]!)
  else known.type = Math.max(0, (METADATA_TYPES as readonly string[]).indexOf(match[3]!.trim()))
}

function withExtra(labels: string[], extra: readonly string[] | undefined): readonly string[] {
  if (extra === undefined || extra.length === 0) return labels
  for (let i = 0; i < extra.length; i += 2) {
    const at = labels.findIndex((name, index) => index % 2 === 0 && name === extra[i])
    if (at < 0) labels.push(extra[i]!, extra[i + 1]!)
    else labels[at + 1] = extra[i + 1]!
  }
  return labels
}

function unescaped(text: string): string {
  return text.replace(/\\([\\n"])/g, (_, char: string) => (char === 'n' ? '\n' : char))
}

/** Reads one line from left to right. */
class LineReader {
  private readonly line: string
  private readonly number: number
  private at = 0

  constructor(line: string, number: number) {
    this.line = line
    this.number = number
  }

  /** Names and values by turns, `__name__` among them. */
  series(): string[] {
    const name = this.match(NAME)
    const labels = name === '' ? [] : ['__name__', name]
    this.blank()
    if (this.takes('{')) this.labels(labels)
    if (labels[0] !== '__name__') throw this.wrong('no metric name')
    return labels
  }

  private labels(labels: string[]): void {
    this.blank()
    while (!this.takes('}')) {
      const isQuoted = this.line[this.at] === '"'
      const name = isQuoted ? this.quoted() : this.match(LABEL)
      if (name === '') throw this.wrong('expected a label name')
      this.blank()
      if (this.takes('=')) {
        this.blank()
        if (this.line[this.at] !== '"') throw this.wrong(`label ${name} without a quoted value`)
        labels.push(name, this.quoted())
      } else if (isQuoted && labels[0] !== '__name__') labels.unshift('__name__', name)
      else throw this.wrong(`label ${name} without a value`)
      this.blank()
      if (this.takes(',')) this.blank()
      else if (this.line[this.at] !== '}') throw this.wrong('the labels do not end')
    }
  }

  sample(now: number): { value: number; timeMs: number } {
    this.blank()
    const [value, time, ...rest] = this.line
      .slice(this.at)
      .replace(/\s#.*$/, '')
      .split(/\s+/)
      .filter((word) => word !== '')
    if (value === undefined) throw this.wrong('no value')
    if (rest.length > 0) throw this.wrong(`more behind the time: ${rest.join(' ')}`)
    if (time !== undefined && !/^-?\d{1,16}$/.test(time)) throw this.wrong(`not a time: ${time}`)
    return { value: this.valueOf(value), timeMs: time === undefined ? now : Number(time) }
  }

  private valueOf(word: string): number {
    if (NUMBER.test(word)) return Number(word)
    if (/^[+]?inf(inity)?$/i.test(word)) return Number.POSITIVE_INFINITY
    if (/^-inf(inity)?$/i.test(word)) return Number.NEGATIVE_INFINITY
    if (/^nan$/i.test(word)) return Number.NaN
    throw this.wrong(`not a value: ${word}`)
  }

  private quoted(): string {
    const start = this.at + 1
    let end = start
    while (end < this.line.length && this.line[end] !== '"') end += this.line[end] === '\\' ? 2 : 1
    if (end >= this.line.length) throw this.wrong('a quoted text does not end')
    this.at = end + 1
    return unescaped(this.line.slice(start, end))
  }

  private takes(char: string): boolean {
    if (this.line[this.at] !== char) return false
    this.at++
    return true
  }

  private blank(): void {
    while (this.line[this.at] === ' ' || this.line[this.at] === '\t') this.at++
  }

  private match(pattern: RegExp): string {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.line)?.[0] ?? ''
    this.at += found.length
    return found
  }

  private wrong(why: string): Error {
    const said = Buffer.from(`${why} in ${JSON.stringify(this.line.slice(0, 120))}`, 'latin1')
    return fail('bad-data', { text: `line ${this.number}: ${said.toString('utf8')}` })
  }
}
