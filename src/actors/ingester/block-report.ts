/** Tells the block list of a shard's local blocks, at start, before the shard answers queries. */
import type { BlockEntry } from '../../shared/blocks/index.js'
import type { Env } from '../../shared/env/index.js'
import type { CutPeers } from './cutter.js'

/** How soon a report that failed is made again, ms. */
const RETRY_MS = 1_000

type ReportPeers = Pick<CutPeers, 'addBlocks' | 'keepLocal'>

/** The report of one life of a shard. */
export class BlockReport {
  private readonly env: Env
  private readonly peers: ReportPeers
  private readonly folder: string
  private readonly there: readonly string[]
  private isKept = false
  private readonly unreported = new Map<string, BlockEntry[]>()
  private isAsking = false
  private retryAt = 0

  /** @param folder the shard's own @param entries what it has found there, and in former shards' */
  constructor(env: Env, peers: ReportPeers, folder: string, entries: readonly BlockEntry[]) {
    this.env = env
    this.peers = peers
    this.folder = folder
    this.there = entries.map(({ ulid }) => ulid)
    for (const entry of entries) {
      const own = this.unreported.get(entry.tenant) ?? []
      this.unreported.set(entry.tenant, [...own, entry])
    }
  }

  isDone(): boolean {
    return this.isKept && this.unreported.size === 0
  }

  /** Between turns: reports what is due. */
  tick(): void {
    if (this.isDone() || this.isAsking) return
    if (this.env.clock.monotonic() < this.retryAt) return
    this.isAsking = true
    this.report()
      .catch((error: unknown) => {
        this.retryAt = this.env.clock.monotonic() + RETRY_MS
        this.env.log.warn('local blocks are not reported yet', { err: String(error) })
      })
      .finally(() => {
        this.isAsking = false
      })
  }

  private async report(): Promise<void> {
    if (!this.isKept) await this.peers.keepLocal(this.folder, this.there)
    this.isKept = true
    const calls = [...this.unreported].map(async ([tenant, entries]) => {
      await this.peers.addBlocks(tenant, entries)
      this.unreported.delete(tenant)
    })
    await Promise.all(calls)
  }
}
