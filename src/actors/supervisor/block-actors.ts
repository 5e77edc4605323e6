/** When those who read blocks, and those who ship and clean them, start: once there are any. */
import type { Timer, Timers } from '../../shared/env/index.js'

/**
 * After the first cut of a head, ms: nobody has anything to ask a store-gateway then, and its start
 * would take cores and memory from who cuts. The first question starts it in any case.
 */
const GATEWAY_LATER_MS = 60_000

/** What is started. */
export interface BlockActorsParts {
  readonly timers: Timers
  readonly compactors: number
  /** Starts an actor, unless it runs. */
  start(kind: 'store-gateway' | 'compactor', index: number): void
}

/** Starts the actors of blocks. */
export class BlockActors {
  private readonly parts: BlockActorsParts
  private later: Timer | undefined

  constructor(parts: BlockActorsParts) {
    this.parts = parts
  }

  /** There are blocks in the bucket. */
  startAll(): void {
    this.parts.start('store-gateway', 0)
    this.startCompactors()
  }

  /** The list has its first block: most often one that has just been cut. */
  noteFirst(): void {
    this.startCompactors()
    this.later ??= this.parts.timers.after(GATEWAY_LATER_MS, () =>
      this.parts.start('store-gateway', 0),
    )
  }

  /** Nothing is started any more. */
  stop(): void {
    this.later?.cancel()
  }

  private startCompactors(): void {
    const { start, compactors } = this.parts
    for (let index = 0; index < compactors; index++) start('compactor', index)
  }
}
