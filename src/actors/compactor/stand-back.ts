/**
 * Work that can wait makes room for pushes (decision 0014): at each safe point it looks whether there
 * are pushes inside the process, and if so pauses until they are answered, a few times as long as it
 * has worked since the last pause at most. So it goes on under any load, and what a push may have to
 * wait for is one slice of it. The kernel's priorities alone give it milliseconds at a time: a thread that
 * wakes waits for the slice of whatever runs, however low that is, so between pushes that come one after
 * the other it leaves its core idle as well, for the greater part.
 */
import { IntakeCell } from '../../shared/base/intake.js'
import type { Env } from '../../shared/env/index.js'
import type { Cell } from '../../shared/telemetry/index.js'

/** How often a pause looks whether the pushes are gone, ms. */
const LOOK_MS = 1
/** Pushes that were met so lately are likely to have others behind them, ms. */
const NEAR_MS = 250
/** A pause between such pushes, in times of the work before, and at most, ms: it leaves cores idle for the next ones. */
const NEAR_SHARE = 2
const NEAR_MS_MAX = 4
/** Less work than this goes on to the next safe point, ms. */
const SLICE_MS = 1
/** However long a piece of work has taken, a pause ends after this, ms. */
const PAUSE_MS_MAX = 200

/** How long to pause at most, in times of the work before. */
export const PAUSE_SHARE = 4

/** Stands back, for one thread. */
export class StandBack {
  private readonly env: Env
  private readonly intake: IntakeCell
  private readonly paused: Cell
  /** When the last pause ended, or work was last found to be alone; monotonic ms. */
  private since: number
  /** When pushes were last met; monotonic ms. */
  private metAt = Number.NEGATIVE_INFINITY

  /** @param cell see shared/base/intake.ts */
  constructor(env: Env, cell: SharedArrayBuffer) {
    this.env = env
    this.intake = new IntakeCell(cell)
    this.paused = env.metrics.cell('nilo_compactor_paused_seconds_total')
    this.paused.add(0)
    this.since = env.clock.monotonic()
  }

  /** A safe point: lets messages in, and pushes go first. @param share of the work before, PAUSE_SHARE; 0: not at all */
  async rest(share: number): Promise<void> {
    const { clock, timers } = this.env
    await timers.yieldNow()
    const began = clock.monotonic()
    const worked = began - this.since
    if (worked < SLICE_MS) return
    const until = began + Math.min(PAUSE_MS_MAX, worked * share)
    const near = began + Math.min(NEAR_MS_MAX, worked * Math.min(share, NEAR_SHARE))
    let now = began
    for (;;) {
      if (this.intake.isBusy()) this.metAt = now
      else if (now >= near || now - this.metAt >= NEAR_MS) break
      if (now >= until) break
      await new Promise<void>((resolve) => void timers.after(LOOK_MS, resolve))
      now = clock.monotonic()
    }
    this.since = now
    if (now > began) this.paused.add((now - began) / 1000)
  }
}
