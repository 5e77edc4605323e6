/** Timers that end all at once: of an actor that goes while its thread stays. */
import type { Timer, Timers } from '../env/index.js'

/** Timers over others, for a short time; after `end` none runs out any more. */
export class EndingTimers implements Timers {
  private readonly timers: Timers
  private readonly pending = new Set<Timer>()
  private isOver = false

  constructor(timers: Timers) {
    this.timers = timers
  }

  after(ms: number, run: () => void): Timer {
    const timer = this.timers.after(ms, () => {
      this.pending.delete(timer)
      run()
    })
    if (this.isOver) timer.cancel()
    else this.pending.add(timer)
    // Itself, so that code meets what it will meet later. One that is cancelled is kept until the end, which is near.
    return timer
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve))
  }

  yieldNow(): Promise<void> {
    return this.timers.yieldNow()
  }

  end(): void {
    this.isOver = true
    for (const timer of this.pending) timer.cancel()
    this.pending.clear()
  }
}
