/**
 * `npm run bench -- --compare [A [B]] [PATH…]`: two commits side by side. Each is checked out and
 * built under .cache/compare, once; their benchmarks then run by turns, round for round, and what
 * counts is the median of the rounds' ratios: figures of different minutes do not compare on a machine that others use.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Figure } from './figures.js'
import { git } from './history.js'
import { listBenches, runBench } from './suite.js'

/** A build to be compared. */
export interface Side {
  /** As people name it. */
  readonly name: string
  readonly root: string
}

/** A figure of both sides over all rounds. */
export interface Comparison {
  readonly name: string
  readonly unit: string
  /** Medians. */
  readonly before: number
  readonly after: number
  /** Of after ÷ before, by quartile: below 1 is faster. */
  readonly ratio: readonly [low: number, median: number, high: number]
}

/** The commit that a word names, or undefined when it names none. */
export function findCommit(root: string, word: string): string | undefined {
  if (word.startsWith('-')) return undefined
  const commit = git(root, [
    'rev-parse',
    '--verify',
    '--quiet',
    '--end-of-options',
    `${word}^{commit}`,
  ])
  return commit === '' ? undefined : commit
}

/**
 * Checks a commit out under .cache/compare and builds it, unless it is there.
 * @throws when it does not build
 */
export function buildSide(root: string, word: string, commit: string): Side {
  const folder = join(root, '.cache/compare', commit.slice(0, 12))
  if (!existsSync(folder)) {
    mkdirSync(join(root, '.cache/compare'), { recursive: true })
    run('git', ['worktree', 'prune'], root)
    run('git', ['worktree', 'add', '--detach', '--force', folder, commit], root)
  }
  borrowPackages(root, folder)
  run(process.execPath, ['scripts/prepare.mjs'], folder)
  return { name: word, root: folder }
}

/** Where both want the same packages, those of the checkout serve. */
function borrowPackages(root: string, folder: string): void {
  const [own, its] = [root, folder].map((at) => readFileSync(join(at, 'package-lock.json'), 'utf8'))
  const [there, wanted] = [root, folder].map((at) => join(at, 'node_modules'))
  if (own !== its || !existsSync(there!) || existsSync(wanted!)) return
  symlinkSync(there!, wanted!)
}

/** Runs the benchmarks of both sides by turns; figures that only one of them has are left out. */
export async function compareSides(
  sides: readonly [Side, Side],
  parts: readonly string[],
  rounds: number,
): Promise<Comparison[]> {
  const there = listBenches(sides[0].root, parts)
  const files = listBenches(sides[1].root, parts).filter((file) => there.includes(file))
  const all: Comparison[] = []
  for (const file of files) {
    const runs: [Figure[], Figure[]][] = []
    for (let round = 0; round < rounds; round++) {
      const found: [Figure[], Figure[]] = [[], []]
      for (const at of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        const { figures, isGood } = await runBench(sides[at].root, file, { isQuiet: true })
        if (!isGood) throw new Error(`${file} of ${sides[at].name} failed`)
        found[at].push(...figures)
      }
      runs.push(found)
    }
    const compared = compareRuns(runs)
    process.stdout.write(`${printComparisons(file, compared, sides)}\n`)
    all.push(...compared)
  }
  return all
}

/** The figures that both sides have, over the rounds. */
export function compareRuns(
  runs: readonly (readonly [readonly Figure[], readonly Figure[]])[],
): Comparison[] {
  const compared: Comparison[] = []
  for (const { name, unit } of runs[0]?.[0] ?? []) {
    const pairs = runs.map((sides) => sides.map((figures) => findValue(figures, name, unit)))
    const whole = pairs.filter((pair): pair is [number, number] => !pair.includes(undefined))
    if (whole.length === 0) continue
    compared.push({
      name,
      unit,
      before: quantile(
        0.5,
        whole.map(([before]) => before),
      ),
      after: quantile(
        0.5,
        whole.map(([, after]) => after),
      ),
      ratio: quartiles(whole.map(([before, after]) => after / before)),
    })
  }
  return compared
}

/** A table for people. */
export function printComparisons(
  file: string,
  rows: readonly Comparison[],
  [before, after]: readonly [Side, Side],
): string {
  const title = `\n# bench/${file.replace(/\.js$/, '.ts')}: ${after.name} ÷ ${before.name}, below 1 is faster`
  if (rows.length === 0) return `${title}\nno figure in common`
  const lines = rows.map(({ name, unit, ratio, ...value }) => {
    const [low, median, high] = ratio.map((one) => one.toFixed(2))
    const values = `${short(value.before).padStart(9)} ${short(value.after).padStart(9)}`
    return `${name.padEnd(46)} ${values} ${unit.padEnd(14)} ${median}× (${low}–${high})`
  })
  return [title, ...lines].join('\n')
}

function findValue(figures: readonly Figure[], name: string, unit: string): number | undefined {
  return figures.find((one) => one.name === name && one.unit === unit)?.value
}

function quartiles(values: readonly number[]): [number, number, number] {
  return [quantile(0.25, values), quantile(0.5, values), quantile(0.75, values)]
}

function quantile(q: number, values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const place = q * (sorted.length - 1)
  const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!]
  return low + (high - low) * (place - Math.floor(place))
}

function short(value: number): string {
  return value < 100 ? value.toFixed(1) : value.toFixed(0)
}

function run(command: string, args: readonly string[], cwd: string): void {
  const done = spawnSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] })
  if (done.status !== 0)
    throw new Error(`${command} ${args.join(' ')} in ${cwd}: exit ${done.status}`)
}
