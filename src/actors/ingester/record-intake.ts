/**
 * Histograms and exemplars of a turn: checked as they come, logged with its batch, and put into the
 * head when that is written. Rare beside floats, so these are objects.
 */
import type { Env } from '../../shared/env/index.js'
import {
  CHECK_DUPLICATE,
  CHECK_OUT_OF_ORDER,
  CHECK_TOO_OLD,
} from '../../shared/kernels/head-layout.js'
import { isStale } from '../../shared/model/stale.js'
import {
  type Head,
  type HistogramOutcome,
  isSameHistogram,
  RECORD_EXEMPLARS,
  RECORD_HISTOGRAMS,
  type StoredExemplar,
} from '../../shared/tsdb/index.js'
import {
  ACK_HISTOGRAMS,
  ACK_REJECTED,
  ACK_RETRY,
  type AnyHistogram,
  DISCARD_REASONS,
  eachRecord,
  encodeExemplarRecord,
  encodeHistogramRecord,
  findHistogram,
  isFloatHistogram,
  RECORD_EXEMPLAR,
  type RecordsFrame,
  type RecordView,
  setRecordSeries,
} from '../../shared/wire/frames/index.js'
import {
  type BodyAck,
  type DistributorLink,
  REF_FULL,
  REF_UNBOUND,
  REFS_END,
  reject,
  worsen,
} from './links.js'
import { notMade, printRejection } from './rejection-text.js'
import type { SeriesLimits } from './series-limits.js'
import { oldestStart, type TenantState, type Tenants } from './tenants.js'

const OUT_OF_ORDER = DISCARD_REASONS.indexOf('sample_out_of_order')
const DUPLICATE = DISCARD_REASONS.indexOf('sample_duplicate_timestamp')
const TOO_OLD = DISCARD_REASONS.indexOf('sample_timestamp_too_old')
const MEMORY_LIMIT = DISCARD_REASONS.indexOf('memory_limit')

/** Reason and code of a check that failed. */
const FAILURES: Record<
  Exclude<HistogramOutcome, 'accepted' | 'late' | 'repeated'>,
  readonly [number, number]
> = {
  duplicate: [DUPLICATE, CHECK_DUPLICATE],
  'out-of-order': [OUT_OF_ORDER, CHECK_OUT_OF_ORDER],
  'too-old': [TOO_OLD, CHECK_TOO_OLD],
}

const EXEMPLAR_ALONE =
  'an exemplar of a series that is not stored (err-mimir-exemplar-series-missing)'

interface PendingHistogram {
  readonly tenant: TenantState
  readonly ack: BodyAck
  readonly ref: number
  readonly t: number
  readonly histogram: AnyHistogram
  readonly isLate: boolean
}

interface PendingExemplar {
  readonly tenant: TenantState
  readonly exemplar: StoredExemplar
}

/** What the intake works with. */
export interface IntakeParts {
  readonly env: Env
  readonly shard: number
  readonly head: Head
  readonly tenants: Tenants
  readonly series: SeriesLimits
}

/** A RECORDS frame and what it belongs to. */
export interface TakenRecords {
  readonly link: DistributorLink
  readonly frame: RecordsFrame
  readonly tenant: TenantState
  readonly ack: BodyAck
}

/** What became of a frame. */
export type IntakeResult = 'taken' | 'malformed' | 'unbound' | 'full'

/** Takes the records of a turn. */
export class RecordIntake {
  private readonly parts: IntakeParts
  private histograms: PendingHistogram[] = []
  private exemplars: PendingExemplar[] = []
  /** The newest of each series in this turn: the head has them only once they are written. */
  private readonly newest = new Map<number, PendingHistogram>()
  mint = Number.POSITIVE_INFINITY
  maxt = Number.NEGATIVE_INFINITY

  constructor(parts: IntakeParts) {
    this.parts = parts
  }

  /** Histograms and exemplars that wait for the log. */
  size(): number {
    return this.histograms.length + this.exemplars.length
  }

  /** Samples among them. */
  sampleCount(): number {
    return this.histograms.length
  }

  /** Forgets what an earlier turn had. */
  clear(): void {
    this.histograms = []
    this.exemplars = []
    this.newest.clear()
    this.mint = Number.POSITIVE_INFINITY
    this.maxt = Number.NEGATIVE_INFINITY
  }

