/**
 * The body in hand: decompress, walk it chunk by chunk, define new series, send each chunk's frames.
 * Hot, per body: no object per sample or known series (bench/actors/distributor). Stops where a ring
 * is full and goes on from there, so that the loop may read acks meanwhile.
 *
 * A chunk is what fits one frame per shard. Nothing leaves before the whole body is known to be well
 * framed: a body of one chunk was walked to its end, one of several is checked ahead.
 */
import { copyBytes } from '../../shared/base/copy-bytes.js'
import type { Hashring } from '../../shared/hashring/index.js'
import * as layout from '../../shared/kernels/assembly/write-request-layout.js'
import { NO_OFFENDER, type WriteRequestKernel } from '../../shared/kernels/write-request.js'
import {
  ingestionBucket,
  type Limits,
  type TenantCells,
  type TenantLimits,
  type TenantRow,
} from '../../shared/limits/index.js'
import type { Gunzip } from '../../shared/wire/compression/index.js'
import {
  BODY_FORMAT,
  BODY_OTLP,
  BODY_OTLP_JSON,
  BODY_V2,
  DISCARD_REASONS,
  isStart,
} from '../../shared/wire/frames/index.js'
import type { DistributorConfig } from './contract.js'
import type { BodyCounts, Counters } from './counters.js'
import { Extras } from './extras.js'
import type { HaTracker, Sender } from './ha-tracker.js'
import { MetadataSender, metadataEpoch } from './metadata.js'
import { readOffender } from './offender.js'
import { Otlp } from './otlp.js'
import { otlpSettingsOf } from './otlp-settings.js'
import { MALFORMED, type Protocol, RemoteWriteV1, RemoteWriteV2 } from './protocol.js'
import { awaitAcks, type PushRequest } from './request.js'
import type { Replica, ReplicaSet } from './route.js'
import type { SenderReader } from './sender-reader.js'
import type { SeriesCache, TenantSeries } from './series-cache.js'
import { unpackBody } from './unpack.js'
import {
  describeBadLines,
  describeOffender,
  describeRate,
  describeTooLarge,
  timeRangeOf,
} from './validate.js'
import { ApartWindows, PieceWindows, type Windows } from './windows.js'

/** What unpacks to more than this runs in a kernel of its own: memory once touched stays. */
export const BODY_BYTES_USUAL = 8 << 20

/** First series of bodies whose senders are kept, by tenant. */
const SENDERS_MAX = 8_192

const OTLP_ERROR = DISCARD_REASONS.indexOf('otlp_parse_error')
const TEXT_ERROR = DISCARD_REASONS.indexOf('text_parse_error')
const TOO_MANY_CLUSTERS = DISCARD_REASONS.indexOf('too_many_ha_clusters')
const RATE_LIMITED = DISCARD_REASONS.indexOf('rate_limited')

/** What bodies are worked on with; one per distributor. */
export interface Workbench {
  readonly kernel: WriteRequestKernel
  readonly cache: SeriesCache
  /** By part of the hash ring. */
  readonly sets: readonly ReplicaSet[]
  /** By number of the shard: those of all sets. */
  readonly replicas: readonly Replica[]
  readonly ring: Hashring
  readonly config: DistributorConfig
  readonly limits: Limits
  /** What distributors and ingesters share about tenants. */
  readonly cells: TenantCells
  readonly counters: Counters
  readonly ha: HaTracker
  /** Of `ha`. */
  readonly senders: SenderReader
  readonly gunzip: Gunzip
  /** Of the body in hand: [sets], 1 where frames of it went out and the last one did not. */
  readonly partial: Uint8Array
  /** The last request that the tracker looked at was one of a pair: most likely the next is, too. */
  lastPaired: boolean
  /** Wall clock, ms. */
  now(): number
}

/** One body on its way from the ring to the shards. */
export class BodyInHand {
  readonly request: PushRequest
  private readonly bench: Workbench
  private readonly tenant: TenantSeries
  /** The tenant's series that the walk looks up: those of pairs or the others. */
  private series: TenantSeries
  private isPairKnown: boolean
  private windowLength = 0
  /** Where it stands in the kernel. */
  private at: number
  private readonly limits: TenantLimits
  private readonly counts: BodyCounts
  private readonly metadata: MetadataSender
  /** The bench's, which one body has at a time. */
  private readonly partial: Uint8Array
  private windows: Windows | undefined
  /** A chunk stands in the open frames. */
  private isFlushing = false
  private isLast = false
  private isVerified = false
  private isRefused = false
  /** The rate limit has been looked at. */
  private isAdmitted = false
  private mustEvict = false
  /** The chunk at hand holds increments. */
  private isDelta = false
  private readonly flags: number
  private readonly protocol: Protocol
  /** Made for the first chunk that has any. */
  private extras: Extras | undefined

