/**
 * A turn of an ingester: frames of all links → ids to refs → check → one write to the log → append
 * and publish → acks (architecture §8.9, §8.13–14). What was rejected is never logged; what could
 * not be logged is not appended and answered RETRY.
 *
 * Hot: bench/shared/tsdb/head.bench.ts has the kernel's part, bench/macro the whole.
 */
import { emptyList } from '../../shared/base/empty-list.js'
import type { Env } from '../../shared/env/index.js'
import { DEFINE_FULL } from '../../shared/kernels/head-layout.js'
import type { Cell } from '../../shared/telemetry/index.js'
import type { Head } from '../../shared/tsdb/index.js'
import {
  ACK_REJECTED,
  ACK_RETRY,
  ACK_UNBOUND,
  DISCARD_REASONS,
  decodeForget,
  FRAME_FORGOTTEN,
  FRAME_METADATA,
  FRAME_RECORDS,
  FRAME_WRITE,
  findRecords,
  isStart,
  padTo8,
  type RecordsFrame,
  tenantAt,
  viewOf,
  WRITE_DELTA,
  WRITE_HEADER_BYTES,
  WRITE_LAST,
} from '../../shared/wire/frames/index.js'
import {
  type BodyAck,
  type DistributorLink,
  newAck,
  REF_BAD,
  REF_FULL,
  REF_UNBOUND,
  REFS_END,
  reject,
  worsen,
} from './links.js'
import type { LogKeeper } from './log-keeper.js'
import { findMetadata } from './metadata.js'
import { RecordIntake } from './record-intake.js'
import { notMade, printMetadataRefusal, printRejection } from './rejection-text.js'
import type { SeriesLimits } from './series-limits.js'
import { oldestStart, type TenantState, type Tenants } from './tenants.js'

/** What one turn takes at most: an ack waits for the whole turn. */
const TURN_FRAMES_MAX = 64
const TURN_SAMPLES_MAX = 65536
const TURN_LOG_BYTES_MAX = 4 << 20
/** Below this much free memory nothing is taken any more; bursts need some to the end. */
const MEMORY_FREE_MIN = 1 << 20

const MEMORY_FULL = 'has no memory left'
const OUT_OF_ORDER = DISCARD_REASONS.indexOf('sample_out_of_order')
const DUPLICATE = DISCARD_REASONS.indexOf('sample_duplicate_timestamp')
const TOO_OLD = DISCARD_REASONS.indexOf('sample_timestamp_too_old')
const MEMORY_LIMIT = DISCARD_REASONS.indexOf('memory_limit')

/** A frame whose samples stand in the turn's columns. */
interface TakenFrame {
  readonly tenant: TenantState
  readonly ack: BodyAck
  readonly from: number
  readonly count: number
  /** Its samples out of order, in the columns for those. */
  readonly lateFrom: number
  readonly lateCount: number
  readonly mint: number
  readonly maxt: number
}

/** An ack that goes out when the turn is committed. */
interface DueAck {
  readonly link: DistributorLink
  readonly requestId: number
  readonly ack: BodyAck
}

/** What the loop works with; all owned by the ingester. */
export interface CommitParts {
  readonly env: Env
  readonly shard: number
  readonly head: Head
  readonly tenants: Tenants
  readonly series: SeriesLimits
  readonly log: LogKeeper
  /** False while the log is replayed: frames bind their ids and are answered RETRY. */
  isOpen(): boolean
  /** Told of every ref that an id was bound to. */
  onBound(ref: number): void
}

/** The parts of a WRITE frame: offsets into the ring's data. */
interface WriteFrame {
  readonly requestId: number
  readonly isLast: boolean
  readonly tenant: string
  readonly defineCount: number
  readonly defines: Uint8Array
  readonly sampleCount: number
  readonly ids: Uint32Array
  readonly times: Float64Array
  readonly values: Float64Array
  /** Values are increments. */
  readonly isDelta: boolean
}

/** Takes frames, checks, logs, appends, and acknowledges them, turn by turn. */
export class CommitLoop {
  private readonly parts: CommitParts
  private readonly frames = emptyList<TakenFrame>()
  private readonly due = emptyList<DueAck>()
  /** Columns in use. */
  private used = 0
  /** Columns in use for samples out of order. */
  private usedLate = 0
  private mint = Number.POSITIVE_INFINITY
  private maxt = Number.NEGATIVE_INFINITY
  /** Bytes of frames that could not be read, for a log line now and then. */
  private malformed = 0

  private readonly unbound: Cell
  private readonly records: RecordIntake

