/**
 * The head of an ingester shard: all series of all tenants and their newest samples, in one shared
 * memory that readers of other threads read in place (head-reader.ts). One thread owns it.
 *
 * A turn goes: fill columns (refs, times, values) → `check` → `logSamples` and the write → `append`
 * → `publish`, or `rollback` when the write failed. What `check` found to be out of order stands in
 * columns of its own, for `logFrame` and `appendOutOfOrder`. `getOrCreate` and `appendSample` are the same in
 * small, for tests and cold paths. Hot: bench/shared/tsdb/head.bench.ts.
 */

import type { Disk } from '../../env/index.js'
import { fail } from '../../errors/index.js'
import { HEAD_KEY_BYTES, type HeadKernel, instantiateHead, wipeHead } from '../../kernels/head.js'
import {
  BATCH_HEADER_BYTES,
  CHECK_DUPLICATE,
  CHECK_OUT_OF_ORDER,
  CHECK_TOO_OLD,
  DEFINE_FULL,
  DEFINE_HEADER_BYTES,
  EXTENT_BYTES,
  H_BUMP,
  H_COLUMN_CAP,
  H_DEFINE_BYTES,
  H_DEFINES,
  H_DUPLICATES,
  H_EXTENTS_FREE_COUNT,
  H_EXTENTS_USED,
  H_FIRST_CODE,
  H_FIRST_REF,
  H_FIRST_TIME,
  H_FREE_REF_COUNT,
  H_KEY,
  H_LIMIT,
  H_LOG,
  H_LOG_AT,
  H_LOG_BYTES,
  H_MAXT,
  H_MINT,
  H_NEW_COUNT,
  H_NO_NEW_SERIES,
  H_OOO_COUNT,
  H_OOO_TIMES,
  H_OUT_OF_ORDER,
  H_REFS,
  H_REPEATED,
  H_REUSES,
  H_SERIES_COUNT,
  H_SERVING,
  H_SMALL_FREE,
  H_TIMES,
  H_TOO_OLD,
  H_VALUES,
  H_VERSION,
  HISTOGRAM_ROWS,
  LAST_TIMES,
  OOO_ROWS,
  RECORD_HEADER_BYTES,
  SERIES_DIRECTORY,
  SERIES_SLAB_MASK,
  SERIES_SLAB_SHIFT,
  SERVING_YES,
} from '../../kernels/head-layout.js'
import type { Labels } from '../../model/labels.js'
import type { Matcher } from '../../model/matcher.js'
import type { DamagedChunk } from '../spill/damage-notes.js'
import { SpilledChunks } from '../spill/spilled-chunks.js'
import { HeadExemplars } from './exemplars.js'
import { HeadView } from './head-view.js'
import { HeadHistograms } from './histograms.js'
import { encodeLabels } from './label-bytes.js'
import {
  labelNamesSteps,
  labelValuesSteps,
  run,
  type SelectContext,
  selectSteps,
  seriesSteps,
  type TimeRange,
} from './select.js'

/** What a head is built on. The sizes are address space, touched as needed. */
export interface HeadOptions {
  readonly memory: WebAssembly.Memory
  readonly module: WebAssembly.Module
  /** Samples of one turn. */
  readonly columns?: number
  /** Bytes of one frame's define section. */
  readonly defineBytes?: number
  /** Bytes of the log's assembly buffer. */
  readonly logBytes?: number
  /** Threads that may read at once. */
  readonly readerSlots?: number
}

/** What became of the checked samples that are not to be appended. */
export interface CheckCounts {
  outOfOrder: number
  duplicates: number
  tooOld: number
  /** Equal to a stored sample: accepted, nothing to do. */
  repeated: number
}

/** The first rejection of a turn's checks. */
export interface Rejection {
  readonly code: typeof CHECK_OUT_OF_ORDER | typeof CHECK_DUPLICATE | typeof CHECK_TOO_OLD
  readonly ref: number
  readonly t: number
}

/** What one sample of `appendSample` came to. */
export type AppendOutcome = 'appended' | 'repeated' | 'out-of-order' | 'duplicate' | 'full'

/** What a look at all series of a tenant tells. */
export interface HeadTimes {
  /** Of the oldest and newest sample in order, ms; infinite without any. */
  readonly mint: number
  readonly maxt: number
  /** There may be samples out of order. */
  readonly hasLate: boolean
  readonly hasHistograms: boolean
}