  constructor(bench: Workbench, request: PushRequest, tenantName: string, flags = 0) {
    this.flags = flags
    this.bench = bench
    this.at = bench.kernel.body
    this.request = request
    this.limits = bench.limits.of(tenantName)
    this.tenant = bench.cache.open(tenantName, this.limits)
    this.isPairKnown = !bench.ha.looksAt(this.limits)
    const isPaired = !this.isPairKnown && bench.lastPaired
    this.series = isPaired ? bench.cache.open(tenantName, this.limits, true) : this.tenant
    const { max_global_series_per_user: userMax, max_global_series_per_metric: metricMax } =
      this.limits
    if (userMax > 0 || metricMax > 0) {
      const retries = bench.cells.retries(this.cells())
      bench.cache.defineAnew(this.tenant, retries)
      if (isPaired) bench.cache.defineAnew(this.series, retries)
    }
    this.protocol = protocolOf(bench.kernel, flags & BODY_FORMAT, this.limits, this.isPairKnown)
    this.partial = bench.partial
    this.partial.fill(0)
    this.metadata = new MetadataSender(bench, request, this.tenant, this.protocol)
    this.counts = {
      samples: 0,
      discarded: bench.counters.discarded,
      exemplars: 0,
      histograms: 0,
      duplicates: 0,
      metadata: 0,
      newSeries: 0,
      compressedBytes: 0,
      bytes: 0,
    }
    bench.counters.discarded.fill(0)
    for (const set of bench.sets) set.begin()
  }

  private takeExtras(kernel: WriteRequestKernel): boolean {
    if (kernel.get(layout.EXTRA_COUNT) === 0) return true
    const { bench, request, tenant, counts, protocol } = this
    this.extras ??= new Extras(bench, { request, tenant, counts, protocol })
    return this.extras.take(kernel)
  }

  /** Decompresses. `source` is not needed after this call. */
  open(source: Uint8Array): void {
    this.counts.compressedBytes = source.length
    if ((this.flags & BODY_FORMAT) <= BODY_V2) this.openSnappy(source)
    else this.openOther(source)
  }

  /**
   * Takes a remote write body that was decompressed already.
   *
   * @param at where in the kernel; it stays there until the body is done
   * @param compressedBytes that it had
   */
  openUnpacked(at: number, length: number, compressedBytes: number): void {
    this.counts.compressedBytes = compressedBytes
    this.at = at
    this.begin(length)
  }

  /** Unpacks what is not remote write, and rewrites it as one of the kernel's protocols. */
  private openOther(source: Uint8Array): void {
    const { kernel, config, gunzip } = this.bench
    const room = kernel.bytes.subarray(kernel.body, kernel.body + kernel.sizes.bodyBytesMax)
    const tools = { config, gunzip, room, now: this.bench.now() }
    const unpacked = unpackBody(source, this.flags, tools)
    if ('text' in unpacked) {
      this.refuse(unpacked.text, unpacked.status)
      return
    }
    const { protocol } = this
    // What was rewritten here is well framed; an OTLP body is one piece, and walked as a whole.
    this.isVerified = !(protocol instanceof Otlp)
    this.windows = new PieceWindows(kernel, unpacked.pieces, unpacked.items)
    this.beginWindows(unpacked.pieces.reduce((sum, piece) => sum + piece.length, 0))
    if (this.isRefused) return
    const { badLines = 0, badText = '' } = unpacked
    if (badLines > 0) {
      this.request.refusedText = describeBadLines(badText, badLines)
      this.counts.discarded[TEXT_ERROR] = badLines
    } else if (protocol instanceof Otlp && protocol.refusedCount() > 0) {
      this.request.refusedText = protocol.refusedText()
      this.counts.discarded[OTLP_ERROR] = protocol.refusedCount()
    }
  }