  constructor(parts: CommitParts) {
    this.parts = parts
    this.records = new RecordIntake(parts)
    this.unbound = parts.env.metrics.cell('nilo_ingester_unbound_frames_total')
  }

  /** Takes and commits what has come on the links; false when there was nothing. */
  turn(links: readonly DistributorLink[]): boolean {
    const { head } = this.parts
    this.used = 0
    this.usedLate = 0
    this.records.clear()
    head.kernel.truncateOutOfOrder(0)
    this.mint = Number.POSITIVE_INFINITY
    this.maxt = Number.NEGATIVE_INFINITY
    head.kernel.logBegin()
    let taken = 0
    // A share for each link, so that a busy one does not keep the others waiting.
    const share = Math.max(1, Math.floor(TURN_FRAMES_MAX / links.length))
    for (const link of links) {
      link.flush()
      taken += this.drainLink(link, share)
    }
    if (this.frames.length + this.records.size() > 0) this.commit(links)
    for (const { link, requestId, ack } of this.due) link.send(requestId, ack)
    this.frames.length = 0
    this.due.length = 0
    return taken > 0
  }

  private drainLink(link: DistributorLink, framesMax: number): number {
    const { reader } = link.ends
    let taken = 0
    while (taken < framesMax && this.hasRoom() && reader.next()) {
      if (reader.kind === FRAME_WRITE) this.takeWrite(link)
      else if (reader.kind === FRAME_RECORDS) this.takeRecords(link)
      else if (reader.kind === FRAME_METADATA) this.takeMetadata(link)
      else if (reader.kind === FRAME_FORGOTTEN) this.takeForgotten(link)
      else this.noteMalformed(`frame of kind ${reader.kind}`)
      taken++
    }
    if (taken > 0) reader.release()
    return taken
  }

  private hasRoom(): boolean {
    return (
      this.used + this.usedLate + this.records.size() < TURN_SAMPLES_MAX &&
      this.parts.head.logBytes() < TURN_LOG_BYTES_MAX
    )
  }

  private takeForgotten(link: DistributorLink): void {
    const { data, offset, length } = link.ends.reader
    const ids = decodeForget(data, offset, length)
    if (ids === undefined) this.noteMalformed('forgotten frame')
    else link.takeForgotten(ids)
  }

  private takeMetadata(link: DistributorLink): void {
    const { data, offset, length } = link.ends.reader
    const found = findMetadata(Buffer.from(data.slice(offset, offset + length).buffer))
    if (found === undefined) {
      this.noteMalformed('metadata frame')
      return
    }
    const tenant = this.parts.tenants.get(found.tenant)
    const now = this.parts.env.clock.now()
    if (tenant === undefined) return
    const bounds = this.parts.series.metadataBounds(tenant)
    for (const entry of found.entries) {
      const reason = tenant.metadata.put(entry, now, bounds)
      if (reason === undefined) continue
      const { metrics } = this.parts.env
      metrics.cell('cortex_discarded_metadata_total', reason, tenant.name).add(1)
      if (!found.isAcked) continue
      const ack = link.open.get(found.requestId) ?? newAck()
      worsen(ack, ACK_REJECTED, printMetadataRefusal(this.parts.shard, tenant, reason))
      link.open.set(found.requestId, ack)
    }
  }

  private takeWrite(link: DistributorLink): void {
    const { data, offset, length } = link.ends.reader
    const frame = findWrite(data, offset, length)
    if (frame === undefined) {
      this.noteMalformed(`write frame of ${length} bytes`)
      return
    }
    const ack = link.open.get(frame.requestId) ?? newAck()
    this.storeFrame(link, frame, ack)
    if (frame.isLast) {
      link.open.delete(frame.requestId)
      this.due.push({ link, requestId: frame.requestId, ack })
    } else link.open.set(frame.requestId, ack)
  }

  private takeRecords(link: DistributorLink): void {
    const { data, offset, length } = link.ends.reader
    const frame = findRecords(data, offset, length)
    if (frame === undefined) {
      this.noteMalformed(`records frame of ${length} bytes`)
      return
    }
    const { requestId } = frame
    const ack = link.open.get(requestId) ?? newAck()
    this.storeRecords(link, frame, ack)
    if ((frame.flags & WRITE_LAST) !== 0) {
      link.open.delete(requestId)
      this.due.push({ link, requestId, ack })
    } else link.open.set(requestId, ack)
  }

