/**
 * New lives that actors ask for themselves: what one has in memory or in files of its own cannot be
 * read any more, and a start has it again. One that has just had such a start waits for the next, so
 * that a disk which spoils everything does not keep it starting for ever.
 */
import type { Env, Timer } from '../../shared/env/index.js'

/** Between two such starts of an actor, ms. */
export const RENEW_EVERY_MS = 10 * 60_000
/** What was damaged in former lives: entries kept of an actor, the newest ones. */
const DAMAGE_MAX = 100

/** A part of an actor's data, as `/debug/damage` shows it. */
export type Damage = Readonly<Record<string, string | number>>

/** A thread that is to be ended. */
export interface Renewed {
  readonly actor: string
  terminate(): void
}

interface Wish {
  readonly timer: Timer
  readonly damage: Damage[]
}

/** The wishes of all actors. */
export class Renewals {
  private readonly env: Env
  /** By actor, of its present life. */
  private readonly wishes = new Map<string, Wish>()
  private readonly renewedAt = new Map<string, number>()
  private readonly former = new Map<string, Damage[]>()
  private isStopped = false

  constructor(env: Env) {
    this.env = env
  }

  /** An actor asks for a new life, for something that is damaged: it is ended, soon. */
  ask(thread: Renewed, damage: Damage): void {
    const { actor } = thread
    if (this.isStopped) return
    const known = this.wishes.get(actor)
    if (known !== undefined) {
      if (known.damage.length < DAMAGE_MAX) known.damage.push(damage)
      return
    }
    const now = this.env.clock.monotonic()
    const due = (this.renewedAt.get(actor) ?? Number.NEGATIVE_INFINITY) + RENEW_EVERY_MS
    const timer = this.env.timers.after(Math.max(0, due - now), () => {
      this.renewedAt.set(actor, this.env.clock.monotonic())
      this.env.log.warn('actor is started anew, for what it cannot read', { child: actor })
      thread.terminate()
    })
    this.wishes.set(actor, { timer, damage: [damage] })
  }

  /** A life is over, whatever by. */
  noteExit(actor: string): void {
    const wish = this.wishes.get(actor)
    if (wish === undefined) return
    wish.timer.cancel()
    this.wishes.delete(actor)
    const all = [...(this.former.get(actor) ?? []), ...wish.damage]
    this.former.set(actor, all.slice(-DAMAGE_MAX))
  }

  /** From now on nobody is ended. */
  stop(): void {
    this.isStopped = true
    for (const { timer } of this.wishes.values()) timer.cancel()
  }

  /** What former lives were ended for. */
  damageOf(actor: string): readonly Damage[] {
    return this.former.get(actor) ?? []
  }
}