  private openSnappy(source: Uint8Array): void {
    const { kernel, config } = this.bench
    const isHere = source.length <= kernel.sizes.sourceBytesMax
    copyBytes(kernel.bytes, kernel.source, isHere ? source : source.subarray(0, 16))
    const claimed = kernel.exports.snappyLength(kernel.source, Math.min(source.length, 16))
    if (claimed < 0) {
      this.refuse('snappy: corrupt input')
      return
    }
    if (claimed > config.maxRecvMsgSize) {
      this.refuse(describeTooLarge(claimed, config.maxRecvMsgSize))
      return
    }
    if (!isHere || claimed > BODY_BYTES_USUAL) {
      if (this.protocol instanceof RemoteWriteV2) this.openWhole(source, claimed)
      else this.openApart(source, claimed)
      return
    }
    const { source: from, body } = kernel
    const length = kernel.exports.snappyDecompress(from, source.length, body, BODY_BYTES_USUAL)
    if (length < 0) {
      this.refuse('snappy: corrupt input')
      return
    }
    this.begin(length)
  }

  /** Works on: true when nothing is left to do, false when a ring is full. */
  advance(): boolean {
    while (true) {
      if (this.isFlushing) {
        if (!this.flush()) return false
        if (this.isLast) break
        this.isFlushing = false
        if (this.mustEvict) this.bench.cache.evict(this.series)
        this.mustEvict = false
      }
      this.runChunk()
      this.isFlushing = true
    }
    this.request.isSent = true
    if (!this.isRefused) this.count()
    return true
  }

  /** Sends no more of the body, but for the end of what shards have begun to receive. */
  giveUp(): void {
    for (const set of this.bench.sets) set.discard()
    this.metadata.discard()
    this.isFlushing = true
    this.isLast = true
  }

  /** A large remote write 2.0 body: its symbols are needed all the time, so it is not cut. */
  private openWhole(source: Uint8Array, claimed: number): void {
    const { kernel } = this.bench
    const apart = kernel.decompressApart(source, claimed, false)
    if (apart === undefined) {
      this.refuse('snappy: corrupt input')
      return
    }
    kernel.bytes.set(apart.bytes.subarray(apart.at, apart.end), kernel.body)
    this.begin(apart.end - apart.at)
  }

  private openApart(source: Uint8Array, claimed: number): void {
    const apart = this.bench.kernel.decompressApart(source, claimed)
    if (apart === undefined) {
      this.refuse('snappy: corrupt input')
      return
    }
    if (!apart.isSound) {
      this.refuseMalformed()
      return
    }
    this.windows = new ApartWindows(this.bench.kernel, apart, BODY_BYTES_USUAL)
    this.isVerified = true
    this.beginWindows(apart.end - apart.at)
  }

  private beginWindows(bytes: number): void {
    this.begin(this.windows!.next())
    this.counts.bytes = bytes
  }

  private begin(length: number): void {
    const { kernel, cache } = this.bench
    const { limits } = this
    kernel.beginBody(length, this.at)
    kernel.setLimits(limits)
    kernel.set(layout.TENANT, this.series.record)
    kernel.setGrowing(this.labelsMayGrow())
    kernel.set(layout.TENANT_HASH, this.tenant.hash)
    kernel.setMembers(this.tenant.members)
    const { min, max } = timeRangeOf(limits, this.bench.now())
    kernel.setTimeRange(min, max)
    cache.tick(this.series)
    this.counts.bytes = length
    this.windowLength = length
    kernel.set(layout.METADATA_EPOCH, metadataEpoch(this.bench.now()))
    const why = this.protocol.begin()
    if (why !== '') this.refuse(why)
  }

  /** Whether label sets may take more bytes than the walk counts: others count less than as fields. */
  private labelsMayGrow(): boolean {
    const { rewriter } = this.series
    if (rewriter === undefined) return false
    return rewriter.mayGrow() || !(this.protocol instanceof RemoteWriteV1)
  }

