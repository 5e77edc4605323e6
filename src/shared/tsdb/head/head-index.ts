/**
 * Selections by a reader: matchers → refs and label lists of one shard, from its shared memory, in
 * the thread that asks. Tenants, pairs and postings change under a sequence number
 * (kernels/assembly/head-intern.ts): an answer counts only if the number was even before and is the
 * same afterwards. While a shard replays its log, or creates series faster than they can be looked
 * up, there is no answer, and its owner is to be asked. Decision: docs/decisions/0009.
 */
import { TextLists } from '../../base/text-lists.js'
import type { HeadKernel } from '../../kernels/head.js'
import {
  H_INDEX_SEQUENCE,
  H_SERVING,
  H_TENANT_COUNT,
  H_TENANT_REUSES,
  SERVING_YES,
} from '../../kernels/head-layout.js'
import type { Matcher } from '../../model/matcher.js'
import { EMPTY_STATS, type HeadStats, headStatsSteps, type SeriesExtent } from './head-stats.js'
import type { HeadView } from './head-view.js'
import {
  labelNamesSteps,
  labelValuesSteps,
  matchSteps,
  run,
  type SelectContext,
  type TimeRange,
} from './select.js'

/** Series between two looks whether the answer is still wanted. */
const SERIES_PER_CHECK = 65_536
/** Attempts at an answer before the owner is to be asked. */
const TRIES = 3

const ALL_TIMES: TimeRange = { mint: Number.NEGATIVE_INFINITY, maxt: Number.POSITIVE_INFINITY }

/** What a reader's index works on. */
export interface HeadIndexParts {
  readonly view: HeadView
  readonly kernel: HeadKernel
  /** Address and size of memory that is the reader's own. */
  readonly scratch: number
  readonly scratchBytes: number
}

/** The postings of a head as a reader sees them. */
export class HeadIndex implements SelectContext {
  readonly view: HeadView
  readonly kernel: Pick<HeadKernel, 'overlaps'>
  private readonly parts: HeadIndexParts
  private readonly tenants = new Map<string, number>()
  /** Rows that are in it, and of which state. */
  private tenantsSeen = 0
  private tenantReuses = 0
  /** Of which the state is the sequence number that they were made under. */
  private readonly lists = new TextLists()

  constructor(parts: HeadIndexParts) {
    this.parts = parts
    this.view = parts.view
    this.kernel = { overlaps: parts.kernel.overlapsNow }
  }

  /**
   * Refs of the series that match all matchers and have samples in the range, ascending; undefined
   * when the owner is to be asked.
   *
   * @param check is called now and then, and throws when the answer is not wanted any more
   */
  select(
    tenant: string,
    matchers: readonly Matcher[],
    range: TimeRange,
    check?: () => void,
  ): Uint32Array | undefined {
    const refs = this.settled(tenant, (index) => run(matchSteps(this, index, matchers), check))
    if (refs === undefined || refs.length === 0) return refs
    let count = 0
    for (let i = 0; i < refs.length; i++) {
      if (i % SERIES_PER_CHECK === 0) check?.()
      const ref = refs[i]!
      if (this.kernel.overlaps(ref, range.mint, range.maxt) !== 0) refs[count++] = ref
    }
    return refs.subarray(0, count)
  }

  /** Label names of all series, sorted by their bytes; undefined when the owner is to be asked. */
  labelNames(tenant: string, check?: () => void): readonly string[] | undefined {
    return this.listed(tenant, 'names', (index) =>
      run(labelNamesSteps(this, index, [], ALL_TIMES), check),
    )
  }

  /** Values of a label, likewise. */
  labelValues(tenant: string, name: string, check?: () => void): readonly string[] | undefined {
    return this.listed(tenant, `values of ${name}`, (index) =>
      run(labelValuesSteps(this, index, name, [], ALL_TIMES), check),
    )
  }

  /** A list of texts, made again when anything has changed. */
  private listed(
    tenant: string,
    what: string,
    look: (tenant: number) => string[],
  ): readonly string[] | undefined {
    return this.settled(tenant, (index, sequence) => {
      const name = `${index} ${what}`
      const known = this.lists.find(name, sequence)
      if (known !== undefined) return known
      // One that met a change is kept under a number that does not come again.
      const texts = look(index)
      this.lists.keep(name, sequence, texts)
      return texts
    })
  }

  /**
   * What the shard holds of a tenant; nothing of one that it does not know, undefined while that
   * cannot be told.
   */
  stats(
    tenant: string,
    most: number,
    extentOf: SeriesExtent,
    check?: () => void,
  ): HeadStats | undefined {
    if (Atomics.load(this.view.u32, H_SERVING / 4) !== SERVING_YES) return undefined
    if (this.tenant(tenant) === undefined) return EMPTY_STATS
    return this.settled(tenant, (index) =>
      run(headStatsSteps(this.view, index, extentOf, most), check),
    )
  }

  findPair(tenant: number, pair: Uint8Array): number {
    const { scratch, scratchBytes, kernel } = this.parts
    // The hash reads a few bytes past the end.
    if (pair.length + 8 > scratchBytes) return 0
    this.view.bytes.set(pair, scratch)
    return kernel.lookupPair(tenant, scratch, pair.length) >>> 0
  }

  /** What `look` found while nothing changed. */
  private settled<T>(tenant: string, look: (tenant: number, sequence: number) => T): T | undefined {
    const { u32 } = this.view
    if (Atomics.load(u32, H_SERVING / 4) !== SERVING_YES) return undefined
    for (let tries = 0; tries < TRIES; tries++) {
      const before = Atomics.load(u32, H_INDEX_SEQUENCE / 4)
      if ((before & 1) !== 0) continue
      const index = this.tenant(tenant)
      // A tenant that is new to the shard: its owner knows best.
      if (index === undefined) return undefined
      const found = look(index, before)
      if (Atomics.load(u32, H_INDEX_SEQUENCE / 4) === before) return found
    }
    return undefined
  }

  private tenant(name: string): number | undefined {
    const reuses = Atomics.load(this.view.u32, H_TENANT_REUSES / 4)
    if (reuses !== this.tenantReuses) {
      this.tenants.clear()
      this.tenantsSeen = 0
      this.tenantReuses = reuses
    }
    const known = this.tenants.get(name)
    if (known !== undefined) return known
    const count = this.view.word(H_TENANT_COUNT)
    for (; this.tenantsSeen < count; this.tenantsSeen++) {
      this.tenants.set(this.view.tenantText(this.tenantsSeen), this.tenantsSeen)
    }
    return this.tenants.get(name)
  }
}
