/** What the macro benchmarks share: the load tool beside the checkout, and what its answers come to. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pinned, type RunningProcess, startProcess } from '../../test/support/processes.js'
import { findShared } from '../../test/support/shared-material.js'

/** A query in the tool's JSON. */
export interface QueryRow {
  readonly id: string
  readonly servers: Readonly<
    Record<string, { medianMs?: number; cpuMs?: number; verdict: { ok?: boolean; ref?: boolean } }>
  >
}

/** What of the tool's ingest JSON is looked at. */
export interface IngestFigures {
  readonly steady: { readonly samplesPerCpuS: number }
  readonly firstScrapes: { readonly samplesPerCpuS: number }
  readonly samplesPerCpuS: number
  readonly samplesPerCpuSWithBackground: number
  readonly samplesPerS: number
  readonly samplesAccepted: number
  readonly rssPeak: number
  readonly rssMiddleThird?: number
  readonly rssLastThird?: number
  /** Answers by their status. */
  readonly status: Readonly<Record<string, number>>
  readonly latencyMs: { readonly p50: number; readonly p99: number }
  /** From the time that a request was due; of runs at a rate. */
  readonly latencyFromDueMs?: { readonly p50: number; readonly p99: number; readonly max: number }
  readonly slices?: readonly Slice[]
}

/** A slice of time of a run at a rate. */
export interface Slice {
  readonly fromS: number
  readonly samples: number
  /** ms from the due time; missing when nothing was sent. */
  readonly p99?: number
  /** Bytes at the end. */
  readonly rss?: number
}

/** The load tool, and the cores that it may use. */
export interface LoadTool {
  readonly script: string
  readonly cpus: string | undefined
}

/** Prints ratios to a peer over all rounds. @returns that of range queries */
export function reportQueries(perRound: readonly QueryRow[][], peer: string): number {
  const rounds = perRound.length
  const geo = (rows: readonly QueryRow[], of: 'medianMs' | 'cpuMs', pick: RegExp) => {
    const ratios = rows
      .filter((row) => pick.test(row.id))
      .map((row) => row.servers['nilometer']![of]! / row.servers[peer]![of]!)
      .filter((ratio) => Number.isFinite(ratio) && ratio > 0)
    return Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length)
  }
  const cpu = (rows: readonly QueryRow[], name: string) =>
    rows.reduce((sum, row) => sum + (row.servers[name]!.cpuMs ?? 0), 0)
  const same = Math.min(
    ...perRound.map((rows) => rows.filter((r) => r.servers['nilometer']!.verdict.ok).length),
  )
  const ranges = median(perRound.map((rows) => geo(rows, 'medianMs', /^r/)))
  print(
    `nilometer ÷ ${peer}, medians of ${rounds} rounds: range queries`,
    `${ranges.toFixed(2)}×, instant and metadata`,
    `${median(perRound.map((rows) => geo(rows, 'medianMs', /^[im]/))).toFixed(2)}× (geometric means of ms),`,
    `CPU of all ${median(perRound.map((r) => cpu(r, 'nilometer') / cpu(r, peer))).toFixed(2)}×,`,
    `equal answers ${same}/${perRound[0]!.length}`,
  )
  return ranges
}

/** The tool needs one package, which we have; what lies beside the checkout may be read-only, so it is copied. */
export function prepareTool(cpus?: string): LoadTool {
  const source = findShared('tools/bench')
  if (source === undefined) throw new Error('tools/bench is not there (NILO_SHARED)')
  const copy = resolve('.cache/bench-tool')
  if (!existsSync(join(copy, 'bench.mjs'))) {
    cpSync(source, copy, { recursive: true })
    spawnSync('chmod', ['-R', 'u+w', copy])
  }
  return { script: join(copy, 'bench.mjs'), cpus }
}

/**
 * Runs the tool; false when it says that something is wrong. Not at once: this process reads what
 * the servers print, and one whose log nobody reads is slower for it.
 */
export async function runTool(tool: LoadTool, args: readonly string[]): Promise<boolean> {
  const { command, args: all } = pinned(process.execPath, [tool.script, ...args], tool.cpus)
  const running = spawn(command, all, { stdio: 'inherit' })
  const [status] = (await once(running, 'exit')) as [number | null]
  return status === 0
}

/** Starts the tool beside what goes on; its output is kept. */
export function startTool(tool: LoadTool, args: readonly string[]): RunningProcess {
  return startProcess(pinned(process.execPath, [tool.script, ...args], tool.cpus))
}

/** The middle one. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** A line of output. */
export function print(...parts: string[]): void {
  process.stdout.write(`${parts.join(' ')}\n`)
}
