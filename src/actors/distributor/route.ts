/**
 * One shard as the distributor sees it: its link, the open frame (what the chunk at hand has for
 * it), and how many acks are due. Hot: `commit` runs once per body and shard.
 */
import * as layout from '../../shared/kernels/assembly/write-request-layout.js'
import type { ShardRegion, WriteRequestKernel } from '../../shared/kernels/write-request.js'
import { framesFitting } from '../../shared/ringbuf/index.js'
import {
  ACK_BYTES_MAX,
  DEFINE_HEADER_BYTES,
  encodeRecords,
  FRAME_METADATA,
  FRAME_RECORDS,
  FRAME_WRITE,
  padTo8,
  recordsFrameBytes,
  WRITE_HEADER_BYTES,
  WRITE_LAST,
} from '../../shared/wire/frames/index.js'
import type { LinkEnds } from './contract.js'
import { Dictionary } from './dictionary.js'

/** What `commit` came to. */
export type CommitResult = 'committed' | 'full' | 'down'

/** A tenant's name at most; Mimir allows 150 bytes. */
const TENANT_BYTES_MAX = 256

/** A shard: link, open frame, dictionary. */
export class ShardRoute {
  readonly index: number
  readonly dictionary: Dictionary
  /** Absent before the first link and while the link is known to be broken. */
  ends: LinkEnds | undefined
  private readonly kernel: WriteRequestKernel
  private readonly region: ShardRegion
  private readonly countWord: number
  private acksDue = 0
  private acksMax = 0
  /** Histograms and exemplars that wait for frames of their own, after the open frame. */
  private records: Uint8Array[] = []
  private recordBytes = 0
  /** A frame of the body in hand went out, and the last call of `commit` did not send all. */
  hasSentPart = false

  constructor(kernel: WriteRequestKernel, index: number) {
    this.kernel = kernel
    this.index = index
    this.region = kernel.shards[index]!
    this.countWord = (this.region.record + layout.SHARD_COUNT) >>> 2
    this.dictionary = new Dictionary(kernel, this.region)
  }

  /** Takes a new generation of the link: nothing is defined, nothing is due, the open frame is void. */
  link(ends: LinkEnds): void {
    this.ends = ends
    this.acksDue = 0
    this.acksMax = framesFitting(ends.reader.data.length, ACK_BYTES_MAX)
    this.discard()
    this.dictionary.clear()
  }

  /** Samples in the open frame. */
  sampleCount(): number {
    return this.kernel.words[this.countWord]!
  }

  hasOpenFrame(): boolean {
    return this.hasColumns() || this.records.length > 0
  }

  private hasColumns(): boolean {
    return this.word(layout.SHARD_DEFINE_COUNT) > 0 || this.sampleCount() > 0
  }

  /** Queues a record; false when it is larger than any frame. */
  addRecord(record: Uint8Array): boolean {
    if (this.ends !== undefined && record.length > this.roomForRecords()) return false
    this.records.push(record)
    this.recordBytes += record.length
    return true
  }

  private roomForRecords(): number {
    return this.ends!.writer.frameBytesMax - recordsFrameBytes(TENANT_BYTES_MAX, 0) - 64
  }

  /** Gives the open frame up: its defines never happened. */
  discard(): void {
    const { words } = this.kernel
    const end = this.region.defines + this.word(layout.SHARD_DEFINE_SIZE)
    for (let at = this.region.defines; at < end; ) {
      this.dictionary.remove(words[at >>> 2]!)
      at += padTo8(DEFINE_HEADER_BYTES + words[(at >>> 2) + 2]!)
    }
    this.records = []
    this.recordBytes = 0
    this.empty()
  }

