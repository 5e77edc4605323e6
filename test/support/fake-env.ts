/**
 * An Env that a test controls: time stands until it is advanced, randomness comes from a seed, the
 * disk is in memory and fails on demand, log lines and metrics are kept for asserting.
 */
import { SeededPrng } from '../../src/shared/base/prng.js'
import type { Clock, Env, Timer, Timers } from '../../src/shared/env/index.js'
import type {
  Cell,
  HistogramCell,
  Log,
  LogFields,
  LogLevel,
  MetricName,
  Metrics,
} from '../../src/shared/telemetry/index.js'
import { FakeDisk } from './fake-disk.js'

/** The fake world and its handles. */
export interface FakeEnv extends Env {
  readonly clock: FakeTime
  readonly timers: FakeTime
  readonly prng: SeededPrng
  readonly disk: FakeDisk
  readonly log: FakeLog
  readonly metrics: FakeMetrics
}

/** @param options.now ms since the epoch at the start; @param options.disk one to go on with */
export function createFakeEnv(
  options: { now?: number; seed?: number; disk?: FakeDisk; time?: FakeTime } = {},
): FakeEnv {
  const time = options.time ?? new FakeTime(options.now ?? 1_700_000_000_000)
  const disk = options.disk ?? new FakeDisk()
  disk.now = () => time.now()
  return {
    clock: time,
    timers: time,
    prng: new SeededPrng(options.seed ?? 1),
    disk,
    log: new FakeLog([], {}),
    metrics: new FakeMetrics(),
  }
}

/** Clock and timers of one fake world. */
export class FakeTime implements Clock, Timers {
  private at: number
  private readonly start: number
  private readonly pending = new Set<{ at: number; run: () => void }>()

  constructor(now: number) {
    this.at = now
    this.start = now
  }

  now(): number {
    return this.at
  }

  monotonic(): number {
    return this.at - this.start
  }

  after(ms: number, run: () => void): Timer {
    const timer = { at: this.at + Math.max(0, ms), run }
    this.pending.add(timer)
    return { cancel: () => void this.pending.delete(timer) }
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve))
  }

  yieldNow(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }

  /** Timers that have not fired. */
  pendingCount(): number {
    return this.pending.size
  }

  /** Sets the clock without firing timers. */
  set(now: number): void {
    this.at = now
  }

  /** Moves time on; fires what falls due, in order, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    const end = this.at + ms
    while (true) {
      await this.yieldNow()
      let next: { at: number; run: () => void } | undefined
      for (const timer of this.pending) {
        if (timer.at <= end && (next === undefined || timer.at < next.at)) next = timer
      }
      if (next === undefined) break
      this.pending.delete(next)
      this.at = Math.max(this.at, next.at)
      next.run()
    }
    this.at = end
  }
}

/** One line as logged. */
export interface LoggedLine {
  readonly level: LogLevel
  readonly msg: string
  readonly fields: LogFields
}

/** Keeps lines in place of writing them. */
export class FakeLog implements Log {
  readonly lines: LoggedLine[]
  private readonly bound: LogFields

  constructor(lines: LoggedLine[], bound: LogFields) {
    this.lines = lines
    this.bound = bound
  }

  debug(msg: string, fields?: LogFields): void {
    this.note('debug', msg, fields)
  }

  info(msg: string, fields?: LogFields): void {
    this.note('info', msg, fields)
  }

  warn(msg: string, fields?: LogFields): void {
    this.note('warn', msg, fields)
  }

  error(msg: string, fields?: LogFields): void {
    this.note('error', msg, fields)
  }

  records(lines: readonly (readonly [string, LogFields])[]): void {
    for (const [msg, fields] of lines) this.note('info', msg, fields)
  }

  with(fields: LogFields): FakeLog {
    return new FakeLog(this.lines, { ...this.bound, ...fields })
  }

  private note(level: LogLevel, msg: string, fields: LogFields = {}): void {
    this.lines.push({ level, msg, fields: { ...this.bound, ...fields } })
  }
}

/** Counts in plain numbers. */
export class FakeMetrics implements Metrics {
  private readonly cells = new Map<string, FakeCell>()

  cell(name: MetricName, ...labelValues: string[]): FakeCell {
    const key = JSON.stringify([name, ...labelValues])
    const found = this.cells.get(key) ?? new FakeCell()
    this.cells.set(key, found)
    return found
  }

  histogram(name: MetricName, ...labelValues: string[]): FakeCell {
    return this.cell(name, ...labelValues)
  }

  release(name: MetricName, ...labelValues: string[]): void {
    this.cells.delete(JSON.stringify([name, ...labelValues]))
  }

  /** How many cells there are. */
  size(): number {
    return this.cells.size
  }

  /** What a counter or gauge stands at; 0 when it was never touched. */
  value(name: MetricName, ...labelValues: string[]): number {
    return this.cells.get(JSON.stringify([name, ...labelValues]))?.value ?? 0
  }

  /** All observations of a histogram, in order. */
  observations(name: MetricName, ...labelValues: string[]): readonly number[] {
    return this.cells.get(JSON.stringify([name, ...labelValues]))?.observed ?? []
  }
}

class FakeCell implements Cell, HistogramCell {
  value = 0
  readonly observed: number[] = []

  add(value: number): void {
    this.value += value
  }

  set(value: number): void {
    this.value = value
  }

  observe(value: number): void {
    this.observed.push(value)
  }
}
