/**
 * The real world behind Env: Node's clock, timers, randomness and disk. The only file of an actor
 * that calls `Date.now`, `setTimeout`, `node:fs` and `node:crypto`; tests use the fake one.
 */
import { randomFillSync } from 'node:crypto'
import { writeSync } from 'node:fs'
import { createLog, type Log, type LogLevel, type Metrics } from '../telemetry/index.js'
import type { Clock, Env, Prng, Timer, Timers } from './env.js'
import { createLineWriter } from './log-output.js'
import { nodeDisk } from './node-disk.js'

/** What a thread brings along: who it is, what it counts in. */
export interface NodeEnvOptions {
  /** Stands in every log line, `ingester/0`. */
  readonly actor: string
  readonly logLevel: LogLevel
  readonly metrics: Metrics
  /** Node's unless said otherwise. */
  readonly timers?: Timers
  /** Standard output's unless said otherwise. */
  readonly log?: Log
}

/** The Env of a running thread. */
export function createNodeEnv(options: NodeEnvOptions): Env {
  return {
    clock: NODE_CLOCK,
    timers: options.timers ?? NODE_TIMERS,
    prng: nodePrng(),
    disk: nodeDisk(),
    log: options.log ?? createNodeLog(options),
    metrics: options.metrics,
  }
}

/** A log on standard output, for code that has no Env. */
export function createNodeLog(options: { actor: string; logLevel: LogLevel }): Log {
  const log = createLog({ write: writeOut, now: Date.now, levelMin: options.logLevel })
  return log.with({ actor: options.actor })
}

/** Wall and monotonic time of this machine. */
export const NODE_CLOCK: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}

/** Longest time that one of Node's timers takes, 24 days; a longer one would run out at once. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** One of Node's own; a longer one is several, one after the other. */
class NodeTimer implements Timer {
  private timer: NodeJS.Timeout

  constructor(ms: number, run: () => void) {
    this.timer = this.wait(ms, run)
  }

  cancel(): void {
    clearTimeout(this.timer)
  }

  private wait(ms: number, run: () => void): NodeJS.Timeout {
    if (ms <= TIMER_MS_MAX) return setTimeout(run, ms)
    return setTimeout(() => {
      this.timer = this.wait(ms - TIMER_MS_MAX, run)
    }, TIMER_MS_MAX)
  }
}

/** Node's own timers. */
export const NODE_TIMERS: Timers = {
  after: (ms, run) => new NodeTimer(ms, run),
  sleep: (ms) => new Promise((resolve) => NODE_TIMERS.after(ms, resolve)),
  yieldNow: () => new Promise((resolve) => setImmediate(resolve)),
}

/** The system's randomness, taken a page at a time. */
function nodePrng(): Prng {
  const pool = new Uint32Array(1024)
  let used = pool.length
  return {
    nextU32() {
      if (used === pool.length) {
        randomFillSync(pool)
        used = 0
      }
      return pool[used++]!
    },
    fill: (bytes) => void randomFillSync(bytes),
  }
}

/**
 * Lines to fd 1 at once: `process.stdout` of a worker goes through the main thread and loses lines
 * when that ends.
 */
const writeOut = createLineWriter({
  write: (bytes) => writeSync(1, bytes),
  now: () => performance.now(),
})

/**
 * Prints a line for people, past `process.stdout`: V8 would throw code away that it made of streams
 * while they were sockets only (decision 0031).
 */
export function printLine(text: string): void {
  writeOut(`${text}\n`)
}
