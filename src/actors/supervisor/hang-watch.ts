/**
 * Ends threads whose event loop stands still, so that they are restarted like crashed ones. Time
 * counts in looks of this thread: where the whole machine stands still, nobody is to blame.
 */
import type { Env, Timer } from '../../shared/env/index.js'

/** Between two looks, ms. */
const LOOK_MS = 1_000

/** A thread that is watched. */
export interface Watched {
  readonly actor: string
  /** Counts up while its event loop turns; 0 before it does. */
  beats(): number
  terminate(): void
}

interface Seen {
  beats: number
  still: number
}

/** Looks at threads once a second. */
export class HangWatch {
  private readonly env: Env
  private readonly threads: () => readonly Watched[]
  private readonly looksMax: number
  private readonly seen = new Map<Watched, Seen>()
  private timer: Timer | undefined

  /** @param hangMs how long a thread may stand still */
  constructor(env: Env, hangMs: number, threads: () => readonly Watched[]) {
    this.env = env
    this.threads = threads
    this.looksMax = Math.ceil(hangMs / LOOK_MS)
  }

  /** Looks from now on. */
  start(): void {
    this.timer = this.env.timers.after(LOOK_MS, () => {
      this.look()
      this.start()
    })
  }

  stop(): void {
    this.timer?.cancel()
  }

  private look(): void {
    const threads = this.threads()
    for (const gone of this.seen.keys()) if (!threads.includes(gone)) this.seen.delete(gone)
    for (const thread of threads) {
      const beats = thread.beats()
      const seen = this.seen.get(thread)
      if (seen === undefined || seen.beats !== beats) {
        this.seen.set(thread, { beats, still: 0 })
        continue
      }
      // One that has not begun to run is still being built, which has a time of its own.
      if (beats === 0 || ++seen.still !== this.looksMax) continue
      this.env.log.error('actor stands still, ending it', {
        child: thread.actor,
        looks: seen.still,
      })
      thread.terminate()
    }
  }
}