  private runChunk(): void {
    const { kernel } = this.bench
    kernel.beginChunk()
    const code = this.walk()
    if (code === layout.WALK_MALFORMED) {
      this.refuseMalformed()
      return
    }
    if (code !== layout.WALK_DONE && !this.isVerified) {
      if (!this.protocol.verify()) {
        this.refuseMalformed()
        return
      }
      this.isVerified = true
    }
    if (!this.isPairKnown && !this.checkPair()) return
    this.isDelta = this.protocol instanceof Otlp && this.protocol.isDelta()
    kernel.exports.attend(kernel.context)
    if (!this.attend()) return
    const defined = kernel.exports.defineRows(kernel.context)
    if (defined < 0 || !this.metadata.take(kernel) || !this.takeExtras(kernel)) {
      this.refuseMalformed()
      return
    }
    this.counts.newSeries += defined
    kernel.exports.scatter(kernel.context)
    this.noteOffender()
    let samples = -kernel.get(layout.STARTS)
    for (const set of this.bench.sets) samples += set.sampleCount()
    this.counts.samples += samples
    this.request.written.samples += samples
    const hasMore = this.windows?.hasMore() === true
    this.isLast = code === layout.WALK_DONE && !hasMore
    if (!this.isAdmitted) this.takeTokens()
    if (code === layout.WALK_DONE && hasMore && !this.isRefused) {
      kernel.continueBody(this.windows!.next())
    }
  }

  /**
   * Asks the HA tracker about the sender, once the first series is known; false when this chunk is
   * over: the body was refused, or walked again among the other series of the tenant.
   */
  private checkPair(): boolean {
    this.isPairKnown = true
    const { bench, tenant, limits } = this
    const { kernel } = bench
    if (kernel.get(layout.ROW_COUNT) === 0) return true
    const times = new Float64Array(kernel.bytes.buffer, kernel.get(layout.COLUMN_TIMES), 2)
    // A start comes with its sample.
    const timeMs = times[isStart(times[0]!) ? 1 : 0]!
    const sender = this.firstSender()
    if (sender === undefined) {
      this.refuseMalformed()
      return false
    }
    const first = { sender, timeMs }
    const decision = bench.ha.decide(tenant.name, limits, first, bench.now())
    if (decision.kind === 'other') {
      bench.counters.deduped(tenant.name, decision.cluster, this.countSamples())
      this.refuse(decision.text, 202)
      return false
    }
    if (decision.kind === 'too-many') {
      this.refuseAll(400, decision.text, TOO_MANY_CLUSTERS, this.countSamples())
      return false
    }
    const isPaired = decision.kind === 'believed'
    bench.lastPaired = isPaired
    const sampleCount = kernel.get(layout.SAMPLE_COUNT) - kernel.get(layout.STARTS)
    if (!isPaired) bench.counters.notPaired(tenant.name, sampleCount)
    if (isPaired === this.series.isPaired) return true
    const { bytes } = this.counts
    this.series = bench.cache.open(tenant.name, limits, isPaired)
    this.begin(this.windowLength)
    this.counts.bytes = bytes
    if (!this.isRefused) this.runChunk()
    return false
  }

  /** Who sent the first series, of which nobody has read the labels yet; undefined: they are malformed. */
  private firstSender(): Sender | undefined {
    try {
      if (this.protocol instanceof Otlp) return this.firstOtlpSender(this.protocol)
      return this.bench.senders.read(this.limits)
    } catch {
      return undefined
    }
  }

  /** Of a known series the labels need not be put down again. */
  private firstOtlpSender(protocol: Otlp): Sender {
    const { kernel } = this.bench
    const { senders } = this.series
    const id = kernel.words[kernel.get(layout.COLUMN_IDS) >>> 2]!
    const known = senders.get(id)
    if (known !== undefined) return known
    protocol.describe(0)
    const sender = this.bench.senders.read(this.limits)
    if (senders.size >= SENDERS_MAX) senders.clear()
    // Label sets that are too long for an id share 0.
    if (id !== 0) senders.set(id, sender)
    return sender
  }

  /** Has labels made of what is to be defined; false when the body had to be refused. */
  private attend(): boolean {
    try {
      this.protocol.attend()
      this.series.rewriter?.apply(this.bench.kernel)
      return true
    } catch {
      this.refuseMalformed()
      return false
    }
  }

  /** Takes the request's items from the tenant's rate, before anything of it leaves; refuses it otherwise. */
  private takeTokens(): void {
    this.isAdmitted = true
    const bucket = ingestionBucket(this.limits)
    if (bucket === undefined) return
    const { bench, counts, request } = this
    const { written } = request
    const kept = counts.samples + counts.histograms + written.exemplars + this.metadata.count
    const items = this.isLast ? kept : this.countAll()
    if (bench.cells.tryTake(this.cells(), items, bucket, bench.now())) return
    const samples = this.isLast ? counts.samples + counts.histograms : this.countSamples()
    this.refuseAll(429, describeRate(items, bucket), RATE_LIMITED, samples)
  }

