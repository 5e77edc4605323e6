/**
 * /federate: the newest sample of each selected series in Prometheus' text format, after its
 * web/federate.go: ordered by metric name, an empty `instance` where there is none, no metadata but
 * `untyped`. Native histograms have no text form and are left out.
 */
import { printFloatShort } from '../../shared/base/go-number.js'
import { AppError, fail } from '../../shared/errors/index.js'
import { compareUtf8, METRIC_NAME } from '../../shared/model/labels.js'
import { isStale } from '../../shared/model/stale.js'
import {
  FetchMeter,
  parseMetricSelector,
  type SampleBuffer,
  SELECTOR_OPTIONS,
} from '../../shared/promql/index.js'
import type { QueryOf } from './contract.js'
import type { EvaluateContext } from './evaluate.js'
import type { Outcome } from './label-queries.js'
import { checkRules, textsOfMatchers } from './query-gate.js'
import { withinLookback } from './query-limits.js'
import type { QueryStop } from './query-stop.js'

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores'
const LINES_PER_PIECE = 4096

/** The newest sample of a series. */
interface Line {
  readonly name: string
  readonly set: number
  readonly t: number
  readonly value: number
}

/** Answers a federation request. @throws AppError `query-parse`, those of `checkRules` */
export async function answerFederate(
  context: EvaluateContext,
  query: QueryOf<'federate'>,
): Promise<Outcome> {
  const { labels, limits, stop } = context
  const meter = new FetchMeter(limits.fetch)
  const lines = new Map<number, Line>()
  let seriesRead = 0
  for (const text of query.matchers) {
    seriesRead += await collect(context, text, { atMs: query.atMs, meter }, lines)
  }
  const sorted = [...lines.values()].sort(
    stop.whileSorting((a, b) => compareUtf8(a.name, b.name) || labels.compare(a.set, b.set)),
  )
  const pieces: Uint8Array[] = []
  for (let from = 0; from < sorted.length; from += LINES_PER_PIECE) {
    stop.check()
    const some = sorted.slice(from, from + LINES_PER_PIECE)
    const text = some.map((line, i) => {
      const isFirst = line.name !== sorted[from + i - 1]?.name
      return printLine(context, line, isFirst)
    })
    pieces.push(new TextEncoder().encode(text.join('')))
  }
  if (pieces.length === 0) pieces.push(new Uint8Array(0))
  return { pieces, samplesRead: lines.size, seriesRead, contentType: CONTENT_TYPE }
}

/** Notes the newest samples of one selector. @returns series selected */
async function collect(
  context: EvaluateContext,
  text: string,
  { atMs, meter }: { readonly atMs: number; readonly meter: FetchMeter },
  lines: Map<number, Line>,
): Promise<number> {
  const { labels, limits, config, stop } = context
  const matchers = matchersOf(text, stop)
  checkRules(context, () => ({ texts: [text.trim(), ...textsOfMatchers(matchers)] }))
  const source = withinLookback(context.reads.source(context.tenant), limits, atMs)
  const [mint, maxt] = [atMs - config.lookbackMs, atMs]
  const selected = await source.select({ matchers, mint, maxt, meter }, labels)
  const buffer: SampleBuffer = {
    ts: new Float64Array(0),
    values: new Float64Array(0),
    count: 0,
    histograms: undefined,
  }
  try {
    for (let row = 0; row < selected.count; row++) {
      stop.tick()
      const set = selected.sets[row]!
      const name = labels.value(set, METRIC_NAME)
      if (name === '' || lines.has(set)) continue
      buffer.histograms = undefined
      selected.read(row, mint, maxt, buffer)
      const last = buffer.count - 1
      if (last < 0 || buffer.histograms?.[last] !== undefined) continue
      const value = buffer.values[last]!
      if (isStale(value)) continue
      lines.set(set, { name, set, t: buffer.ts[last]!, value })
    }
    return selected.count
  } finally {
    selected.release()
  }
}

function matchersOf(text: string, stop: QueryStop): ReturnType<typeof parseMetricSelector> {
  try {
    return parseMetricSelector(text, SELECTOR_OPTIONS, () => stop.tick())
  } catch (error) {
    if (!(error instanceof AppError) || error.id !== 'query-parse') throw error
    throw fail('query-parse', { text: error.message }, error)
  }
}

function printLine({ labels }: EvaluateContext, line: Line, isFirst: boolean): string {
  const name = escapeName(line.name)
  const own = labels.labels(line.set).filter((label) => label.name !== METRIC_NAME)
  const hasInstance = own.some((label) => label.name === 'instance')
  const shown = hasInstance ? own : [...own, { name: 'instance', value: '' }]
  const texts = shown.map(({ name, value }) => `${escapeName(name)}="${escapeValue(value)}"`)
  const type = isFirst ? `# TYPE ${name} untyped\n` : ''
  return `${type}${name}{${texts.join(',')}} ${printFloatShort(line.value)} ${line.t}\n`
}

/** Names that the old format cannot hold get underscores. */
function escapeName(name: string): string {
  return /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name)
    ? name
    : name.replace(/^[^a-zA-Z_:]|[^a-zA-Z0-9_:]/gu, '_')
}

function escapeValue(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/"/g, '\\"')
}