  private storeRecords(link: DistributorLink, frame: RecordsFrame, ack: BodyAck): void {
    const { head, tenants } = this.parts
    const tenant = tenants.get(frame.tenant)
    if (tenant === undefined) {
      worsen(ack, ACK_RETRY, this.retryText(tenants.fullText()))
    } else if (!this.parts.isOpen()) {
      worsen(ack, ACK_RETRY, this.retryText('replays its log'))
    } else if (head.memoryUse().free < MEMORY_FREE_MIN) {
      this.discard(tenant, ack, MEMORY_LIMIT, frame.recordCount)
      worsen(ack, ACK_RETRY, this.retryText(MEMORY_FULL))
    } else {
      const result = this.records.take({ link, frame, tenant, ack }, this.used)
      if (result === 'malformed') this.noteMalformed('records section')
      if (result === 'full') {
        worsen(ack, ACK_RETRY, this.retryText('was sent more than its log buffer holds'))
      } else if (result === 'unbound') {
        this.unbound.add(1)
        worsen(ack, ACK_UNBOUND, this.retryText('was sent a series id that it does not know'))
      }
    }
  }

  private storeFrame(link: DistributorLink, frame: WriteFrame, ack: BodyAck): void {
    const { head, tenants } = this.parts
    const tenant = tenants.get(frame.tenant)
    if (tenant === undefined) {
      worsen(ack, ACK_RETRY, this.retryText(tenants.fullText()))
      return
    }
    // Ids are bound whatever becomes of the samples: the distributor will not define them again.
    if (frame.defineCount > 0) this.bind(link, tenant, frame)
    if (!this.parts.isOpen()) {
      worsen(ack, ACK_RETRY, this.retryText('replays its log'))
      return
    }
    if (head.memoryUse().free < MEMORY_FREE_MIN) {
      this.discard(tenant, ack, MEMORY_LIMIT, frame.sampleCount)
      worsen(ack, ACK_RETRY, this.retryText(MEMORY_FULL))
      return
    }
    if (frame.sampleCount > head.capacity - Math.max(this.used, this.usedLate)) {
      worsen(ack, ACK_RETRY, this.retryText('was sent a frame that is too large'))
      return
    }
    let count = this.translate(link, tenant, frame, ack)
    if (count < 0) {
      this.unbound.add(1)
      worsen(ack, ACK_UNBOUND, this.retryText('was sent a series id that it does not know'))
      return
    }
    // A tenant without samples has nothing else that a start's age could be measured by.
    if (tenant.maxt === Number.NEGATIVE_INFINITY) count = this.dropEarlyStarts(count)
    this.check(tenant, ack, count, frame.isDelta)
  }

  private bind(link: DistributorLink, tenant: TenantState, frame: WriteFrame): void {
    const { head, tenants } = this.parts
    const { defines, defineCount } = frame
    const gate = this.parts.series.gate(tenant, defines, defineCount)
    let refused = 0
    let before = head.view.seriesCount(tenant.index)
    const bind = (id: number, ref: number, index: number): void => {
      let target = ref >= 0 ? ref : ref === DEFINE_FULL ? REF_FULL : REF_BAD
      if (gate !== undefined && target === REF_FULL && refused !== 0) {
        target = refused
        gate.refused()
      }
      const now = head.view.seriesCount(tenant.index)
      if (now > before) gate?.made(index)
      before = now
      if (ref >= 0) this.parts.onBound(ref)
      if (!link.bind(id, target)) this.noteMalformed(`series id ${id}`)
    }
    const isRefused = (index: number): boolean => {
      refused = gate?.refuses(index) ?? 0
      return refused !== 0
    }
    const isRead = head.defineSection(tenant.index, defines, defineCount, bind, isRefused)
    if (!isRead) this.noteMalformed('define section')
    tenants.countSeries(tenant)
  }

  /** Copies a frame to the columns, ids made refs; how many, or -1 when an id is not bound. */
  private translate(
    link: DistributorLink,
    tenant: TenantState,
    frame: WriteFrame,
    ack: BodyAck,
  ): number {
    const { refs } = this.parts.head
    const { ids, sampleCount } = frame
    const map = link.refs
    const from = this.used
    let special = 0
    for (let i = 0; i < sampleCount; i++) {
      const id = ids[i]!
      const ref = id < map.length ? map[id]! : REF_UNBOUND
      if (ref >= REFS_END) {
        if (ref === REF_UNBOUND) return -1
        special++
      }
      refs[from + i] = ref
    }
    this.parts.head.times.set(frame.times, from)
    this.parts.head.values.set(frame.values, from)
    return special === 0 ? sampleCount : this.dropSpecial(tenant, ack, sampleCount)
  }

