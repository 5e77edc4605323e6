/**
 * Fuzz target `parser`: mutations of the scripts' PromQL expressions. The parser gives a tree or an
 * AppError `query-parse`, soon, and never anything else; a tree printed and parsed again prints the
 * same, on one line and laid out. Where a real Prometheus 3.5 takes the unmutated expression, its
 * format_query and our parser agree on whether the mutated one is valid.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { SeededPrng } from '../../src/shared/base/prng.js'
import { AppError } from '../../src/shared/errors/index.js'
import { formatExpr, type ParseOptions, parse, printExpr } from '../../src/shared/promql/index.js'
import { startPrometheus } from '../support/components.js'
import { parseScript } from '../support/promqltest/script.js'
import { findShared } from '../support/shared-material.js'

/** What fuzzing came to. */
export interface ParserResult {
  /** One line per failure; must be empty. */
  readonly wrong: readonly string[]
  /** Mutated expressions that are still valid. */
  readonly valid: number
  /** Those put to Prometheus too, and those that both take. */
  readonly compared: number
  readonly bothValid: number
}

/** Everything that the parser knows. */
const ALL: ParseOptions = {
  enableExperimentalFunctions: true,
  experimentalDurationExpr: true,
  enableExtendedRangeSelectors: true,
  enableBinopFillModifiers: true,
}
/** What Prometheus 3.5 is started with. */
const OF_3_5: ParseOptions = { ...ALL, experimentalDurationExpr: false }

/** Longest that one expression may take, ms: a stall is a failure. */
const STALL_MS = 1000
/** Longest expression that is compared: no longer one can be nested deeper than we allow. */
const COMPARED_MAX = 240
/** Requests under way at a time. */
const PARALLEL = 16

/**
 * Syntax that has come since 3.5, or that 3.5 reads otherwise: expressions with any of it are not
 * compared.
 */
const SINCE_3_5 = new RegExp(
  [
    String.raw`<\/|>\/`,
    String.raw`\b(?:anchored|smoothed|fill|fill_left|fill_right|step|range|min_of|max_of)\b`,
    String.raw`\b(?:start|end)\s*\(`,
    // 3.5 takes any letter between brackets that is not of a number for the colon of a subquery.
    String.raw`\[[^\]]*[\s)][a-z_]`,
    String.raw`\b(?:first_over_time|ts_of_first_over_time|start_timestamp|histogram_quantiles)\b`,
  ].join('|'),
  'i',
)

/** Pieces that mutations put in. */
const PIECES = [
  ...['(', ')', '[', ']', '{', '}', ',', ':', '"', "'", '`', '@', '+', '-', '*', '/', '%', '^'],
  ...['==', '!=', '=~', '!~', '<=', '>=', '<', '>', '=', '!', '#', '\n', ' ', '\t', '\\', '.', '_'],
  ...['sum', 'by', 'without', 'on', 'ignoring', 'group_left', 'group_right', 'bool', 'offset'],
  ...['and', 'or', 'unless', 'atan2', 'topk', 'count_values', 'quantile', 'rate', 'absent', 'info'],
  ...['5m', '1h30m', '0', '1', '-1', '1e3', '0x1F', 'NaN', 'Inf', '1_000', '3.', '.5', '[5m]'],
  ...['[5m:]', '[1h:1m]', 'offset 5m', '@ start()', '@ end()', '@ 100', 'foo', 'foo{a="b"}', '{}'],
  ...['{__name__=~".+"}', '"\\xff"', '"\\u00e9"', '\u00e9', '\u{1f600}', '\u0000', '\ud800'],
  ...['time()', 'vector(1)', 'scalar(foo)', '(', '((', '))', 'e', 'E5', 'ms', 'y', '9e999'],
]

/** Expressions of our scripts, and of upstream's when they are there. */
function seeds(): string[] {
  const found = new Set<string>()
  for (const folder of ['test/golden/promql', findShared('conformance/promqltest')]) {
    if (folder === undefined) continue
    for (const file of readdirSync(folder).sort()) {
      if (!file.endsWith('.test')) continue
      for (const command of parseScript(readFileSync(join(folder, file), 'utf8'))) {
        if (command.kind === 'eval') found.add(command.query)
      }
    }
  }
  return [...found]
}

class Mutator {
  private readonly prng: SeededPrng
  private readonly all: readonly string[]

  constructor(seed: number, all: readonly string[]) {
    this.prng = new SeededPrng(seed)
    this.all = all
  }

  below(limit: number): number {
    return limit <= 0 ? 0 : this.prng.nextU32() % limit
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }

  mutate(text: string): string {
    const times = 1 + this.below(3)
    for (let i = 0; i < times; i++) text = this.once(text)
    return wellFormed(text.slice(0, 20_000))
  }

