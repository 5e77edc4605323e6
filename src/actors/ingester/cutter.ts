/**
 * Heads → blocks (architecture §8.19), a tenant at a time, in steps between turns: when Mimir would
 * cut (cut-plan.ts), or on demand. Order of a cut:
 *
 *   in-order samples below its end are refused from now on; a new log segment; what came out of order
 *   is frozen → the compactor builds, in place → a note decides (local-blocks.ts) → blocks move to
 *   their place → the block list has them → once no reader is left that does not know of them, the
 *   head drops the samples, and series that have none are collected.
 *
 * No snapshot begins from the new segment on until the samples are dropped: what a snapshot has out
 * of order would be in a block and in the head after the next start.
 */
import type { BlockEntry } from '../../shared/blocks/index.js'
import type { Env } from '../../shared/env/index.js'
import { CHUNK_RANGE_MS } from '../../shared/kernels/head-layout.js'
import type { Cell, HistogramCell } from '../../shared/telemetry/index.js'
import { collectSteps, dropTenantSteps, type Head } from '../../shared/tsdb/index.js'
import type { BuildRequest, BuiltBlock } from '../compactor/contract.js'
import { type CutKind, type CutPlan, planCut, RANGES_MAX } from './cut-plan.js'
import { type EarlyCutOptions, earlyCuts } from './early-cut.js'
import type { DistributorLink } from './links.js'
import type { LocalBlocks, TenantCut } from './local-blocks.js'
import type { TenantState, Tenants } from './tenants.js'

/** Series per step: pushes wait for it, a millisecond at most. */
const STEP_SERIES = 256
/** The same of numbers that are only looked at. */
const STEP_REFS = 16_384
/** How long links are waited for, ms; series that one of them has stay until the next cut. */
const FORGOTTEN_MS = 60_000
/** Tenants that are cut at once when memory is short, or chunks take more than they may. */
const EARLY_TENANTS = 8
/** How soon a cut that failed is tried again, ms. */
const RETRY_MS = 10_000

/** What others do for a cut. */
export interface CutPeers {
  /** Has a compactor build blocks. */
  build(request: BuildRequest): Promise<BuiltBlock[]>
  /** Tells the block list. */
  addBlocks(tenant: string, entries: readonly BlockEntry[]): Promise<unknown>
  /** Tells the block list that these are all that a folder has. */
  keepLocal(folder: string, ulids: readonly string[]): Promise<unknown>
}

/** What a cutter works with. */
export interface CutterParts {
  readonly env: Env
  readonly shard: number
  readonly head: Head
  readonly memory: WebAssembly.Memory
  readonly tenants: Tenants
  readonly blocks: LocalBlocks
  readonly peers: CutPeers
  readonly intervalMs: number
  readonly idleMs: number
  /** When heads are cut early for series that are not active; of this shard's part. */
  readonly early: EarlyCutOptions
  /** `head.cut_bytes`: the older half of the largest heads is cut when chunks take more; 0: never. */
  readonly bytesMax: number
  /** Active series of a tenant; undefined while they are not counted. */
  activeOf(tenant: string): number | undefined
  /** Shards of a zone. */
  readonly shardCount: number
  /** Begins a new log segment; its number. @throws AppError `disk-failed` */
  rotateLog(): number
  links(): Iterable<DistributorLink>
  /** A tenant has been forgotten. */
  onGone(tenant: string): void
}

/** What was built, and of what. */
interface BuiltCut {
  readonly refs: Uint32Array
  readonly lateRefs: Uint32Array
  readonly built: readonly BuiltBlock[]
}

/** A step's end: more to do at once, or nothing until something else happens. */
type Steps<T> = Generator<'busy' | 'wait', T>

/** Somebody who waits for a tenant's cut. */
interface Wish {
  readonly kind: CutKind
  readonly done: (error?: unknown) => void
}

/** Cuts blocks from a shard's heads. */
export class Cutter {
  private readonly parts: CutterParts
  private readonly metrics: {
    cuts: Cell
    failed: Cell
    seconds: HistogramCell
    minTime: Cell
    maxTime: Cell
  }
  private steps: Steps<void> | undefined
  private readonly wishes = new Map<TenantState, Wish[]>()
  private nextLookAt = 0
  /** Tenants that are still to be looked at in this round. */
  private round: TenantState[] = []
  /** The present cut has frozen what it takes and not dropped it yet. */
  private isHolding = false
  private isDecided = false
  /** [ref] 1: about to be collected, unless it is used again. */
  private dying = new Uint8Array(0)

