/**
 * Histograms and exemplars of the body in hand: decoded, checked, and queued as records for the
 * shard that their series is on. Plain TypeScript: a histogram carries many values, so the cost of
 * one is spread over its buckets.
 */
import * as layout from '../../shared/kernels/assembly/write-request-layout.js'
import type { WriteRequestKernel } from '../../shared/kernels/write-request.js'
import { usesCustomBuckets } from '../../shared/model/histogram.js'
import { compareUtf8, type Label, type Labels } from '../../shared/model/labels.js'
import {
  type AnyHistogram,
  DISCARD_REASONS,
  encodeExemplarRecord,
  encodeHistogramRecord,
  isStart,
  setRecordSeries,
} from '../../shared/wire/frames/index.js'
import type { WriteHistogram } from '../../shared/wire/remote-write/index.js'
import type { Workbench } from './body.js'
import type { BodyCounts } from './counters.js'
import { labelsOfRow } from './offender.js'
import type { Protocol, SentExemplar } from './protocol.js'
import { bucketCount, reduceBuckets } from './reduce-histogram.js'
import type { PushRequest } from './request.js'
import type { TenantSeries } from './series-cache.js'
import { describeOffender, timeRangeOf } from './validate.js'
import { describeFault, findFault, type HistogramFault } from './validate-histogram.js'

/** Mimir's bound: names and values of one exemplar, in characters. */
const EXEMPLAR_CHARACTERS_MAX = 128
const DISABLED = DISCARD_REASONS.indexOf('native_histograms_disabled')
const FUTURE = DISCARD_REASONS.indexOf('too_far_in_future')
const PAST = DISCARD_REASONS.indexOf('too_far_in_past')
/** How much older than the oldest sample of its request an exemplar may be. */
const EXEMPLAR_BEHIND_MAX_MS = 300_000
const TOO_MANY = 'too_many_exemplars_per_series_per_request'
const TOO_LARGE = DISCARD_REASONS.indexOf('max_native_histogram_buckets')

/** A series with extras. */
interface Place {
  readonly id: number
  /** A shard, or ROUTE_REJECTED and a reason. */
  readonly route: number
  readonly column: number
}

/** Takes the extras of one body. */
export class Extras {
  private readonly bench: Workbench
  private readonly request: PushRequest
  private readonly tenant: TenantSeries
  private readonly counts: BodyCounts
  private readonly protocol: Protocol
  private oldest: number | undefined
  private readonly timeMin: number
  private readonly timeMax: number

  constructor(
    bench: Workbench,
    body: { request: PushRequest; tenant: TenantSeries; counts: BodyCounts; protocol: Protocol },
  ) {
    this.bench = bench
    this.request = body.request
    this.tenant = body.tenant
    this.counts = body.counts
    this.protocol = body.protocol
    const { min, max } = timeRangeOf(body.tenant.limits, bench.now())
    this.timeMin = min
    this.timeMax = max
  }

  /** Takes what the walk noted in this chunk, once routes are known; false when one is malformed. */
  take(kernel: WriteRequestKernel): boolean {
    const count = kernel.get(layout.EXTRA_COUNT)
    this.oldest = undefined
    const { words, bytes, routes } = kernel
    const ids = kernel.get(layout.COLUMN_IDS) >>> 2
    for (let i = 0; i < count; i++) {
      const at = (kernel.extras + i * layout.EXTRA_BYTES) >>> 2
      const column = words[at + layout.EXTRA_COLUMN / 4]!
      const id = words[ids + column]!
      const from = words[at + layout.EXTRA_AT / 4]!
      const fields = bytes.subarray(from, words[at + layout.EXTRA_END / 4]!)
      try {
        const kind = words[at + layout.EXTRA_KIND / 4]!
        this.takeSeries(fields, kind, { id, route: bytes[routes + id]!, column })
      } catch {
        return false
      }
    }
    return true
  }

  private takeSeries(fields: Uint8Array, kind: number, place: Place): void {
    const exemplarsMax = this.tenant.limits.max_exemplars_per_series_per_request
    let exemplars = 0
    const reason = place.route >= layout.ROUTE_REJECTED ? place.route & 31 : 0
    this.protocol.eachExtra(fields, kind, {
      histogram: (decode) => {
        if (reason === 0) this.takeHistogram(decode, place)
        else this.discard(reason)
      },
      exemplar: (decode) => {
        if (reason !== 0) return
        exemplars++
        if (exemplarsMax === 0 || exemplars <= exemplarsMax) this.takeExemplar(decode, place)
        else this.bench.counters.discardExemplar(this.tenant.name, TOO_MANY)
      },
    })
  }

  private takeHistogram(decode: () => WriteHistogram, place: Place): void {
    if (!this.tenant.limits.native_histograms_ingestion_enabled) {
      this.discard(DISABLED)
      return
    }
    const { t, startMs, histogram } = decode()
    const labels = (): Labels => this.labelsOf(place)
    if (t > this.timeMax || t < this.timeMin) {
      const reason = t > this.timeMax ? FUTURE : PAST
      this.discard(reason)
      const offender = { reason, labels: labels(), label: NO_LABEL, timeMs: t }
      this.request.ownText ||= describeOffender(offender, this.tenant.limits)
      return
    }
    let fault: HistogramFault | undefined = findFault(histogram)
    const fitting = fault === undefined ? this.fitting(histogram) : undefined
    if (typeof fitting === 'string') fault = fitting
    const record =
      typeof fitting === 'object' ? encodeHistogramRecord(t, fitting, startMs) : undefined
    if (record !== undefined && !this.send(record, place)) fault = 'max_native_histogram_buckets'
    if (fault === undefined) {
      this.counts.histograms++
      this.request.written.histograms++
      return
    }
    const reason = DISCARD_REASONS.indexOf(fault)
    this.discard(reason < 0 ? TOO_LARGE : reason)
    const bucketsMax = this.tenant.limits.max_native_histogram_buckets
    this.request.ownText ||= describeFault(fault, { t, labels: labels(), bucketsMax })
  }

