/**
 * Active series: those that had a sample appended within the idle timeout, in all and by the tenant's
 * custom trackers. Appends note nothing: every update period a sweep goes over the series in slices,
 * and what has another newest sample than at the sweep before was active since. A series' trackers
 * are matched when it is met first, and again when the tenant's trackers have changed, or refs have
 * come to stand for other series.
 */
import type { Env } from '../../shared/env/index.js'
import type { Matcher } from '../../shared/model/matcher.js'
import { compileRegex } from '../../shared/model/regex.js'
import { parseMetricSelector, SELECTOR_OPTIONS } from '../../shared/promql/syntax/index.js'
import type { Head } from '../../shared/tsdb/index.js'
import type { TenantState } from './tenants.js'

/** Series looked at in a turn. */
const SLICE = 4_000
/** Times that a tenant's count begins anew when refs change under it; then its last one stays. */
const TRIES = 3
/** Trackers in a word of a mask. */
const WORD_BITS = 32

/** How active series are counted, ms. */
export interface ActiveSeriesOptions {
  /** 0: not at all. */
  readonly updateMs: number
  readonly idleMs: number
}

interface Tracker {
  readonly name: string
  matches(labelOf: (name: string) => string): boolean
}

interface TenantTrackers {
  /** The texts that the trackers were made from. */
  readonly source: string
  /** Counts changes; a series' mask is of one of them. */
  readonly version: number
  readonly trackers: readonly Tracker[]
}

/** Counts the active series of a shard. */
export class ActiveSeries {
  private readonly env: Env
  private readonly head: Head
  private readonly options: ActiveSeriesOptions
  /** [ref] time of the newest sample at the last sweep; when that had changed last, monotonic ms. */
  private newest = new Float64Array(0)
  private changedAt = new Float64Array(0)
  /** [ref] bits of trackers, `maskWords` each, enough for every tenant; and the version that they are of. */
  private masks = new Uint32Array(0)
  private maskWords = 1
  private maskVersions = new Uint32Array(0)
  private readonly trackers = new Map<string, TenantTrackers>()
  private versions = 0
  /** The head's number when masks were kept. */
  private reuses = 0
  /** By tenant, of the last sweep. */
  private readonly active = new Map<string, number>()
  private sweep: Generator<void> | undefined
  private nextAt = 0

  constructor(env: Env, head: Head, options: ActiveSeriesOptions) {
    this.env = env
    this.head = head
    this.options = options
  }

  /** Active series of a tenant at the last sweep; undefined before. */
  activeOf(tenant: string): number | undefined {
    return this.active.get(tenant)
  }

  /** A tenant has been forgotten. */
  forget(tenant: string): void {
    const { metrics } = this.env
    this.active.delete(tenant)
    metrics.release('cortex_ingester_active_series', tenant)
    for (const { name } of this.trackers.get(tenant)?.trackers ?? []) {
      metrics.release('cortex_ingester_active_series_custom_tracker', tenant, name)
    }
    this.trackers.delete(tenant)
  }

  /** One slice of a sweep, when one is due. */
  tick(tenants: () => readonly TenantState[]): void {
    const { updateMs } = this.options
    if (updateMs === 0) return
    const now = this.env.clock.monotonic()
    if (this.sweep === undefined && now < this.nextAt) return
    this.sweep ??= this.steps([...tenants()], now)
    if (this.sweep.next().done !== true) return
    this.sweep = undefined
    this.nextAt = now + updateMs
  }

  private *steps(tenants: readonly TenantState[], now: number): Generator<void> {
    for (const tenant of tenants) {
      for (let tries = 0; tries < TRIES; tries++) {
        if (this.head.findTenant(tenant.name) !== tenant.index) break
        if (yield* this.count(tenant, now)) break
      }
      yield
    }
  }

  /** Counts a tenant's series; false when refs have come to stand for others in between. */
  private *count(tenant: TenantState, now: number): Generator<void, boolean> {
    this.dropReused()
    const { trackers, version } = this.trackersOf(tenant)
    const counts = new Float64Array(trackers.length)
    let active = 0
    const refs = this.head.view.postings(this.head.view.allPair(tenant.index))
    for (let at = 0; at < refs.length; at++) {
      const ref = refs[at]!
      if (at % SLICE === SLICE - 1) {
        yield
        if (this.dropReused()) return false
      }
      if (!this.isActive(ref, now)) continue
      active++
      if (trackers.length === 0) continue
      this.match(ref, trackers, version)
      this.addMask(ref, trackers.length, counts)
    }
    this.active.set(tenant.name, active)
    this.show(tenant.name, active, trackers, counts)
    return true
  }

