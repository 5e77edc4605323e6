/**
 * A shard's share of the process' memory: claims what its head takes, and decides whether series that
 * are not there yet are still made. Known series go on: what they need is left to them from the mark
 * at which new ones are refused up to the end of the head's memory.
 */
import type { Env } from '../../shared/env/index.js'
import { MemoryBudget } from '../../shared/slab/index.js'
import type { Cell } from '../../shared/telemetry/index.js'
import type { Head } from '../../shared/tsdb/index.js'
import type { IngesterBoot } from './contract.js'

/** New series are refused from here on, and taken again below: shares of the limit. */
const REFUSE_AT = 0.9
const ALLOW_BELOW = 0.87

/** How often it is looked, ms. */
const LOOK_MS = 10

/** Asked every turn. */
export class MemoryPressure {
  private readonly env: Env
  private readonly shard: number
  private readonly head: Head
  private readonly budget: MemoryBudget | undefined
  private readonly onRelief: () => void
  private readonly refusing: Cell
  private isRefusing = false
  private claimed = -1
  private nextAt = 0

  /** @param onRelief called when new series are taken again */
  constructor(env: Env, boot: IngesterBoot, head: Head, onRelief: () => void) {
    this.env = env
    this.shard = boot.index
    this.head = head
    this.budget = boot.budget === undefined ? undefined : new MemoryBudget(boot.budget)
    this.onRelief = onRelief
    this.refusing = env.metrics.cell('nilo_ingester_refuses_new_series', String(boot.index))
  }

  /** Claims, and switches when a mark is passed. */
  look(): void {
    const now = this.env.clock.monotonic()
    if (now < this.nextAt) return
    this.nextAt = now + LOOK_MS
    const bytes = this.head.dataBytes()
    if (bytes !== this.claimed) {
      this.budget?.set('head', this.shard, bytes)
      this.claimed = bytes
    }
    const { free } = this.head.memoryUse()
    const fullness = Math.max(this.budget?.fullness() ?? 0, bytes / (bytes + free))
    if (this.isRefusing ? fullness > ALLOW_BELOW : fullness < REFUSE_AT) return
    this.isRefusing = !this.isRefusing
    this.head.allowNewSeries(!this.isRefusing)
    this.refusing.set(this.isRefusing ? 1 : 0)
    const fields = { full_ratio: Number(fullness.toFixed(3)), head_bytes: bytes }
    if (this.isRefusing) this.env.log.error('memory limit: no new series are taken', fields)
    else {
      this.env.log.info('new series are taken again', fields)
      this.onRelief()
    }
  }
}