  /** Takes out the samples of series that could not be created. */
  private dropSpecial(tenant: TenantState, ack: BodyAck, count: number): number {
    const { refs, times, values } = this.parts.head
    const end = this.used + count
    let kept = this.used
    // By code, from REFS_END on.
    const dropped = new Uint32Array(REF_UNBOUND - REFS_END)
    for (let i = this.used; i < end; i++) {
      if (refs[i]! >= REFS_END) {
        dropped[refs[i]! - REFS_END]!++
        continue
      }
      refs[kept] = refs[i]!
      times[kept] = times[i]!
      values.copyWithin(kept, i, i + 1)
      kept++
    }
    for (const [code, count] of dropped.entries()) {
      if (count > 0) this.noteNotMade(tenant, ack, REFS_END + code, count)
    }
    return kept - this.used
  }

  /** Takes out starts that lie too far before their samples, which follow them; how many samples stay. */
  private dropEarlyStarts(count: number): number {
    const { refs, times, values } = this.parts.head
    let kept = this.used
    for (let i = this.used; i < this.used + count; i++) {
      if (isStart(times[i]!) && times[i]! < oldestStart(times[i + 1]!)) continue
      refs[kept] = refs[i]!
      times[kept] = times[i]!
      values.copyWithin(kept, i, i + 1)
      kept++
    }
    return kept - this.used
  }

  /** Samples came of series that could not be made: rejected, or the sender would never come to newer ones of known series. */
  private noteNotMade(tenant: TenantState, ack: BodyAck, code: number, count: number): void {
    const { reason, text, isRetried } = notMade(
      code,
      tenant.limits,
      this.parts.series.instanceMax(),
    )
    this.discard(tenant, ack, reason, count)
    if (text === '') return
    const told = this.retryText(`user=${tenant.name}: ${text}`)
    if (isRetried) worsen(ack, ACK_RETRY, told)
    else if (ack.text === '') ack.text = told
  }

  /** Checks the columns after `used`, and adds what is accepted to the log buffer. */
  private check(tenant: TenantState, ack: BodyAck, count: number, isDelta: boolean): void {
    const { head, tenants } = this.parts
    const { kernel } = head
    const from = this.used
    kernel.clearCounts()
    kernel.clearRange()
    const lateOldest = tenants.oldestOutOfOrder(tenant, Math.floor(head.times[from]!))
    const oldest = tenants.oldestOf(tenant)
    const accepted = isDelta
      ? kernel.checkDeltas(from, count, oldest)
      : kernel.check(from, count, oldest, lateOldest, tenants.oldestBehind(tenant))
    const lateFrom = this.usedLate
    const lateCount = accepted < count ? head.outOfOrderCount() - lateFrom : 0
    if (accepted + lateCount < count) this.noteRejected(tenant, ack)
    if (accepted + lateCount === 0) return
    if (kernel.logFrame(tenant.index, from, accepted, lateFrom, lateCount) === 0) {
      kernel.rollback(from, accepted)
      kernel.truncateOutOfOrder(lateFrom)
      worsen(ack, ACK_RETRY, this.retryText('was sent more than its log buffer holds'))
      return
    }
    const range = head.acceptedRange()
    const late = head.outOfOrderRange(lateFrom, lateFrom + lateCount)
    this.mint = Math.min(this.mint, range.mint, late.mint)
    this.maxt = Math.max(this.maxt, range.maxt, late.maxt)
    this.frames.push({
      tenant,
      ack,
      from,
      count: accepted,
      lateFrom,
      lateCount,
      mint: range.mint,
      maxt: range.maxt,
    })
    this.used += accepted
    this.usedLate += lateCount
  }

  private noteRejected(tenant: TenantState, ack: BodyAck): void {
    const { head, shard } = this.parts
    const counts = head.counts()
    if (counts.outOfOrder > 0) this.discard(tenant, ack, OUT_OF_ORDER, counts.outOfOrder)
    if (counts.duplicates > 0) this.discard(tenant, ack, DUPLICATE, counts.duplicates)
    if (counts.tooOld > 0) this.discard(tenant, ack, TOO_OLD, counts.tooOld)
    const first = head.firstRejection()
    if (first === undefined || ack.text !== '') return
    const labels = head.view.labels(first.ref)
    ack.text = printRejection(shard, tenant.name, { code: first.code, t: first.t, labels })
  }

