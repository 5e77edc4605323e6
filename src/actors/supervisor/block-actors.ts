/** When those who read blocks, and those who ship and clean them, start: once there are any. */
import type { Clock, Timer, Timers } from '../../shared/env/index.js'
import type { BlockListHooks } from './block-list.js'

/**
 * After the first cut of a head, ms: nobody has anything to ask a store-gateway then, and its start
 * would take cores and memory from who cuts. The first question starts it in any case. Where queries
 * are asked it starts before the first block is listed.
 */
const GATEWAY_LATER_MS = 60_000
/** The first blocks are listed so late at most for a store-gateway that starts before, ms. */
const GATEWAY_WAIT_MS = 2_000

/** Queries are asked of a server that has had one within this time, ms. */
const QUERIED_MS = 300_000

/** What is started. */
export interface BlockActorsParts {
  readonly clock: Clock
  readonly timers: Timers
  readonly compactors: number
  /** Starts an actor, unless it runs; resolves when it does, or cannot. */
  start(kind: 'store-gateway' | 'compactor', index: number): Promise<void>
}

/** Starts the actors of blocks. */
export class BlockActors implements BlockListHooks {
  private readonly parts: BlockActorsParts
  private later: Timer | undefined
  private queriedMs = Number.NEGATIVE_INFINITY
  private queryCount = 0

  constructor(parts: BlockActorsParts) {
    this.parts = parts
  }

  /** A query has come. */
  noteQuery(): void {
    this.queriedMs = this.parts.clock.monotonic()
    this.queryCount++
  }

  /** Queries that have come so far. */
  queries(): number {
    return this.queryCount
  }

  /** There are blocks in the bucket. */
  startAll(): void {
    void this.parts.start('store-gateway', 0)
    this.startCompactors()
  }

  /**
   * The first blocks are about to be listed, and their samples to leave the heads: where queries are
   * asked, the next one is not to wait for the start of a store-gateway.
   */
  async beforeFirst(): Promise<void> {
    const { clock, timers, start } = this.parts
    if (clock.monotonic() - this.queriedMs > QUERIED_MS) return
    await new Promise<void>((resolve) => {
      const timer = timers.after(GATEWAY_WAIT_MS, resolve)
      void start('store-gateway', 0).then(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  /** The list has its first block: most often one that has just been cut. */
  onFirst(): void {
    this.startCompactors()
    this.later ??= this.parts.timers.after(GATEWAY_LATER_MS, () => {
      void this.parts.start('store-gateway', 0)
    })
  }

  /** Nothing is started any more. */
  stop(): void {
    this.later?.cancel()
  }

  private startCompactors(): void {
    const { start, compactors } = this.parts
    for (let index = 0; index < compactors; index++) void start('compactor', index)
  }
}