  /**
   * Sends the open frame (an empty one when there is none).
   *
   * @returns `full`, with nothing changed, when the ring has no room, or the ack ring would not have
   */
  commit(requestId: number, tenant: Uint8Array, isLast: boolean): CommitResult {
    const { ends } = this
    this.hasSentPart = false
    if (ends === undefined) return 'down'
    if (isLast && this.acksDue >= this.acksMax) return 'full'
    while (this.records.length > 0) {
      const isFinal = isLast && !this.hasColumns() && this.recordBytes <= this.roomForRecords()
      if (this.hasColumns()) {
        if (!this.commitColumns(requestId, tenant, false)) return 'full'
        this.hasSentPart = true
        continue
      }
      if (!this.commitRecords(requestId, tenant, isFinal)) return 'full'
      if (this.records.length === 0) return 'committed'
      this.hasSentPart = true
    }
    return this.commitColumns(requestId, tenant, isLast) ? 'committed' : 'full'
  }

  /** Sends as many records as one frame takes; false when the ring has no room. */
  private commitRecords(requestId: number, tenant: Uint8Array, isLast: boolean): boolean {
    const { writer } = this.ends!
    const room = this.roomForRecords()
    let count = 0
    let bytes = 0
    while (count < this.records.length && bytes + this.records[count]!.length <= room) {
      bytes += this.records[count++]!.length
    }
    const offset = writer.reserve(FRAME_RECORDS, recordsFrameBytes(tenant.length, bytes))
    if (offset < 0) return false
    const head = { requestId, flags: isLast ? WRITE_LAST : 0, tenant }
    encodeRecords(writer.data, offset, head, this.records.slice(0, count))
    writer.commit()
    this.records.splice(0, count)
    this.recordBytes -= bytes
    if (isLast) this.acksDue++
    return true
  }

  /** Sends the columns and defines of the chunk; false when the ring has no room. */
  private commitColumns(requestId: number, tenant: Uint8Array, isLast: boolean): boolean {
    const samples = this.sampleCount()
    const definesAt = WRITE_HEADER_BYTES + padTo8(tenant.length)
    const defineBytes = this.word(layout.SHARD_DEFINE_SIZE)
    const idsAt = definesAt + defineBytes
    const timesAt = idsAt + padTo8(samples * 4)
    const { writer } = this.ends!
    const offset = writer.reserve(FRAME_WRITE, timesAt + samples * 16)
    if (offset < 0) return false
    const { data } = writer
    const header = new Uint32Array(data.buffer, data.byteOffset + offset, WRITE_HEADER_BYTES / 4)
    header[0] = requestId
    header[1] = isLast ? WRITE_LAST : 0
    header[2] = tenant.length
    header[3] = this.word(layout.SHARD_DEFINE_COUNT)
    header[4] = defineBytes
    header[5] = samples
    header[6] = 0
    header[7] = 0
    data.set(tenant, offset + WRITE_HEADER_BYTES)
    const { region } = this
    this.copy(region.defines, defineBytes, data, offset + definesAt)
    this.copy(region.ids, samples * 4, data, offset + idsAt)
    this.copy(region.times, samples * 8, data, offset + timesAt)
    this.copy(region.values, samples * 8, data, offset + timesAt + samples * 8)
    writer.commit()
    if (isLast) this.acksDue++
    this.empty()
    return true
  }

  /** Sends a METADATA frame. */
  commitMetadata(payload: Uint8Array): CommitResult {
    const { ends } = this
    if (ends === undefined) return 'down'
    const offset = ends.writer.reserve(FRAME_METADATA, payload.length)
    if (offset < 0) return 'full'
    ends.writer.data.set(payload, offset)
    ends.writer.commit()
    return 'committed'
  }

  /** An ack was read: room for one more. */
  acked(): void {
    if (this.acksDue > 0) this.acksDue--
  }

  private empty(): void {
    const { words } = this.kernel
    words[this.countWord] = 0
    words[(this.region.record + layout.SHARD_DEFINE_COUNT) >>> 2] = 0
    words[(this.region.record + layout.SHARD_DEFINE_SIZE) >>> 2] = 0
  }

  private word(field: number): number {
    return this.kernel.words[(this.region.record + field) >>> 2]!
  }

  private copy(from: number, bytes: number, to: Uint8Array, at: number): void {
    if (bytes > 0) to.set(this.kernel.bytes.subarray(from, from + bytes), at)
  }
}