  /** The histogram with no more buckets than the tenant may have, or why that cannot be. */
  private fitting(histogram: AnyHistogram): AnyHistogram | HistogramFault {
    const { limits } = this.tenant
    const bucketsMax = limits.max_native_histogram_buckets
    if (bucketsMax === 0 || bucketCount(histogram) <= bucketsMax) return histogram
    if (!limits.reduce_native_histogram_over_max_buckets) return 'max_native_histogram_buckets'
    const reduced = reduceBuckets(histogram, bucketsMax)
    if (reduced !== undefined) return reduced
    return usesCustomBuckets(histogram)
      ? 'native_histogram_custom_buckets_not_reducible'
      : 'not_reducible_native_histogram'
  }

  private labelsOf(place: Place): Labels {
    const { kernel } = this.bench
    this.protocol.describe(kernel.rowOfSample(place.column))
    return labelsOfRow(kernel, place.column)
  }

  private discard(reason: number): void {
    const { discarded } = this.counts
    discarded[reason] = discarded[reason]! + 1
  }

  /** Exemplars count as written also when none are kept, as in Mimir. */
  private takeExemplar(decode: () => SentExemplar, place: Place): void {
    const { counters } = this.bench
    this.request.written.exemplars++
    if (this.tenant.limits.max_global_exemplars_per_user === 0) return
    const { t, value, labels: found } = decode()
    const kept = found
      .filter((label) => label.value !== '')
      .sort((a, b) => compareUtf8(a.name, b.name))
    const fault = findExemplarFault(found, kept, t)
    const isOld = t < this.oldestSample() - EXEMPLAR_BEHIND_MAX_MS
    if (fault === undefined && t <= this.timeMax && !isOld) {
      this.send(encodeExemplarRecord(t, value, encodeExemplarLabels(kept)), place)
      return
    }
    this.request.written.exemplars--
    const timeReason = isOld ? 'exemplar_too_old' : 'exemplar_too_far_in_future'
    const reason = fault?.reason ?? timeReason
    counters.discardExemplar(this.tenant.name, reason)
    if (fault !== undefined && fault.text !== '') this.request.ownText ||= fault.text
  }

  /** Time of the chunk's oldest sample, ms; Infinity where there is none. Looked up once a chunk. */
  private oldestSample(): number {
    if (this.oldest !== undefined) return this.oldest
    const { kernel } = this.bench
    const count = kernel.get(layout.SAMPLE_COUNT)
    const at = kernel.get(layout.COLUMN_TIMES)
    const times = new Float64Array(kernel.bytes.buffer, at, count)
    this.oldest = times.reduce(
      (oldest, time) => (isStart(time) ? oldest : Math.min(oldest, time)),
      Number.POSITIVE_INFINITY,
    )
    // Nothing is older than nothing.
    if (this.oldest === Number.POSITIVE_INFINITY) this.oldest = Number.NEGATIVE_INFINITY
    return this.oldest
  }

  private send(record: Uint8Array, place: Place): boolean {
    setRecordSeries(record, place.id)
    return this.bench.sets[place.route]!.addRecord(record)
  }
}

const NO_LABEL: Label = { name: '', value: '' }

/** Why an exemplar is dropped, and what the sender is told; no text: nothing. */
function findExemplarFault(
  sent: Labels,
  kept: Labels,
  t: number,
): { reason: string; text: string } | undefined {
  const told = `timestamp: ${t}`
  if (sent.length === 0) {
    const text = `received an exemplar with no valid labels, ${told} (err-mimir-exemplar-labels-missing)`
    return { reason: 'exemplar_labels_missing', text }
  }
  if (t === 0) {
    const text = `received an exemplar with no timestamp, ${told} (err-mimir-exemplar-timestamp-invalid)`
    return { reason: 'exemplar_timestamp_invalid', text }
  }
  if (kept.length === 0) return { reason: 'exemplar_labels_blank', text: '' }
  const characters = sent.reduce((sum, { name, value }) => sum + [...name, ...value].length, 0)
  if (characters <= EXEMPLAR_CHARACTERS_MAX) return undefined
  const text = `received an exemplar where the size of its combined labels exceeds the limit of ${EXEMPLAR_CHARACTERS_MAX} characters, ${told} (err-mimir-exemplar-labels-too-long)`
  return { reason: 'exemplar_labels_too_long', text }
}

/** Label bytes as in a define: uvarint length, name, uvarint length, value. */
function encodeExemplarLabels(labels: Labels): Uint8Array {
  const parts = labels.flatMap(({ name, value }) => [Buffer.from(name), Buffer.from(value)])
  const bytes: number[] = []
  for (const part of parts) {
    let length = part.length
    while (length > 127) {
      bytes.push((length & 127) | 128)
      length >>>= 7
    }
    bytes.push(length, ...part)
  }
  return Uint8Array.from(bytes)
}