  private once(text: string): string {
    const at = this.below(text.length + 1)
    const end = Math.min(text.length, at + 1 + this.below(6))
    switch (this.below(9)) {
      case 0:
        return text.slice(0, at) + text.slice(end)
      case 1:
        return text.slice(0, at) + this.pick(PIECES) + text.slice(at)
      case 2:
        return text.slice(0, at) + this.pick(PIECES) + text.slice(end)
      case 3:
        return text.slice(0, end) + text.slice(at)
      case 4: {
        const other = this.pick(this.all)
        return text.slice(0, at) + other.slice(this.below(other.length))
      }
      case 5:
        return `${this.pick(['(', '-', 'sum(', 'rate(', 'sum by (a) (', '+', 'abs('])}${text})`
      case 6:
        return `${text} ${this.pick(PIECES)} ${this.pick(this.all)}`
      case 7:
        return this.swap(text)
      default: {
        const piece = text.slice(at, end)
        return text.slice(0, at) + piece.repeat(this.below(20) ** 2) + text.slice(end)
      }
    }
  }

  /** Exchanges two words. */
  private swap(text: string): string {
    const words = text.split(/(\s+|[(){}[\],])/)
    const a = this.below(words.length)
    const b = this.below(words.length)
    const kept = words[a]!
    words[a] = words[b]!
    words[b] = kept
    return words.join('')
  }
}

/** What is wrong with how the parser takes an expression; undefined when nothing is. */
function examine(text: string): string | undefined {
  const start = performance.now()
  try {
    const printed = printExpr(parse(text, ALL))
    const again = printExpr(parse(printed, ALL))
    if (signsOnce(again) !== signsOnce(printed)) return `printed ${printed}, then ${again}`
    const laidOut = printExpr(parse(formatExpr(parse(printed, ALL)), ALL))
    if (signsOnce(laidOut) !== signsOnce(printed)) return `laid out and parsed again: ${laidOut}`
  } catch (error) {
    if (!(error instanceof AppError) || error.id !== 'query-parse') {
      return `not a parse error: ${String(error)}`
    }
    if (isValid(text, ALL)) return `what was printed is refused: ${error.message}`
  }
  const tookMs = performance.now() - start
  return tookMs > STALL_MS ? `took ${tookMs.toFixed(0)} ms` : undefined
}

/** Infinity prints with a sign, in Prometheus too: one more before each sign that stands there. */
function signsOnce(text: string): string {
  return text.replaceAll(/\++/g, '+')
}

function isValid(text: string, options: ParseOptions): boolean {
  try {
    parse(text, options)
    return true
  } catch {
    return false
  }
}

/** A Prometheus of this machine: the components' or that of a folder in PEERS. */
function findPrometheus(): string | undefined {
  const peers = process.env['PEERS']
  const folders = [
    '.cache/components/usr/bin',
    ...(peers === undefined ? [] : [`${peers}/usr/bin`]),
  ]
  return folders.map((folder) => resolve(folder, 'prometheus')).find((path) => existsSync(path))
}

/** Asks a Prometheus whether an expression is valid. */
type Judge = (text: string) => Promise<boolean>

function judgeAt(url: string): Judge {
  return async (text) => {
    const body = new URLSearchParams({ query: text })
    const answer = await fetch(`${url}/api/v1/format_query`, { method: 'POST', body })
    await answer.arrayBuffer()
    if (answer.status !== 200 && answer.status !== 400) {
      throw new Error(`format_query answers ${answer.status}`)
    }
    return answer.status === 200
  }
}

/** The text as it comes out of a request: lone surrogates become U+FFFD. */
function wellFormed(text: string): string {
  return new TextDecoder().decode(new TextEncoder().encode(text))
}

/** Runs `work` on all items, some at a time. */
async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  const workers = Array.from({ length: PARALLEL }, async () => {
    while (next < items.length) await work(items[next++]!)
  })
  await Promise.all(workers)
}

/** Runs `count` cases from a seed on. */
export async function fuzzParser(
  seed: number,
  count: number,
  say: (line: string) => void,
): Promise<ParserResult> {
  const all = seeds()
  const mutator = new Mutator(seed, all)
  const cases = Array.from({ length: count }, () => {
    const base = mutator.pick(all)
    return { base, text: mutator.mutate(base) }
  })
  const wrong: string[] = []
  for (const { text } of cases) {
    const problem = examine(text)
    if (problem !== undefined) wrong.push(`${JSON.stringify(text)}: ${problem}`)
  }
  const valid = cases.filter(({ text }) => isValid(text, ALL)).length
  const binary = findPrometheus()
  if (binary === undefined) {
    say('no Prometheus here (scripts/test-components.sh, or PEERS): nothing compared')
    return { wrong, valid, compared: 0, bothValid: 0 }
  }
  const folder = mkdtempSync(join(tmpdir(), 'nilo-fuzz-'))
  const features = ['promql-experimental-functions']
  const prometheus = await startPrometheus({ binary, folder, config: () => '', features })
  let compared = 0
  let bothValid = 0
  try {
    const judge = judgeAt(prometheus.url)
    const bases = new Set<string>()
    await inParallel(all, async (base) => {
      if (await judge(base)) bases.add(base)
    })
    await inParallel(cases, async ({ base, text }) => {
      if (!bases.has(base) || SINCE_3_5.test(text) || text.length > COMPARED_MAX) return
      compared++
      const theirs = await judge(text)
      const ours = isValid(text, OF_3_5)
      if (theirs && ours) bothValid++
      if (theirs === ours) return
      wrong.push(`${JSON.stringify(text)}: valid for ${theirs ? 'Prometheus' : 'us'} only`)
    })
  } finally {
    await prometheus.stop('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  return { wrong, valid, compared, bothValid }
}
