/**
 * The history of the micro benchmarks: bench/history/micro.jsonl, a line for each file of each run,
 * with the commit and the machine, since a figure without them means nothing.
 */
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { dirname, join } from 'node:path'
import type { Figure } from './figures.js'

/** Where the lines are, from the checkout's root. */
export const HISTORY_FILE = 'bench/history/micro.jsonl'

/** One line: a benchmark's figures in one run. */
export interface HistoryLine {
  /** ISO time. */
  readonly at: string
  readonly commit: string
  /** Whether the working tree differed from the commit. */
  readonly isDirty: boolean
  readonly machine: { readonly cpus: number; readonly model: string; readonly node: string }
  /** Of the last minute, at the end. */
  readonly load: number
  /** Path from bench/, without ending. */
  readonly bench: string
  /** By name; the unit stands beside it. */
  readonly figures: Readonly<Record<string, readonly [value: number, unit: string]>>
}

/** The machine that this runs on. */
export function machineOf(): HistoryLine['machine'] {
  const list = cpus()
  return {
    cpus: list.length,
    model: list[0]?.model.trim() ?? 'unknown',
    node: process.versions.node,
  }
}

/** Appends a line to the history of the checkout at `root`. */
export function appendHistory(root: string, bench: string, figures: readonly Figure[]): void {
  const status = git(root, ['status', '--porcelain', '--', '.', `:!${HISTORY_FILE}`])
  const line: HistoryLine = {
    at: new Date().toISOString(),
    commit: git(root, ['rev-parse', '--short=12', 'HEAD']) || 'unknown',
    isDirty: status !== '',
    machine: machineOf(),
    load: Math.round((loadavg()[0] ?? 0) * 10) / 10,
    bench: bench.replace(/\.bench\.js$/, ''),
    figures: Object.fromEntries(
      figures.map(({ name, value, unit }) => [name, [Number(value.toPrecision(4)), unit]]),
    ),
  }
  const file = join(root, HISTORY_FILE)
  mkdirSync(dirname(file), { recursive: true })
  appendFileSync(file, `${JSON.stringify(line)}\n`)
}

/** The history of the checkout at `root`, oldest first; lines that cannot be read are left out. */
export function readHistory(root: string): HistoryLine[] {
  const file = join(root, HISTORY_FILE)
  if (!existsSync(file)) return []
  const lines: HistoryLine[] = []
  for (const text of readFileSync(file, 'utf8').split('\n')) {
    if (text === '') continue
    try {
      lines.push(JSON.parse(text) as HistoryLine)
    } catch {
      process.stderr.write(`${HISTORY_FILE}: a line cannot be read: ${text.slice(0, 60)}\n`)
    }
  }
  return lines
}

/** What git answers, without the line's end; empty when it fails. */
export function git(root: string, args: readonly string[]): string {
  const done = spawnSync('git', args, { cwd: root, encoding: 'utf8' })
  return done.status === 0 ? done.stdout.trim() : ''
}