  /** Forgets masks once refs may stand for other series than they were made of. */
  private dropReused(): boolean {
    const reuses = this.head.reuses()
    if (reuses === this.reuses) return false
    this.reuses = reuses
    this.maskVersions.fill(0)
    return true
  }

  private isActive(ref: number, now: number): boolean {
    if (ref >= this.newest.length) this.grow(ref)
    const time = this.head.lastTime(ref)
    if (time !== this.newest[ref]) {
      this.newest[ref] = time
      this.changedAt[ref] = now
      return true
    }
    return now - this.changedAt[ref]! <= this.options.idleMs
  }

  /** Sees to it that a series' mask is of these trackers. */
  private match(ref: number, trackers: readonly Tracker[], version: number): void {
    if (this.maskVersions[ref] === version) return
    const labels = this.head.view.labels(ref)
    const labelOf = (name: string): string =>
      labels.find((label) => label.name === name)?.value ?? ''
    const at = ref * this.maskWords
    this.masks.fill(0, at, at + this.maskWords)
    for (const [i, tracker] of trackers.entries()) {
      if (tracker.matches(labelOf)) this.masks[at + (i >> 5)]! |= 1 << (i & 31)
    }
    this.maskVersions[ref] = version
  }

  private addMask(ref: number, trackers: number, counts: Float64Array): void {
    const at = ref * this.maskWords
    for (let word = 0; word * WORD_BITS < trackers; word++) {
      for (let mask = this.masks[at + word]!; mask !== 0; mask &= mask - 1) {
        counts[word * WORD_BITS + 31 - Math.clz32(mask & -mask)]!++
      }
    }
  }

  private trackersOf({ name, limits }: TenantState): TenantTrackers {
    const all = {
      ...(limits.active_series_custom_trackers as object | undefined),
      ...(limits.active_series_additional_custom_trackers as object | undefined),
    }
    const source = JSON.stringify(all)
    const known = this.trackers.get(name)
    if (known?.source === source) return known
    for (const { name: tracker } of known?.trackers ?? []) this.cellOf(name, tracker).set(0)
    const trackers = Object.entries(all)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([tracker, selector]) => this.trackerOf(tracker, selector) ?? [])
    this.widenMasks(Math.ceil(trackers.length / WORD_BITS))
    const made = { source, version: ++this.versions, trackers }
    this.trackers.set(name, made)
    return made
  }

  /** Makes masks longer where they are too short for a tenant; all are made anew then. */
  private widenMasks(words: number): void {
    if (words <= this.maskWords) return
    this.maskWords = words
    this.masks = new Uint32Array(this.newest.length * words)
    this.maskVersions.fill(0)
  }

  private trackerOf(name: string, selector: unknown): Tracker | undefined {
    try {
      const tests = parseMetricSelector(String(selector), SELECTOR_OPTIONS).map(testOf)
      return { name, matches: (labelOf) => tests.every((test) => test(labelOf)) }
    } catch (error) {
      this.env.log.warn('active series tracker is no selector', { name, err: String(error) })
      return undefined
    }
  }

  private show(
    tenant: string,
    active: number,
    trackers: readonly Tracker[],
    counts: Float64Array,
  ): void {
    this.env.metrics.cell('cortex_ingester_active_series', tenant).set(active)
    for (const [i, { name }] of trackers.entries()) this.cellOf(tenant, name).set(counts[i]!)
  }

  private cellOf(tenant: string, tracker: string) {
    return this.env.metrics.cell('cortex_ingester_active_series_custom_tracker', tenant, tracker)
  }

  private grow(ref: number): void {
    const length = Math.max(1_024, this.newest.length * 2, ref + 1)
    const [newest, changedAt] = [new Float64Array(length), new Float64Array(length)]
    newest.fill(Number.NaN)
    newest.set(this.newest)
    changedAt.set(this.changedAt)
    this.newest = newest
    this.changedAt = changedAt
    const masks = new Uint32Array(length * this.maskWords)
    const versions = new Uint32Array(length)
    masks.set(this.masks)
    versions.set(this.maskVersions)
    this.masks = masks
    this.maskVersions = versions
  }
}

function testOf({ name, op, value }: Matcher): (labelOf: (name: string) => string) => boolean {
  if (op === '=') return (labelOf) => labelOf(name) === value
  if (op === '!=') return (labelOf) => labelOf(name) !== value
  const regex = compileRegex(value)
  const wanted = op === '=~'
  return (labelOf) => regex.test(labelOf(name)) === wanted
}