  /** Takes a frame: what is accepted stands in the log buffer; `from` is the first free column. */
  take(taken: TakenRecords, from: number): IntakeResult {
    const { frame, link } = taken
    const views: RecordView[] = []
    if (!eachRecord(frame.records, frame.recordCount, (view) => views.push(view))) {
      return 'malformed'
    }
    const refOf = (id: number): number => link.refs[id] ?? REF_UNBOUND
    if (views.some(({ series }) => refOf(series) === REF_UNBOUND)) return 'unbound'
    const histograms: PendingHistogram[] = []
    const exemplars: PendingExemplar[] = []
    for (const view of views) {
      const ref = refOf(view.series)
      if (view.kind === RECORD_EXEMPLAR) {
        const { tenant } = taken
        if (ref >= REFS_END) {
          this.discardExemplar(taken)
          continue
        }
        const exemplar = exemplarOf(ref, view)
        const isNew = this.parts.head.exemplars.isNew(tenant.index, exemplar)
        if (isNew) exemplars.push({ tenant, exemplar })
        continue
      }
      histograms.push(...this.checkHistogram(taken, ref, view))
    }
    if (histograms.length + exemplars.length === 0) return 'taken'
    if (!this.log(taken.tenant, from, histograms, exemplars)) {
      this.takeBack(histograms, from)
      return 'full'
    }
    this.histograms.push(...histograms)
    this.exemplars.push(...exemplars)
    return 'taken'
  }

  private checkHistogram(taken: TakenRecords, ref: number, view: RecordView): PendingHistogram[] {
    const { head, tenants, shard, series } = this.parts
    const { tenant, ack } = taken
    if (ref >= REFS_END) {
      const { reason, text, isRetried } = notMade(ref, tenant.limits, series.instanceMax())
      this.discard(taken, reason)
      const told = `ingester-${shard} user=${tenant.name}: ${text}`
      if (isRetried) worsen(ack, ACK_RETRY, told)
      else if (ref === REF_FULL) worsen(ack, ACK_RETRY, `ingester-${shard} has no memory left`)
      else if (text !== '') ack.text ||= told
      return []
    }
    const found = findHistogram(view.kind, view.payload)
    if (found === undefined) return []
    const { histogram } = found
    const pending = this.checkStart(taken, ref, view.t, found)
    const before = this.newest.get(ref)
    if (before?.t === view.t && isSameHistogram(before.histogram, histogram)) return pending
    const outcome = head.histograms.check(ref, view.t, histogram, {
      inOrder: tenants.oldestOf(tenant),
      outOfOrder: tenants.oldestOutOfOrder(tenant, view.t),
      behind: tenants.oldestBehind(tenant),
    })
    if (outcome === 'repeated') return pending
    if (outcome !== 'accepted' && outcome !== 'late') {
      const [reason, code] = FAILURES[outcome]
      this.discard(taken, reason)
      const labels = head.view.labels(ref)
      ack.text ||= printRejection(shard, tenant.name, { code, t: view.t, labels })
      return pending
    }
    this.mint = Math.min(this.mint, view.t)
    this.maxt = Math.max(this.maxt, view.t)
    const last = { tenant, ack, ref, t: view.t, histogram, isLate: outcome === 'late' }
    if (outcome === 'accepted') this.newest.set(ref, last)
    pending.push(last)
    return pending
  }

  /** A histogram of nothing where counting began, when that is newer than all that the series has. */
  private checkStart(
    { tenant, ack }: TakenRecords,
    ref: number,
    t: number,
    { histogram, startMs }: { histogram: AnyHistogram; startMs: number },
  ): PendingHistogram[] {
    const inOrder = Math.max(this.parts.tenants.oldestOf(tenant), oldestStart(t))
    if (!(startMs > 0 && startMs < t && startMs >= inOrder)) return []
    if (histogram.counterResetHint === 'gauge' || isStale(histogram.sum)) return []
    const { histograms } = this.parts.head
    const zero = zeroLike(histogram)
    const never = Number.POSITIVE_INFINITY
    const oldest = { inOrder, outOfOrder: never, behind: never }
    if (histograms.check(ref, startMs, zero, oldest) !== 'accepted') return []
    this.mint = Math.min(this.mint, startMs)
    return [{ tenant, ack, ref, t: startMs, histogram: zero, isLate: false }]
  }