  constructor(parts: CutterParts) {
    this.parts = parts
    const { metrics } = parts.env
    const shard = String(parts.shard)
    this.metrics = {
      cuts: metrics.cell('cortex_ingester_tsdb_compactions_total'),
      failed: metrics.cell('cortex_ingester_tsdb_compactions_failed_total'),
      seconds: metrics.histogram('cortex_ingester_tsdb_compaction_duration_seconds'),
      minTime: metrics.cell('nilo_ingester_head_min_timestamp_seconds', shard),
      maxTime: metrics.cell('nilo_ingester_head_max_timestamp_seconds', shard),
    }
    this.nextLookAt = parts.env.clock.monotonic() + parts.intervalMs
  }

  /** Whether a snapshot must not begin now. */
  holdsSnapshots(): boolean {
    return this.isHolding
  }

  /** Cuts a tenant's whole head soon; resolves when that has been done, or has failed. */
  flush(tenant: TenantState, kind: CutKind = 'whole'): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error?: unknown): void => (error === undefined ? resolve() : reject(error))
      const wishes = this.wishes.get(tenant) ?? []
      this.wishes.set(tenant, [...wishes, { kind, done }])
    })
  }

  /** Memory is short: cuts what the largest tenants have, but for what is new, soon. */
  cutEarly(): void {
    const { tenants, head } = this.parts
    const sizeOf = ({ index }: TenantState): number => head.view.seriesCount(index)
    const largest = [...tenants.all()].sort((a, b) => sizeOf(b) - sizeOf(a))
    for (const tenant of largest.slice(0, EARLY_TENANTS)) this.cutSoon(tenant, 'early')
  }

  private cutSoon(tenant: TenantState, kind: CutKind): void {
    this.parts.tenants.keepLaggards(tenant)
    // What comes of it is logged and counted where it happens.
    if (!this.wishes.has(tenant)) this.flush(tenant, kind).catch(() => {})
  }

  /** Chunks take more than they may: cuts the older half of those heads that together have most of them. */
  private cutLargest(): void {
    const { tenants, head, bytesMax } = this.parts
    if (bytesMax === 0 || head.chunkBytes() <= bytesMax) return
    for (const tenant of largestHeads(head, tenants.all())) this.cutSoon(tenant, 'half')
  }

  /** Many series are in memory that have no samples any more: cuts the heads that have them. */
  private cutInactive(): void {
    const { tenants, head, early, shardCount, activeOf } = this.parts
    const heads = [...tenants.all()].map((tenant) => ({
      tenant,
      series: head.view.seriesCount(tenant.index),
      active: activeOf(tenant.name),
      seriesMin: tenant.limits.early_head_compaction_owned_series_threshold / shardCount,
      reductionMin: tenant.limits.early_head_compaction_min_estimated_series_reduction_percentage,
    }))
    for (const tenant of earlyCuts(heads, early)) this.cutSoon(tenant, 'early')
  }

  /** A ref was bound to an id: it is wanted again. */
  noteBound(ref: number): void {
    if (ref < this.dying.length) this.dying[ref] = 0
  }

  /** A step, between turns, while no snapshot is being taken. True while there is more to do at once. */
  tick(): boolean {
    this.steps ??= this.next()
    if (this.steps === undefined) return false
    const result = this.steps.next()
    if (result.done === true) this.steps = undefined
    return result.done === true || result.value === 'busy'
  }

  /** At a clean stop, readers are gone: what is decided is carried out, what is not given up. */
  finish(): void {
    const isDecided = this.isDecided
    // Nothing waits any more but for what does not come.
    for (let left = 1_000_000; isDecided && this.isHolding && left > 0; left--) {
      if (this.steps?.next().value !== 'busy') break
    }
    this.steps = undefined
    this.isHolding = false
  }

  /** The next cut that is due. */
  private next(): Steps<void> | undefined {
    for (const [tenant, wishes] of this.wishes) {
      this.wishes.delete(tenant)
      return this.answer(tenant, wishes)
    }
    const now = this.parts.env.clock.monotonic()
    if (this.round.length === 0) {
      if (now < this.nextLookAt) return undefined
      this.nextLookAt = now + this.parts.intervalMs
      this.round = [...this.parts.tenants.all()]
      this.showTimes()
      this.cutInactive()
      this.cutLargest()
    }
    const tenant = this.round.pop()
    return tenant === undefined ? undefined : this.cutDue(tenant)
  }

  private showTimes(): void {
    let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    for (const { mint, maxt } of this.parts.tenants.all()) {
      first = Math.min(first, mint)
      last = Math.max(last, maxt)
    }
    this.metrics.minTime.set(Number.isFinite(first) ? first / 1000 : 0)
    this.metrics.maxTime.set(Number.isFinite(last) ? last / 1000 : 0)
  }

  private *answer(tenant: TenantState, wishes: readonly Wish[]): Steps<void> {
    try {
      for (const { kind } of wishes) while (yield* this.cutOnce(tenant, kind)) {}
      for (const { done } of wishes) done()
    } catch (error) {
      this.noteFailure(tenant, error)
      for (const { done } of wishes) done(error)
    }
  }

  private *cutDue(tenant: TenantState): Steps<void> {
    const { env, idleMs } = this.parts
    const isIdle = env.clock.now() - tenant.appendedAt >= idleMs * tenant.idleFactor
    try {
      while (yield* this.cutOnce(tenant, isIdle ? 'whole' : 'regular')) {}
      yield* this.dropGone(tenant)
    } catch (error) {
      this.noteFailure(tenant, error)
    }
  }

  /** Forgets a tenant of whom nothing is here any more. */
  private *dropGone(tenant: TenantState): Steps<void> {
    const { head, tenants, onGone } = this.parts
    if (!tenants.isGone(tenant) || this.wishes.has(tenant)) return
    const steps = dropTenantSteps(head, tenant.index)
    // From its first step on what comes has another index.
    const first = steps.next()
    if (first.done === true && !first.value) return
    tenants.drop(tenant)
    onGone(tenant.name)
    for (let step = first; step.done !== true; step = steps.next()) yield 'wait'
  }

  private noteFailure(tenant: TenantState, error: unknown): void {
    const { env } = this.parts
    this.metrics.failed.add(1)
    this.nextLookAt = Math.min(this.nextLookAt, env.clock.monotonic() + RETRY_MS)
    env.log.error('blocks cannot be cut', { user: tenant.name, err: String(error) })
  }

  /** One cut, if one is due; whether another one may be. */
  private *cutOnce(tenant: TenantState, kind: CutKind): Steps<boolean> {
    const plan = planCut(tenant, kind, this.parts.env.clock.now())
    if (plan === undefined) {
      if (kind === 'whole') yield* this.collectEmpty(tenant)
      return false
    }
    const { env } = this.parts
    const startedAt = env.clock.monotonic()
    const built = yield* this.cut(tenant, plan)
    const took = env.clock.monotonic() - startedAt
    this.metrics.cuts.add(1)
    this.metrics.seconds.observe(took / 1000)
    env.log.info('blocks cut', {
      user: tenant.name,
      blocks: built.map(({ ulid }) => ulid).join(','),
      series: built.reduce((sum, { numSeries }) => sum + numSeries, 0),
      samples: built.reduce((sum, { numSamples }) => sum + numSamples, 0),
      before_ms: plan.before,
      took_ms: Math.round(took),
    })
    return plan.ranges.length === RANGES_MAX
  }

  private *cut(tenant: TenantState, plan: CutPlan): Steps<readonly BuiltBlock[]> {
    const { blocks } = this.parts
    const old = blocks.cutOf(tenant.name)
    const { mint, hasLate } = tenant
    tenant.floor = Math.max(tenant.floor, plan.before)
    // What comes from here on is newer.
    tenant.mint = Number.POSITIVE_INFINITY
    this.isHolding = true
    let cut: BuiltCut
    try {
      const isMarked = hasLate || tenant.hasHistograms
      const lateBefore = isMarked ? this.parts.rotateLog() : old.lateBefore
      cut = yield* this.build(tenant, plan)
      const before = Math.max(old.before, plan.before)
      yield* this.decide(tenant, { before, lateBefore }, cut.built)
    } catch (error) {
      tenant.mint = Math.min(tenant.mint, mint)
      tenant.hasLate ||= hasLate
      this.isHolding = false
      throw error
    }
    this.isDecided = true
    yield* this.publish(tenant, cut.built)
    const empty = yield* this.drop(tenant, plan.before, cut)
    this.isHolding = false
    this.isDecided = false
    yield* this.collect(tenant, empty)
    return cut.built
  }

  private *build(tenant: TenantState, plan: CutPlan): Steps<BuiltCut> {
    const { head, blocks, peers, memory } = this.parts
    const refs = head.view.postings(head.view.allPair(tenant.index))
    const lateRefs = yield* this.freeze(tenant, refs)
    blocks.clearScratch()
    const built = yield* settled(
      peers.build({
        tenant: tenant.name,
        memory,
        folder: blocks.scratch(),
        refs: refs.slice(),
        ranges: plan.ranges,
        lateRefs: lateRefs.slice(),
        rangeMs: CHUNK_RANGE_MS,
      }),
    )
    return { refs, lateRefs, built }
  }

  /** Tries until it works: a note that could not be written may be on disk all the same. */
  private *decide(tenant: TenantState, cut: TenantCut, built: readonly BuiltBlock[]): Steps<void> {
    const ulids = built.map(({ ulid }) => ulid)
    yield* this.insist(tenant, () => this.parts.blocks.decide(tenant.name, cut, ulids))
  }

  /** Tries until it works: the samples are in these blocks from here on. */
  private *publish(tenant: TenantState, built: readonly BuiltBlock[]): Steps<void> {
    const { blocks, peers } = this.parts
    if (built.length === 0) return
    yield* this.insist(tenant, () => {
      const entries = built.map((block) => entryOf(tenant.name, block, blocks))
      return peers.addBlocks(tenant.name, entries)
    })
  }

  private *insist(tenant: TenantState, run: () => unknown): Steps<void> {
    const { env } = this.parts
    for (;;) {
      try {
        yield* settled(Promise.resolve(run()))
        return
      } catch (error) {
        env.log.error('blocks cannot be put in place', { user: tenant.name, err: String(error) })
        const until = env.clock.monotonic() + RETRY_MS
        while (env.clock.monotonic() < until) yield 'wait'
      }
    }
  }

  private *freeze(tenant: TenantState, refs: Uint32Array): Steps<Uint32Array> {
    if (!tenant.hasLate) return new Uint32Array(0)
    tenant.hasLate = false
    const frozen: number[] = []
    for (let from = 0; from < refs.length; from += STEP_SERIES) {
      for (const ref of refs.subarray(from, from + STEP_SERIES)) {
        const outcome = this.parts.head.kernel.freezeLate(ref)
        if (outcome > 0) frozen.push(ref)
        // No room to close a buffer: it is for the next cut.
        if (outcome < 0) tenant.hasLate = true
      }
      yield 'busy'
    }
    return Uint32Array.from(frozen)
  }

  /** Drops what is in blocks; refs of series without samples. */
  private *drop(
    tenant: TenantState,
    before: number,
    { refs, lateRefs }: BuiltCut,
  ): Steps<Uint32Array> {
    const { kernel } = this.parts.head
    // Who reads from here on asks for the block list afterwards, and so knows of the blocks.
    const epoch = kernel.nextEpoch() >>> 0
    while (kernel.oldestLease() >>> 0 < epoch) yield 'wait'
    for (let from = 0; from < lateRefs.length; from += STEP_SERIES) {
      for (const ref of lateRefs.subarray(from, from + STEP_SERIES)) kernel.truncateLate(ref)
      yield 'busy'
    }
    const empty = new Uint32Array(refs.length)
    let count = 0
    let mint = Number.POSITIVE_INFINITY
    for (let from = 0; from < refs.length; from += STEP_SERIES) {
      for (const ref of refs.subarray(from, from + STEP_SERIES)) {
        if (kernel.truncateSeries(ref, before) === 1) empty[count++] = ref
        else mint = Math.min(mint, kernel.firstTime(ref))
      }
      yield 'busy'
    }
    kernel.nextEpoch()
    kernel.reclaimExtents()
    tenant.mint = Math.max(before, Math.min(mint, tenant.mint))
    return empty.subarray(0, count)
  }

  /** Collects series that have come without samples: those that a replayed log names, say. */
  private *collectEmpty(tenant: TenantState): Steps<void> {
    const { kernel, view } = this.parts.head
    if (view.seriesCount(tenant.index) === 0) return
    const refs = view.postings(view.allPair(tenant.index))
    const empty = new Uint32Array(refs.length)
    let count = 0
    for (let from = 0; from < refs.length; from += STEP_SERIES) {
      for (const ref of refs.subarray(from, from + STEP_SERIES)) {
        if (kernel.truncateSeries(ref, Number.NEGATIVE_INFINITY) === 1) empty[count++] = ref
      }
      yield 'busy'
    }
    yield* this.collect(tenant, empty.subarray(0, count))
  }

  /** Collects series, once no link has an id for them any more. */
  private *collect(tenant: TenantState, empty: Uint32Array): Steps<void> {
    const { head, tenants, env } = this.parts
    if (empty.length === 0) return
    const dying = new Uint8Array(head.refEnd())
    this.dying = dying
    try {
      for (let from = 0; from < empty.length; from += STEP_REFS) {
        for (const ref of empty.subarray(from, from + STEP_REFS)) dying[ref] = 1
        yield 'busy'
      }
      for (const link of this.parts.links()) yield* busy(link.forgetSteps(dying))
      const until = env.clock.monotonic() + FORGOTTEN_MS
      const isWaiting = (): boolean => [...this.parts.links()].some((link) => link.isForgetting())
      while (isWaiting() && env.clock.monotonic() < until) yield 'wait'
      for (const link of this.parts.links()) yield* busy(link.keepSteps(dying))
      const steps = collectSteps(head, tenant.index, empty, (ref) => dying[ref] !== 1)
      for (;;) {
        const step = steps.next()
        tenants.noteRemoved(tenant)
        if (step.done === true) break
        yield step.value ? 'busy' : 'wait'
      }
      head.kernel.reclaimExtents()
    } finally {
      this.dying = new Uint8Array(0)
    }
  }
}