  private discard(tenant: TenantState, ack: BodyAck, reason: number, count: number): void {
    if (count === 0) return
    reject(ack, reason, count)
    this.parts.tenants.discard(tenant, reason, count)
  }

  private commit(links: readonly DistributorLink[]): void {
    const { head, log, tenants } = this.parts
    const { kernel } = head
    const { records } = this
    const sampleCount = this.used + this.usedLate + records.sampleCount()
    const mint = Math.min(this.mint, records.mint)
    const maxt = Math.max(this.maxt, records.maxt)
    if (!log.write(head.logBatch(), { sampleCount, mint, maxt })) {
      kernel.rollback(0, this.used)
      kernel.logForget()
      records.rollback()
      this.retryAll(links, this.retryText('cannot write its log'))
      return
    }
    const appended = kernel.append(0, this.used)
    kernel.publish(0, appended)
    if (appended < this.used) kernel.rollback(appended, this.used - appended)
    records.commit()
    const now = this.parts.env.clock.now()
    for (const frame of this.frames) {
      const { tenant } = frame
      const stored = Math.max(0, Math.min(frame.count, appended - frame.from))
      if (stored > 0) tenants.noteTimes(tenant, frame.mint, frame.maxt)
      tenant.appendedAt = now
      this.countStored(frame, stored)
    }
  }

  /** Everything that came in this turn is to be sent again: also what only repeats a part of it. */
  private retryAll(links: readonly DistributorLink[], text: string): void {
    for (const { ack } of this.due) worsen(ack, ACK_RETRY, text)
    for (const { open } of links) for (const ack of open.values()) worsen(ack, ACK_RETRY, text)
  }

  /** Appends what a frame has out of order, and counts what was stored of it. */
  private countStored(frame: TakenFrame, stored: number): void {
    const { tenant, ack, count, lateFrom, lateCount } = frame
    let missing = count - stored
    tenant.ingested.add(stored)
    if (lateCount > 0) {
      const { kernel } = this.parts.head
      missing += lateCount - kernel.appendOutOfOrder(lateFrom, lateCount)
      tenant.ingested.add(kernel.oooAppended())
      tenant.outOfOrder.add(kernel.oooAppended())
      tenant.hasLate = true
    }
    if (missing === 0) return
    // In the log but not in memory: the sender sends it again, and a replay brings it anyway.
    reject(ack, MEMORY_LIMIT, missing)
    this.parts.tenants.discard(tenant, MEMORY_LIMIT, missing)
    worsen(ack, ACK_RETRY, this.retryText(MEMORY_FULL))
  }

  private retryText(what: string): string {
    return `ingester-${this.parts.shard} ${what}`
  }

  private noteMalformed(what: string): void {
    this.malformed++
    if ((this.malformed & (this.malformed - 1)) !== 0) return
    this.parts.env.log.error('frame cannot be read', { what, count: this.malformed })
  }
}

/** Views of a WRITE frame's sections; undefined when its lengths do not add up. */
function findWrite(data: Uint8Array, offset: number, length: number): WriteFrame | undefined {
  if (length < WRITE_HEADER_BYTES) return undefined
  const buffer = data.buffer as ArrayBuffer
  const start = data.byteOffset + offset
  const header = viewOf(data)
  const tenantLength = header.getUint32(offset + 8, true)
  const defineBytes = header.getUint32(offset + 16, true)
  const sampleCount = header.getUint32(offset + 20, true)
  const definesAt = WRITE_HEADER_BYTES + padTo8(tenantLength)
  const idsAt = definesAt + defineBytes
  const timesAt = idsAt + padTo8(sampleCount * 4)
  const valuesAt = timesAt + sampleCount * 8
  const isAligned = defineBytes % 8 === 0
  if (!isAligned || tenantLength > length || valuesAt + sampleCount * 8 > length) return undefined
  return {
    requestId: header.getUint32(offset, true),
    isLast: (header.getUint32(offset + 4, true) & WRITE_LAST) !== 0,
    isDelta: (header.getUint32(offset + 4, true) & WRITE_DELTA) !== 0,
    tenant: tenantAt(data, offset + WRITE_HEADER_BYTES, tenantLength),
    defineCount: header.getUint32(offset + 12, true),
    defines: data.subarray(offset + definesAt, offset + definesAt + defineBytes),
    sampleCount,
    ids: new Uint32Array(buffer, start + idsAt, sampleCount),
    times: new Float64Array(buffer, start + timesAt, sampleCount),
    values: new Float64Array(buffer, start + valuesAt, sampleCount),
  }
}