/** Last time of a series without samples. */
const NO_SAMPLE = -(2 ** 63)

/** Reader slots when none are asked for. */
export const READER_SLOTS_DEFAULT = 64

/** The series and samples of a shard, in one shared memory. */
export class Head implements SelectContext {
  readonly view: HeadView
  readonly kernel: HeadKernel
  readonly histograms: HeadHistograms
  readonly exemplars = new HeadExemplars()
  /** Columns of a turn, [capacity]. */
  readonly refs: Uint32Array
  readonly times: Float64Array
  readonly values: Float64Array
  readonly capacity: number
  /** Goes up whenever series or pairs are taken out: selections that met that are made again. */
  changes = 0
  private readonly tenants = new Map<string, number>()
  private readonly tenantCache: string[] = []
  private readonly fixedBytes: number
  private spilled: SpilledChunks | undefined

  constructor(env: { prng: { fill(bytes: Uint8Array): void } }, options: HeadOptions) {
    const { memory, module } = options
    this.view = new HeadView(memory)
    // What a head of before left, which nobody reads any more.
    if (this.view.word(H_VERSION) !== 0) wipeHead(memory, this.u64(H_BUMP))
    this.kernel = instantiateHead(module, memory)
    this.histograms = new HeadHistograms(this.view, this.kernel, () => this.chunkFiles())
    const key = new Uint8Array(HEAD_KEY_BYTES)
    env.prng.fill(key)
    this.view.bytes.set(key, H_KEY)
    const isReady = this.kernel.init(
      memory.buffer.byteLength / 65536,
      options.columns ?? 1 << 19,
      options.defineBytes ?? 8 << 20,
      options.logBytes ?? 32 << 20,
      options.readerSlots ?? READER_SLOTS_DEFAULT,
    )
    if (isReady === 0) throw fail('internal', { text: 'the memory of a head is too small' })
    this.fixedBytes = this.u64(H_BUMP)
    this.capacity = this.view.word(H_COLUMN_CAP)
    this.refs = this.columnView(Uint32Array, H_REFS)
    this.times = this.columnView(Float64Array, H_TIMES)
    this.values = this.columnView(Float64Array, H_VALUES)
    this.kernel.clearRange()
    this.kernel.logBegin()
  }

  private columnView<T>(
    type: new (buffer: ArrayBuffer, at: number, length: number) => T,
    cell: number,
  ): T {
    const buffer = this.view.memory.buffer as ArrayBuffer
    return new type(buffer, this.view.word(cell), this.capacity)
  }

  /** Lets the owner read the chunks that it spills. @param onDamage told of each that it cannot */
  openChunkFiles(disk: Disk, onDamage: (chunk: DamagedChunk) => void): void {
    this.spilled = new SpilledChunks(this.view, disk, onDamage)
  }

  /** The owner's way to spilled chunks. @throws AppError `internal` without chunk files */
  chunkFiles(): SpilledChunks {
    if (this.spilled === undefined) throw fail('internal', { text: 'a head has spilled chunks' })
    return this.spilled
  }

  /** Closes the chunk files that the owner has open. */
  closeChunkFiles(): void {
    this.spilled?.close()
  }

  /** Series in memory, of all tenants; those that are being removed count until their refs are free. */
  seriesCount(): number {
    return this.view.word(H_SERIES_COUNT) - this.view.word(H_FREE_REF_COUNT)
  }

  /** Changes before refs and pair ids come to stand for something else. */
  reuses(): number {
    return Atomics.load(this.view.u32, H_REUSES / 4)
  }

  /** All refs, used and free, are below. */
  refEnd(): number {
    return this.view.word(H_SERIES_COUNT)
  }

  /** Everything that was logged is here again: readers may answer selections themselves. */
  serve(): void {
    Atomics.store(this.view.u32, H_SERVING / 4, SERVING_YES)
  }

  /** Makes the log write the record of every series again, before its next sample. */
  forgetLogged(): void {
    const count = this.refEnd()
    for (let ref = 0; ref < count; ref++) this.kernel.setLogRef(ref, 0)
  }

  /** Whether series that are not there yet may be made. */
  allowNewSeries(isAllowed: boolean): void {
    this.view.u32[H_NO_NEW_SERIES >>> 2] = isAllowed ? 0 : 1
  }

  /** Bytes that series and samples take. */
  dataBytes(): number {
    return this.u64(H_BUMP) - this.fixedBytes - this.reusableBytes()
  }