  /** The tenant's row of the cells that threads share. */
  private cells(): TenantRow {
    const { bench, tenant } = this
    tenant.cells ??= bench.cells.rowOf(tenant.name)
    return tenant.cells
  }

  /** Samples, exemplars and metadata of the whole body, whatever they are. */
  private countAll(): number {
    const format = this.protocol.itemFormat
    const known = this.windows?.countItems(format)
    if (known !== undefined) return known
    const { kernel } = this.bench
    const { context, bodyAt } = kernel
    kernel.exports.countItems(context, bodyAt, bodyAt + this.counts.bytes, format)
    return kernel.get(layout.ITEM_SAMPLES) + kernel.get(layout.ITEM_OTHERS)
  }

  /** The samples among them; of a body in pieces all of them, where others are few. */
  private countSamples(): number {
    const items = this.countAll()
    return this.windows === undefined ? this.bench.kernel.get(layout.ITEM_SAMPLES) : items
  }

  /** The whole body is refused for a reason that is none of its samples'. */
  private refuseAll(status: number, text: string, reason: number, samples: number): void {
    const { bench, request, tenant } = this
    request.written.samples = 0
    request.written.histograms = 0
    request.written.exemplars = 0
    this.refuse(text, status)
    bench.counters.refused(tenant.name, reason, samples)
  }

  private walk(): number {
    const { cache } = this.bench
    let code = this.protocol.walk()
    while (code === layout.WALK_ROOM) {
      if (!cache.makeRoom(this.series)) {
        this.mustEvict = true
        break
      }
      code = this.protocol.walk()
    }
    return code
  }

  /** Words the first refusal of the request. */
  private noteOffender(): void {
    const { kernel } = this.bench
    const index = kernel.get(layout.OFFENDER)
    if (index === NO_OFFENDER || this.request.ownText !== '') return
    this.protocol.describe(kernel.rowOfSample(index))
    this.request.ownText = describeOffender(readOffender(kernel, index), this.limits)
  }

  /** Sends the open frames; false when a ring is full. */
  private flush(): boolean {
    if (!this.metadata.flush(this.partial)) return false
    for (const set of this.bench.sets) {
      set.isDelta = this.isDelta
      const isPartial = this.partial[set.index] === 1
      if (!set.hasOpenFrame() && !(this.isLast && isPartial)) continue
      const { request } = this
      const result = set.commit(request.id, this.tenant.nameBytes, this.isLast)
      if (result === 'full') {
        if (set.hasSentPart) this.partial[set.index] = 1
        return false
      }
      if (result === 'down') {
        set.discard()
        this.partial[set.index] = 0
        request.retryText ||= set.downText()
        continue
      }
      this.partial[set.index] = this.isLast ? 0 : 1
      if (this.isLast) awaitAcks(request, set)
    }
    return true
  }

  private refuseMalformed(): void {
    this.refuse(MALFORMED)
  }

  /** Nothing of the body was sent, nothing will be. */
  private refuse(text: string, status = 400): void {
    this.request.refusedText = text
    this.request.refusedStatus = status
    this.isRefused = true
    this.giveUp()
  }

  private count(): void {
    const { kernel, counters } = this.bench
    const { counts } = this
    const from = (kernel.context + layout.COUNTS) >>> 2
    for (let reason = 0; reason < layout.REASONS_MAX; reason++) {
      const count = kernel.words[from + reason]!
      if (count > 0) counts.discarded[reason] = counts.discarded[reason]! + count
    }
    for (const count of counts.discarded) this.request.rejected += count
    counts.exemplars = kernel.get(layout.EXEMPLARS)
    counts.duplicates = kernel.get(layout.DUPLICATES)
    counts.metadata = this.metadata.count
    counters.count(this.tenant.name, counts)
  }
}

/** What reads a body; everything that is no protocol of its own was rewritten as remote write 1.0. */
function protocolOf(
  kernel: WriteRequestKernel,
  format: number,
  limits: TenantLimits,
  isPairKnown: boolean,
): Protocol {
  if (format === BODY_OTLP || format === BODY_OTLP_JSON) {
    return new Otlp(kernel, otlpSettingsOf(limits), isPairKnown)
  }
  return format === BODY_V2 ? new RemoteWriteV2(kernel) : new RemoteWriteV1(kernel)
}
