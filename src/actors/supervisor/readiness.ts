/**
 * Whether the system is ready, what it waits for otherwise, and the log lines that say so: a start
 * that hangs must explain itself on `/ready` and in the log.
 */
import type { Env, Timer } from '../../shared/env/index.js'
import type { ChildStatus, Readiness } from './contract.js'

/** What readiness is told from. */
export interface ReadinessInput {
  readonly isDraining: boolean
  readonly children: readonly ChildStatus[]
  /** Kinds of which those that are up may do for `/ready`. */
  readonly kinds: readonly {
    readonly kind: string
    isEnough?(isUp: readonly boolean[]): boolean
  }[]
  /** The pool while its threads have not all started once. */
  readonly startingPool:
    | { readonly kind: string; readonly size: number; threads: number }
    | undefined
}

/** An actor that has not answered for so long takes no writes: a disk that stands still blocks it. */
export const SILENT_MS = 3_000

/** Whether requests are answered, and what is missing first. */
export function readinessOf(input: ReadinessInput): Readiness {
  const { children, startingPool: pool } = input
  if (input.isDraining) {
    return { isReady: false, reason: 'the server is shutting down', percent: 100 }
  }
  const enough = input.kinds.filter(({ kind, isEnough }) => {
    const own = children.filter(({ actor }) => actor.startsWith(`${kind}/`))
    return isEnough?.(own.map(isUp)) === true
  })
  let percent = 100
  let reason = ''
  for (const child of children) {
    const { actor, isOnDemand } = child
    if (isOnDemand || enough.some(({ kind }) => actor.startsWith(`${kind}/`))) continue
    const missing = findMissing(child)
    if (missing === undefined) continue
    if (reason === '' || missing.percent < percent) reason = `${actor} ${missing.text}`
    percent = Math.min(percent, missing.percent)
  }
  if (reason === '' && pool !== undefined) {
    reason = `${pool.kind} is starting (${pool.threads} of ${pool.size} threads)`
  }
  return { isReady: reason === '', reason, percent }
}

/** What an actor lacks. */
function findMissing(child: ChildStatus): { text: string; percent: number } | undefined {
  const { state, status, silentMs } = child
  if (state !== 'running') return { text: `is ${state}`, percent: 0 }
  const silent = `has not answered for ${Math.floor(silentMs / 1000)} s`
  // Nothing is known of it: it may replay its log without a pause.
  if (status === undefined) return { text: silent, percent: 0 }
  if (status.readyPercent < 100) {
    const text = `replays its log (${Math.floor(status.readyPercent)} %)`
    return { text, percent: status.readyPercent }
  }
  if (silentMs >= SILENT_MS) return { text: silent, percent: 100 }
  return status.isServing ? undefined : { text: 'takes no writes', percent: 100 }
}

/** Whether an actor runs, has all that it needs, and takes what it is sent. */
function isUp(child: ChildStatus): boolean {
  return findMissing(child) === undefined
}

/** Between two looks, ms. */
const LOOK_MS = 10_000

/** Says in the log what the system waits for, as long as it does. */
export class ReadyWatch {
  private readonly env: Env
  private readonly ask: () => Promise<Readiness>
  private timer: Timer | undefined
  private isStopped = false
  private since: number | undefined

  constructor(env: Env, ask: () => Promise<Readiness>) {
    this.env = env
    this.ask = ask
  }

  /** Looks from now on. */
  start(): void {
    this.timer = this.env.timers.after(LOOK_MS, () => {
      this.look().then(
        () => !this.isStopped && this.start(),
        (error: unknown) => this.env.log.error('readiness is not known', { err: String(error) }),
      )
    })
  }

  stop(): void {
    this.isStopped = true
    this.timer?.cancel()
  }

  private async look(): Promise<void> {
    const { isReady, reason } = await this.ask()
    const now = this.env.clock.monotonic()
    if (this.isStopped || (isReady && this.since === undefined)) return
    this.since ??= now - LOOK_MS
    const seconds = Math.round((now - this.since) / 1000)
    if (isReady) {
      this.env.log.info('ready', { waited_s: seconds })
      this.since = undefined
    } else this.env.log.warn('not ready', { waits_for: reason, for_s: seconds })
  }
}
