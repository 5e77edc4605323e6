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
/** Heads are cut early from here on. */
const CUT_AT = 0.85
/** Closed chunks are spilled from here on, whatever their age. */
const SPILL_AT = 0.7
/** How often that may be, ms: what a cut gives back is seen when it is over. */
const CUT_EVERY_MS = 60_000

/** How often it is looked, ms. */
const LOOK_MS = 10

/** What follows from how full it is. */
export interface PressureEvents {
  /** There is not much left: what need not be in memory should go. */
  scarcity(): void
  /** There is little left: something should be given back. */
  pressure(): void
  /** New series are taken again. */
  relief(): void
}

/** Asked every turn. */
export class MemoryPressure {
  private readonly env: Env
  private readonly shard: number
  private readonly head: Head
  private readonly budget: MemoryBudget | undefined
  private readonly on: PressureEvents
  private readonly refusing: Cell
  private isRefusing = false
  private claimed = -1
  private nextAt = 0
  private nextCutAt = 0
  private nextSpillAt = 0

  constructor(env: Env, boot: IngesterBoot, head: Head, on: PressureEvents) {
    this.env = env
    this.shard = boot.index
    this.head = head
    this.budget = boot.budget === undefined ? undefined : new MemoryBudget(boot.budget)
    this.on = on
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
      this.budget?.setReusable(this.shard, this.head.reusableBytes())
      this.claimed = bytes
    }
    const { free } = this.head.memoryUse()
    const fullness = Math.max(this.budget?.fullness() ?? 0, bytes / (bytes + free))
    if (fullness >= SPILL_AT && now >= this.nextSpillAt) {
      this.nextSpillAt = now + CUT_EVERY_MS
      this.on.scarcity()
    }
    if (fullness >= CUT_AT && now >= this.nextCutAt) {
      this.nextCutAt = now + CUT_EVERY_MS
      this.on.pressure()
    }
    if (this.isRefusing ? fullness > ALLOW_BELOW : fullness < REFUSE_AT) return
    this.isRefusing = !this.isRefusing
    this.head.allowNewSeries(!this.isRefusing)
    this.refusing.set(this.isRefusing ? 1 : 0)
    const fields = { full_ratio: Number(fullness.toFixed(3)), head_bytes: bytes }
    if (this.isRefusing) this.env.log.error('memory limit: no new series are taken', fields)
    else {
      this.env.log.info('new series are taken again', fields)
      this.on.relief()
    }
  }
}
