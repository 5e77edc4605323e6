/**
 * What is used of AbortSignal, and a cheap source of it: a node AbortController with a listener
 * costs some 5 µs and much garbage a request, for something that hardly ever happens. Standard signals
 * are StopSignals too.
 */

/** Says once that something is not wanted any more. */
export interface StopSignal {
  readonly aborted: boolean
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** A signal and its switch. */
export class StopSource implements StopSignal {
  aborted = false
  private listeners: (() => void)[] = []

  /** Every listener is called once, in the order of their coming. */
  addEventListener(_type: 'abort', listener: () => void): void {
    this.listeners.push(listener)
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.listeners = this.listeners.filter((other) => other !== listener)
  }

  abort(): void {
    if (this.aborted) return
    this.aborted = true
    const { listeners } = this
    this.listeners = []
    for (const listener of listeners) listener()
  }
}