  /** Bytes that closed chunks take in memory, about. */
  chunkBytes(): number {
    return this.view.word(H_EXTENTS_USED) * EXTENT_BYTES
  }

  /** Bytes that were given back and not taken again; the system has them as ours still. */
  reusableBytes(): number {
    return this.view.word(H_EXTENTS_FREE_COUNT) * EXTENT_BYTES + this.u64(H_SMALL_FREE)
  }

  /** Bytes in use, and bytes left for anything up to an extent's size. */
  memoryUse(): { used: number; free: number } {
    const used = this.u64(H_BUMP) - this.reusableBytes()
    const extents = this.view.word(H_EXTENTS_FREE_COUNT) * EXTENT_BYTES
    return { used, free: this.u64(H_LIMIT) - this.u64(H_BUMP) + extents }
  }

  private u64(at: number): number {
    return this.view.word(at) + this.view.word(at + 4) * 2 ** 32
  }

  /** The index of a tenant, given when it is new; undefined when there is no room for it. */
  tenant(name: string): number | undefined {
    const known = this.tenants.get(name)
    if (known !== undefined) return known
    const bytes = Buffer.from(name)
    if (bytes.length > this.view.word(H_DEFINE_BYTES)) return undefined
    const at = this.view.word(H_DEFINES)
    this.view.bytes.set(bytes, at)
    const tenant = this.kernel.addTenant(at, bytes.length)
    if (tenant < 0) return undefined
    this.tenants.set(name, tenant)
    this.tenantCache[tenant] = name
    return tenant
  }

  /** The index of a tenant that has been seen. */
  findTenant(name: string): number | undefined {
    return this.tenants.get(name)
  }

  /** Takes a tenant without series out; false when it has any. `releaseTenant` follows. */
  unlinkTenant(tenant: number): boolean {
    if (this.kernel.unlinkTenant(tenant) === 0) return false
    this.tenants.delete(this.tenantCache[tenant]!)
    this.tenantCache[tenant] = ''
    return true
  }

  /** Names of all tenants, by index; empty where there is none any more. */
  tenantNames(): readonly string[] {
    return this.tenantCache
  }

  /** Time of a series' newest sample, ms; far in the past without any. */
  lastTime(ref: number): number {
    const slab = this.view.word(SERIES_DIRECTORY + (ref >>> SERIES_SLAB_SHIFT) * 4)
    const at = slab + LAST_TIMES + (ref & SERIES_SLAB_MASK) * 8
    // Without a BigInt: asked for every series once a minute.
    return (this.view.word(at + 4) | 0) * 2 ** 32 + this.view.word(at)
  }

  /** Looks at every series of a tenant. */
  timesOf(tenant: number): HeadTimes {
    const { view, kernel } = this
    const { u32 } = view
    let mint = Number.POSITIVE_INFINITY
    let maxt = Number.NEGATIVE_INFINITY
    let hasLate = false
    let hasHistograms = false
    for (const ref of view.postings(view.allPair(tenant))) {
      const slab = view.word(SERIES_DIRECTORY + (ref >>> SERIES_SLAB_SHIFT) * 4)
      const at = ((slab + LAST_TIMES) >>> 2) + (ref & SERIES_SLAB_MASK) * 2
      const last = (u32[at + 1]! | 0) * 2 ** 32 + u32[at]!
      if (last !== NO_SAMPLE) maxt = Math.max(maxt, last)
      mint = Math.min(mint, kernel.firstTime(ref))
      const cell = slab + (ref & SERIES_SLAB_MASK) * 4
      hasHistograms ||= view.word(cell + HISTOGRAM_ROWS) !== 0
      hasLate ||= view.word(cell + OOO_ROWS) !== 0
    }
    return { mint, maxt, hasLate: hasLate || hasHistograms, hasHistograms }
  }

  /**
   * The ref of a series, created when new.
   * @param labels sorted by name, without empty values
   * @throws AppError `overloaded` when memory is full, `bad-data` when the labels cannot be stored
   */
  getOrCreate(tenant: string, labels: Labels): number {
    const index = this.tenant(tenant)
    const ref =
      index === undefined ? DEFINE_FULL : this.define(index, encodeLabels(labels), labels.length)
    if (ref === DEFINE_FULL) throw fail('overloaded', { text: 'the memory of the head is full' })
    if (ref < 0) throw fail('bad-data', { text: 'labels that a head cannot hold' })
    return ref
  }

