/**
 * Runs PromQL test scripts in process: parser, engine and a store. An instant eval is run as
 * upstream's runner does: as written, with its selectors pinned by `@` at five times, and each of
 * these as the middle step of a range query.
 */
import { AppError } from '../../../src/shared/errors/index.js'
import {
  type Expr,
  execute,
  LabelTable,
  parse,
  printExpr,
  type QueryResult,
} from '../../../src/shared/promql/index.js'
import { canPin, pinned } from './at-times.js'
import { compareNotes, compareRows, isClose, isMatch, keyOf, rowsOf } from './compare.js'
import { convertClassic } from './nhcb.js'
import { type Command, type EvalCommand, parseScript } from './script.js'
import type { Item, SeriesLine } from './series.js'
import { columnsOf, type Store } from './store.js'

/** How one eval of a script went. */
export interface Outcome {
  readonly line: number
  readonly query: string
  readonly status: 'passed' | 'failed'
  /** Why it failed. */
  readonly reason: string
}

const OPTIONS = {
  enableExperimentalFunctions: true,
  experimentalDurationExpr: true,
  enableExtendedRangeSelectors: true,
  enableBinopFillModifiers: true,
}
const LOOKBACK_MS = 300_000
const SAMPLES_MAX = 10_000
const MEMORY_MAX = 1 << 30
const MINUTE_MS = 60_000

/** What a script has loaded. */
interface Data {
  store: Store
}

/** Runs all commands of a script. */
export async function runScript(text: string, makeStore: () => Store): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  let data = freshData(makeStore)
  for (const command of parseScript(text)) {
    if (command.kind === 'clear') data = freshData(makeStore)
    else if (command.kind === 'load') load(command, data)
    else outcomes.push(await evaluate(command, data))
  }
  return outcomes
}

function freshData(makeStore: () => Store): Data {
  return { store: makeStore() }
}

function load(command: Extract<Command, { kind: 'load' }>, data: Data): void {
  // Of two lines of a block with the same metric the last one counts.
  const lines = new Map<string, SeriesLine>()
  const startsOf = new Map<string, SeriesLine['starts']>()
  for (const line of command.series) {
    if (line.starts !== undefined) startsOf.set(keyOf(line.labels), line.starts)
    else lines.set(keyOf(line.labels), line)
  }
  const converted = command.withNhcb ? convertClassic(lines.values()) : []
  for (const { labels, items } of [...lines.values(), ...converted]) {
    const at: number[] = []
    const kept: Exclude<Item, undefined>[] = []
    for (const [index, item] of items.entries()) {
      if (item === undefined) continue
      at.push(index * command.stepMs)
      kept.push(item)
    }
    if (at.length === 0) continue
    const { values, histograms } = columnsOf(kept)
    const ts = Float64Array.from(at)
    const offsets = startsOf.get(keyOf(labels))
    if (offsets === undefined) data.store.append(labels, ts, values, histograms)
    else {
      const starts = ts.map((time) => {
        const offset = offsets[time / command.stepMs]
        return offset === undefined ? 0 : time + offset
      })
      data.store.append(labels, ts, values, histograms, starts)
    }
  }
}

async function evaluate(command: EvalCommand, data: Data): Promise<Outcome> {
  const { line, query } = command
  try {
    const reason = command.isInstant
      ? await runInstant(command, data)
      : await runOnce(command, data, query)
    return { line, query, status: reason === undefined ? 'passed' : 'failed', reason: reason ?? '' }
  } catch (error) {
    return { line, query, status: 'failed', reason: String((error as Error).stack) }
  }
}

/** All runs of an instant eval; the reason of the first that went wrong. */
async function runInstant(command: EvalCommand, data: Data): Promise<string | undefined> {
  const { query, start, expected } = command
  const written = await runOnce(command, data, query)
  if (written !== undefined) return written
  for (const variant of variantsOf(query, start)) {
    const at: EvalCommand = { ...command, start: variant.at, end: variant.at }
    const pinnedRun = await runOnce(at, data, variant.query)
    if (pinnedRun !== undefined) return `${variant.query} at ${variant.at}: ${pinnedRun}`
  }
  if (expected.fail !== undefined || expected.string !== undefined) return undefined
  if (expected.rangeVector !== undefined || /\b(?:start|end|range|step)\(\)/.test(query)) {
    return undefined
  }
  for (const variant of [{ query, at: start }, ...variantsOf(query, start)]) {
    const ranged = await runAsRange(command, data, variant.query, variant.at)
    if (ranged !== undefined) return `${variant.query} as a range at ${variant.at}: ${ranged}`
  }
  return undefined
}