/** Tenants that have half of all samples or more, the largest first: by series and how long they go back. */
function largestHeads(head: Head, tenants: readonly TenantState[]): TenantState[] {
  const sized = tenants.flatMap((tenant) => {
    const { mint, maxt, index } = tenant
    return maxt > mint ? [{ tenant, size: head.view.seriesCount(index) * (maxt - mint) }] : []
  })
  sized.sort((a, b) => b.size - a.size)
  let left = sized.reduce((sum, { size }) => sum + size, 0) / 2
  const chosen: TenantState[] = []
  for (const { tenant, size } of sized.slice(0, EARLY_TENANTS)) {
    if (left <= 0) break
    chosen.push(tenant)
    left -= size
  }
  return chosen
}

/** Goes through steps that have always more to do. */
function* busy(steps: Iterable<void>): Steps<void> {
  for (const _ of steps) yield 'busy'
}

/** Waits for a promise, step by step. */
function* settled<T>(promise: Promise<T>): Steps<T> {
  let outcome: { readonly value: T } | { readonly error: unknown } | undefined
  promise.then(
    (value) => {
      outcome = { value }
    },
    (error: unknown) => {
      outcome = { error }
    },
  )
  for (;;) {
    const now = outcome as typeof outcome
    if (now === undefined) yield 'wait'
    else if ('error' in now) throw now.error
    else return now.value
  }
}

function entryOf(tenant: string, block: BuiltBlock, blocks: LocalBlocks): BlockEntry {
  const { ulid, minTime, maxTime, numSeries, isOutOfOrder } = block
  return {
    tenant,
    ulid,
    minTime,
    maxTime,
    localDir: blocks.move(tenant, ulid),
    inBucket: false,
    level: 1,
    numSeries,
    ...(isOutOfOrder ? { outOfOrder: true } : {}),
  }
}