  /** Its series could not be made; where samples of that were refused their reason is told. */
  private discardExemplar({ ack, tenant }: TakenRecords): void {
    const told = `ingester-${this.parts.shard}: user=${tenant.name}: ${EXEMPLAR_ALONE}`
    worsen(ack, ACK_REJECTED, told)
    const { metrics } = this.parts.env
    metrics.cell('cortex_discarded_exemplars_total', 'exemplar_series_missing', tenant.name).add(1)
  }

  private discard({ ack, tenant }: TakenRecords, reason: number): void {
    reject(ack, reason, 1)
    ack.counts![ACK_HISTOGRAMS]! += 1
    this.parts.tenants.discard(tenant, reason, 1)
  }

  private log(
    tenant: TenantState,
    from: number,
    histograms: readonly PendingHistogram[],
    exemplars: readonly PendingExemplar[],
  ): boolean {
    const { head } = this.parts
    const refs = [...histograms.map(({ ref }) => ref), ...exemplars.map((e) => e.exemplar.ref)]
    if (refs.length > head.capacity - from) return false
    head.refs.set(refs, from)
    const mark = head.logMark()
    if (head.kernel.logSeries(tenant.index, from, refs.length) === 0) return false
    const numbered = (record: Uint8Array, ref: number): Uint8Array => {
      setRecordSeries(record, head.kernel.logRef(ref) >>> 0)
      return record
    }
    const samples = histograms.map(({ ref, t, histogram }) =>
      numbered(encodeHistogramRecord(t, histogram, 0), ref),
    )
    const others = exemplars.map(({ exemplar: { ref, t, value, labels } }) =>
      numbered(encodeExemplarRecord(t, value, labels), ref),
    )
    const isLogged =
      (samples.length === 0 || head.logRecord(RECORD_HISTOGRAMS, samples)) &&
      (others.length === 0 || head.logRecord(RECORD_EXEMPLARS, others))
    // The series' records may stay: they are good without samples.
    if (!isLogged) head.logCut(mark)
    return isLogged
  }

  /** The batch was written: puts everything into the head. */
  commit(): void {
    const { head, tenants, shard } = this.parts
    for (const pending of this.histograms) {
      const { tenant, ack } = pending
      if (this.store(pending)) continue
      // In the log but not in memory: the sender sends it again, and a replay brings it anyway.
      reject(ack, MEMORY_LIMIT, 1)
      tenants.discard(tenant, MEMORY_LIMIT, 1)
      worsen(ack, ACK_RETRY, `ingester-${shard} has no memory left`)
    }
    for (const { tenant, exemplar } of this.exemplars) head.exemplars.add(tenant.index, exemplar)
  }

  /** False without memory. */
  private store({ tenant, ref, t, histogram, isLate }: PendingHistogram): boolean {
    const { histograms } = this.parts.head
    tenant.hasHistograms = true
    if (isLate) {
      const result = histograms.appendLate(ref, t, histogram)
      if (result === 'stored') {
        tenant.hasLate = true
        tenant.outOfOrder.add(1)
        tenant.ingested.add(1)
      }
      return result !== 'full'
    }
    if (!histograms.append(ref, t, histogram)) return false
    this.parts.tenants.noteTimes(tenant, t, t)
    tenant.ingested.add(1)
    return true
  }

  /** The batch could not be written: everything is as before. */
  rollback(): void {
    this.takeBack(this.histograms, 0)
  }

  private takeBack(histograms: readonly PendingHistogram[], from: number): void {
    const { head } = this.parts
    for (const [i, last] of histograms.entries()) {
      head.refs[from + i] = last.ref
      if (this.newest.get(last.ref) === last) this.newest.delete(last.ref)
    }
    head.kernel.rollback(from, histograms.length)
  }
}

/** What a series begins with that counts as another does: laid out alike, so that one chunk has both. */
function zeroLike(histogram: AnyHistogram): AnyHistogram {
  const spans = new Int32Array()
  const none = new Float64Array()
  const rest = { counterResetHint: 'reset', zeroCount: 0, count: 0, sum: 0 } as const
  if (isFloatHistogram(histogram)) {
    const empty = { spans, counts: none }
    return { ...histogram, ...rest, positive: empty, negative: empty }
  }
  const empty = { spans, deltas: none }
  return { ...histogram, ...rest, positive: empty, negative: empty }
}

function exemplarOf(ref: number, view: RecordView): StoredExemplar {
  const bytes = new Uint8Array(view.payload)
  const value = new DataView(bytes.buffer).getFloat64(0, true)
  return { ref, t: view.t, value, labels: bytes.subarray(8) }
}