/** The query pinned by `@`, and the times at which its answer must be the same. */
function variantsOf(query: string, at: number): { query: string; at: number }[] {
  let expr: Expr
  try {
    expr = parse(query, OPTIONS)
  } catch {
    return []
  }
  if (!canPin(expr)) return []
  const text = printExpr(pinned(expr, at))
  const times = at === 0 ? [-1000, 0, 1000] : [-10 * at, 0, Math.trunc(at / 5), at, 10 * at]
  return times.map((time) => ({ query: text, at: time }))
}

/** One run, checked; the query may be a variant of the command's. */
async function runOnce(
  command: EvalCommand,
  data: Data,
  query: string,
): Promise<string | undefined> {
  const { expected, isInstant, start, end, step } = command
  let result: QueryResult
  try {
    result = await ask(query, { start, end, step: isInstant ? 0 : step }, data)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    if (expected.fail === undefined) return `failed: ${error.message}`
    if (isMatch(expected.fail, error.message)) return undefined
    return `failed as expected, but with: ${error.message}`
  }
  if (expected.fail !== undefined) return 'did not fail'
  const { warn, info, noWarn, noInfo } = expected
  return (
    compareNotes('warning', result.warnings, { wanted: warn, none: noWarn }) ??
    compareNotes('info', result.infos, { wanted: info, none: noInfo }) ??
    compareResult(command, result)
  )
}

function compareResult(command: EvalCommand, result: QueryResult): string | undefined {
  const { expected, start, step } = command
  const { data } = result
  if (expected.string !== undefined) {
    return data.type === 'string' && data.value === expected.string
      ? undefined
      : `not the string ${expected.string}`
  }
  if (expected.scalar !== undefined) {
    if (data.type !== 'scalar') return `a ${data.type}, not a scalar`
    return isClose(expected.scalar, data.value)
      ? undefined
      : `${data.value}, expected ${expected.scalar}`
  }
  if (data.type === 'scalar') return `the scalar ${data.value} where series are expected`
  if (data.type === 'string') return 'a string where series are expected'
  return compareRows(rowsOf(result), expected, expected.rangeVector ?? { start, step })
}

/** Runs the query from a minute before to a minute after; the middle step must be the answer. */
async function runAsRange(
  command: EvalCommand,
  data: Data,
  query: string,
  at: number,
): Promise<string | undefined> {
  const times = { start: at - MINUTE_MS, end: at + MINUTE_MS, step: MINUTE_MS }
  let result: QueryResult
  try {
    result = await ask(query, times, data)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return `failed: ${error.message}`
  }
  const { expected } = command
  if (expected.isOrdered) return undefined
  const rows = rowsOf(result).flatMap((row) => {
    const value = row.points.get(at)
    return value === undefined ? [] : [{ key: row.key, points: new Map([[at, value]]) }]
  })
  if (expected.scalar === undefined) return compareRows(rows, expected, { start: at, step: 0 })
  const value = rows[0]?.points.get(at)
  if (value === undefined) return 'no value at the middle step'
  if (typeof value !== 'number') return 'a histogram at the middle step'
  return isClose(expected.scalar, value) ? undefined : `${value}, expected ${expected.scalar}`
}

async function ask(
  query: string,
  times: { readonly start: number; readonly end: number; readonly step: number },
  data: Data,
): Promise<QueryResult> {
  const expr = parse(query, OPTIONS)
  return await execute(
    expr,
    {
      text: query,
      ...times,
      lookbackMs: LOOKBACK_MS,
      delayedNameRemoval: true,
      // The scripts are of a later Prometheus than the one that servers are compared with.
      release: 'main',
      samplesMax: SAMPLES_MAX,
      memoryMax: MEMORY_MAX,
      isCanceled: () => false,
    },
    data.store.source,
    new LabelTable(),
  )
}
