/**
 * The real world behind Env: Node's clock, timers, randomness and disk. The only file of an actor
 * that calls `Date.now`, `setTimeout`, `node:fs` and `node:crypto`; tests use the fake one.
 */
import { randomFillSync } from 'node:crypto'
import { writeSync } from 'node:fs'
import { createLog, type Log, type LogLevel, type Metrics } from '../telemetry/index.js'
import type { Clock, Env, Prng, Timers } from './env.js'
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

/** Node's own timers; longer ones are several, one after the other. */
export const NODE_TIMERS: Timers = {
  after(ms, run) {
    let timer: NodeJS.Timeout
    const wait = (leftMs: number): void => {
      timer =
        leftMs > TIMER_MS_MAX
          ? setTimeout(() => wait(leftMs - TIMER_MS_MAX), TIMER_MS_MAX)
          : setTimeout(run, leftMs)
    }
    wait(ms)
    return { cancel: () => clearTimeout(timer) }
  },
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
