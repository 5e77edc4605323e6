/** Tells the block list of a shard's local blocks, at start, before the shard answers queries. */
import type { BlockEntry } from '../../shared/blocks/index.js'
import type { Env } from '../../shared/env/index.js'
import type { CutPeers } from './cutter.js'

/** How soon a report that failed is made again, ms. */
const RETRY_MS = 1_000

/** The report of one life of a shard. */
export class BlockReport {
  private readonly env: Env
  private readonly peers: Pick<CutPeers, 'addBlocks'>
  private readonly unreported = new Map<string, BlockEntry[]>()
  private isAsking = false
  private retryAt = 0

  constructor(env: Env, peers: Pick<CutPeers, 'addBlocks'>, entries: readonly BlockEntry[]) {
    this.env = env
    this.peers = peers
    for (const entry of entries) {
      const own = this.unreported.get(entry.tenant) ?? []
      this.unreported.set(entry.tenant, [...own, entry])
    }
  }

  isDone(): boolean {
    return this.unreported.size === 0
  }

  /** Between turns: reports what is due. */
  tick(): void {
    if (this.isDone() || this.isAsking) return
    if (this.env.clock.monotonic() < this.retryAt) return
    this.isAsking = true
    const calls = [...this.unreported].map(async ([tenant, entries]) => {
      await this.peers.addBlocks(tenant, entries)
      this.unreported.delete(tenant)
    })
    Promise.all(calls)
      .catch((error: unknown) => {
        this.retryAt = this.env.clock.monotonic() + RETRY_MS
        this.env.log.warn('local blocks are not reported yet', { err: String(error) })
      })
      .finally(() => {
        this.isAsking = false
      })
  }
}
