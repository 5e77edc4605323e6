/**
 * What `nilo bench` prints: a line every ten seconds, at the end a table. CPU and memory are those
 * of a process on this machine, out of /proc.
 */
import type { Disk } from '../shared/env/index.js'
import type { BenchWorld } from './bench.js'

/** One answered request. */
export interface Answered {
  readonly samples: number
  /** 0: no answer. */
  readonly status: number
  readonly latencyMs: number
}

/** What a process has used. */
interface Usage {
  readonly cpuS: number
  readonly rssBytes: number
}

const SLICE_MS = 10_000
const SAMPLE_MS = 1_000
/** Linux counts CPU time in hundredths of a second. */
const TICKS_PER_S = 100

/** Counts of a run, or of a slice of it. */
class Tally {
  samples = 0
  readonly latencies: number[] = []

  note({ samples, status, latencyMs }: Answered): void {
    if (status >= 200 && status < 300) this.samples += samples
    this.latencies.push(latencyMs)
  }
}

/** Gathers and prints. */
export class BenchReport {
  private readonly world: BenchWorld
  private readonly disk: Disk
  private readonly pid: number | undefined
  private readonly start: number
  private readonly before: Usage | undefined
  private readonly statuses = new Map<number, number>()
  private readonly whole = new Tally()
  private slice = new Tally()
  private sliceStart: number
  private sliceCpuS: number
  private rssPeak = 0

  constructor(world: BenchWorld, disk: Disk, pid: number | undefined) {
    this.world = world
    this.disk = disk
    this.pid = pid
    this.start = world.clock.monotonic()
    this.sliceStart = this.start
    this.before = this.usage()
    this.sliceCpuS = this.before?.cpuS ?? 0
  }

  note(answered: Answered): void {
    this.whole.note(answered)
    this.slice.note(answered)
    this.statuses.set(answered.status, (this.statuses.get(answered.status) ?? 0) + 1)
  }

  /** Looks at the process every second and prints a line every ten, until the result is called. */
  printSlices(): () => void {
    const tick = (): void => {
      this.usage()
      if (this.world.clock.monotonic() - this.sliceStart >= SLICE_MS) this.printSlice()
      timer = this.world.timers.after(SAMPLE_MS, tick)
    }
    let timer = this.world.timers.after(SAMPLE_MS, tick)
    return () => timer.cancel()
  }

  /** Prints the table; whether all requests were answered 2xx. */
  finish(): boolean {
    const { whole, before } = this
    const seconds = (this.world.clock.monotonic() - this.start) / 1000
    const after = this.usage()
    const rows: [string, string][] = [
      ['seconds', seconds.toFixed(1)],
      ['samples', grouped(whole.samples)],
      ['samples/s', grouped(whole.samples / seconds)],
      ['latency p50, ms', quantile(whole.latencies, 0.5).toFixed(1)],
      ['latency p99, ms', quantile(whole.latencies, 0.99).toFixed(1)],
      ['latency p99.9, ms', quantile(whole.latencies, 0.999).toFixed(1)],
      ['answers', answersOf(this.statuses)],
    ]
    if (before !== undefined && after !== undefined) {
      const cpuS = after.cpuS - before.cpuS
      rows.push(['CPU seconds', cpuS.toFixed(2)])
      rows.push(['samples/CPU-s', cpuS > 0 ? grouped(whole.samples / cpuS) : '-'])
      rows.push(['RSS, MiB', mebibytes(after.rssBytes)])
      rows.push(['RSS peak, MiB', mebibytes(this.rssPeak)])
    }
    const width = Math.max(...rows.map(([name]) => name.length))
    for (const [name, value] of rows) this.world.print(`| ${name.padEnd(width)} | ${value} |`)
    return [...this.statuses.keys()].every((status) => status >= 200 && status < 300)
  }

  private printSlice(): void {
    const { slice, world } = this
    const now = world.clock.monotonic()
    const usage = this.usage()
    const parts = [
      `${((now - this.start) / 1000).toFixed(0)} s:`,
      `${grouped((slice.samples * 1000) / (now - this.sliceStart))} samples/s,`,
      `p50 ${quantile(slice.latencies, 0.5).toFixed(1)} ms, p99 ${quantile(slice.latencies, 0.99).toFixed(1)} ms`,
    ]
    if (usage !== undefined) {
      const cpuS = usage.cpuS - this.sliceCpuS
      const perCpu = cpuS > 0 ? grouped(slice.samples / cpuS) : '-'
      parts.push(`, ${perCpu} samples/CPU-s, RSS ${mebibytes(usage.rssBytes)} MiB`)
      this.sliceCpuS = usage.cpuS
    }
    world.print(parts.join(' ').replace(' ,', ','))
    this.slice = new Tally()
    this.sliceStart = now
  }

  /** undefined when no process was named, or it is gone. */
  private usage(): Usage | undefined {
    if (this.pid === undefined) return undefined
    try {
      const text = (name: string): string =>
        Buffer.from(this.disk.readFile(`/proc/${this.pid}/${name}`)).toString()
      // What follows the name, which is in brackets and may hold anything.
      const stat = text('stat')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const cpuS = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S
      const rssBytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(text('status'))?.[1] ?? 0) * 1024
      this.rssPeak = Math.max(this.rssPeak, rssBytes)
      return { cpuS, rssBytes }
    } catch {
      return undefined
    }
  }
}

function quantile(values: readonly number[], q: number): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0
}

function answersOf(statuses: ReadonlyMap<number, number>): string {
  const parts = [...statuses].sort(([a], [b]) => a - b)
  return parts.map(([status, count]) => `${status === 0 ? 'none' : status}×${count}`).join(' ')
}

function grouped(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0)
}