  /** The ref of a series by its label bytes, or a DEFINE_… code. */
  define(tenant: number, labels: Uint8Array, labelCount: number): number {
    const at = this.view.word(H_DEFINES)
    if (labels.length > this.view.word(H_DEFINE_BYTES)) return DEFINE_FULL
    this.view.bytes.set(labels, at)
    return this.kernel.define(tenant, at, labels.length, labelCount)
  }

  /**
   * Looks up or creates what the define section of a WRITE frame names.
   * @param bind called per define, in order, with its id and ref; ref < 0 is a DEFINE_… code
   * @returns false when the section is malformed; what came before stands
   */
  defineSection(
    tenant: number,
    section: Uint8Array,
    count: number,
    bind: (id: number, ref: number, index: number) => void,
    isRefused?: (index: number) => boolean,
  ): boolean {
    const start = this.view.word(H_DEFINES)
    if (section.length > this.view.word(H_DEFINE_BYTES)) return false
    this.view.bytes.set(section, start)
    const end = start + section.length
    let at = start
    for (let i = 0; i < count; i++) {
      if (end - at < DEFINE_HEADER_BYTES) return false
      const length = this.view.word(at + 8)
      if (length > end - at - DEFINE_HEADER_BYTES) return false
      const labels = at + DEFINE_HEADER_BYTES
      const allowed = this.view.u32[H_NO_NEW_SERIES >>> 2]!
      if (isRefused?.(i) === true) this.allowNewSeries(false)
      const ref = this.kernel.define(tenant, labels, length, this.view.word(at + 4))
      this.view.u32[H_NO_NEW_SERIES >>> 2] = allowed
      bind(this.view.word(at), ref, i)
      at = labels + ((length + 7) & ~7)
    }
    return true
  }

  /** Appends one sample. NaN bits may not survive the call: stale markers go by `appendColumns`. */
  appendSample(ref: number, t: number, value: number): AppendOutcome {
    this.refs[0] = ref
    this.times[0] = t
    this.values[0] = value
    return this.appendFirst()
  }

  /** Appends samples of one series, in order, keeping their bits; stops at the first refused one. */
  appendColumns(ref: number, times: Float64Array, values: Float64Array): AppendOutcome {
    for (let i = 0; i < times.length; i++) {
      this.refs[0] = ref
      this.times[0] = times[i]!
      this.values.set(values.subarray(i, i + 1), 0)
      const outcome = this.appendFirst()
      if (outcome !== 'appended' && outcome !== 'repeated') return outcome
    }
    return 'appended'
  }

  private appendFirst(): AppendOutcome {
    const { kernel } = this
    kernel.clearCounts()
    if (
      kernel.check(
        0,
        1,
        Number.NEGATIVE_INFINITY,
        Number.POSITIVE_INFINITY,
        Number.POSITIVE_INFINITY,
      ) === 0
    ) {
      const code = this.view.word(H_FIRST_CODE)
      if (code === 0) return 'repeated'
      return code === CHECK_DUPLICATE ? 'duplicate' : 'out-of-order'
    }
    if (kernel.append(0, 1) === 1) {
      kernel.publish(0, 1)
      return 'appended'
    }
    kernel.rollback(0, 1)
    return 'full'
  }

  /** Counts of the checks since `kernel.clearCounts()`. */
  counts(): CheckCounts {
    return {
      outOfOrder: this.view.word(H_OUT_OF_ORDER),
      duplicates: this.view.word(H_DUPLICATES),
      tooOld: this.view.word(H_TOO_OLD),
      repeated: this.view.word(H_REPEATED),
    }
  }

  /** Out-of-order samples of this turn: how many of their columns are filled. */
  outOfOrderCount(): number {
    return this.view.word(H_OOO_COUNT)
  }

  /** Least and greatest time in out-of-order columns [from, to). */
  outOfOrderRange(from: number, to: number): TimeRange {
    const times = this.view.word(H_OOO_TIMES) / 8
    let mint = Number.POSITIVE_INFINITY
    let maxt = Number.NEGATIVE_INFINITY
    for (let i = from; i < to; i++) {
      mint = Math.min(mint, this.view.f64[times + i]!)
      maxt = Math.max(maxt, this.view.f64[times + i]!)
    }
    return { mint, maxt }
  }

  /** The first rejection since `kernel.clearCounts()`. */
  firstRejection(): Rejection | undefined {
    const code = this.view.word(H_FIRST_CODE)
    if (code !== CHECK_OUT_OF_ORDER && code !== CHECK_DUPLICATE && code !== CHECK_TOO_OLD) {
      return undefined
    }
    return { code, ref: this.view.word(H_FIRST_REF), t: this.view.f64[H_FIRST_TIME / 8]! }
  }

  /** Least and greatest time accepted since `kernel.clearRange()`. */
  acceptedRange(): TimeRange {
    return { mint: this.view.f64[H_MINT / 8]!, maxt: this.view.f64[H_MAXT / 8]! }
  }

  /** Series whose record was added to the log buffer since `kernel.logBegin()`. */
  loggedSeriesCount(): number {
    return this.view.word(H_NEW_COUNT)
  }

  /** The log buffer as a batch: room for its header, the records so far, zeros up to 8. */
  logBatch(): Buffer {
    const at = this.view.word(H_LOG)
    const used = this.view.word(H_LOG_AT)
    const size = (used + 7) & ~7
    this.view.bytes.fill(0, at + used, at + size)
    return this.view.bytes.subarray(at, at + size)
  }

  /** Bytes of records in the log buffer. */
  logBytes(): number {
    return this.view.word(H_LOG_AT) - BATCH_HEADER_BYTES
  }

  /** Where the log buffer ends, for `logCut`. */
  logMark(): number {
    return this.view.word(H_LOG_AT)
  }

  /** Takes back the records since a mark. */
  logCut(mark: number): void {
    this.kernel.logForget()
    this.view.u32[H_LOG_AT >>> 2] = mark
  }

  /**
   * Adds a record to the log buffer: header, count u32, zero u32, then the parts.
   * @returns false, and nothing added, when the buffer is full
   */
  logRecord(kind: number, parts: readonly Uint8Array[]): boolean {
    const { view } = this
    const used = view.word(H_LOG_AT)
    const length = parts.reduce((sum, part) => sum + part.length, 8)
    if (used + RECORD_HEADER_BYTES + length > view.word(H_LOG_BYTES)) return false
    let at = view.word(H_LOG) + used
    for (const word of [kind, length, parts.length, 0]) at = view.bytes.writeUInt32LE(word, at)
    for (const part of parts) {
      view.bytes.set(part, at)
      at += part.length
    }
    view.u32[H_LOG_AT >>> 2] = used + RECORD_HEADER_BYTES + length
    return true
  }

  /** Address and size of the log buffer, which replay reads segments to. */
  logRegion(): { at: number; bytes: Uint8Array } {
    const at = this.view.word(H_LOG)
    return { at, bytes: this.view.bytes.subarray(at, at + this.view.word(H_LOG_BYTES)) }
  }

  findPair(tenant: number, pair: Uint8Array): number {
    if (pair.length > this.view.word(H_DEFINE_BYTES)) return 0
    const at = this.view.word(H_DEFINES)
    this.view.bytes.set(pair, at)
    return this.kernel.lookupPair(tenant, at, pair.length) >>> 0
  }

  /** Refs of the series that match all matchers and have a chunk in [mint, maxt], ascending. */
  select(tenant: string, matchers: readonly Matcher[], mint: number, maxt: number): Uint32Array {
    const index = this.tenants.get(tenant)
    if (index === undefined) return new Uint32Array(0)
    return run(selectSteps(this, index, matchers, { mint, maxt }))
  }

  /** Label names of the series of any selector; of all series when there is no selector. */
  labelNames(
    tenant: string,
    selectors: readonly (readonly Matcher[])[],
    range: TimeRange,
  ): string[] {
    const index = this.tenants.get(tenant)
    return index === undefined ? [] : run(labelNamesSteps(this, index, selectors, range))
  }

  /** Values of a label, likewise. */
  labelValues(
    tenant: string,
    name: string,
    selectors: readonly (readonly Matcher[])[],
    range: TimeRange,
  ): string[] {
    const index = this.tenants.get(tenant)
    return index === undefined ? [] : run(labelValuesSteps(this, index, name, selectors, range))
  }

  /** Label sets of the series of any selector. */
  series(tenant: string, selectors: readonly (readonly Matcher[])[], range: TimeRange): Labels[] {
    const index = this.tenants.get(tenant)
    return index === undefined ? [] : run(seriesSteps(this, index, selectors, range))
  }
}
