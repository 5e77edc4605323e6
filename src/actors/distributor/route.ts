/**
 * Where series of one part of the hash ring go: a set of replicas, one shard in each zone, usually
 * just one. It has the open frame (what the chunk at hand has for the set) and the dictionary of
 * what all its replicas know; each replica has its link and the acks that are due on it. Hot:
 * `commit` runs once per body and set.
 *
 * A replica takes part in a body from the body's first frame to its last, or not at all: one whose
 * link comes up in between waits for the next body, since it lacks frames of this one and defines.
 * The ring is also the queue that a slow replica has. One whose ring is full and does not move holds
 * the others up for REPLICA_PATIENCE_MS; one that moves, while they have nothing to do, for some
 * seconds and more than a quarter of the time. Then, if they are enough, it is left behind until it
 * has read all that it was sent and has a new link; and the sooner it comes to that again, the longer.
 */
import { copyBytes } from '../../shared/base/copy-bytes.js'
import { writeQuorum } from '../../shared/hashring/index.js'
import * as layout from '../../shared/kernels/assembly/write-request-layout.js'
import type { ShardRegion, WriteRequestKernel } from '../../shared/kernels/write-request.js'
import { framesFitting } from '../../shared/ringbuf/index.js'
import {
  ACK_BYTES_MAX,
  DEFINE_HEADER_BYTES,
  encodeForget,
  encodeRecords,
  FRAME_FORGOTTEN,
  FRAME_METADATA,
  FRAME_RECORDS,
  FRAME_WRITE,
  forgetFrameBytes,
  padTo8,
  recordsFrameBytes,
  viewOf,
  WRITE_DELTA,
  WRITE_HEADER_BYTES,
  WRITE_LAST,
} from '../../shared/wire/frames/index.js'
import type { LinkEnds } from './contract.js'
import { Dictionary } from './dictionary.js'

/** What `commit` came to. */
export type CommitResult = 'committed' | 'full' | 'down'

/** How long a full ring that is not read from may hold up what the other replicas can take. */
export const REPLICA_PATIENCE_MS = 200

/** How long a ring may have kept the others idle, ms; a quarter of all time that goes by is taken off. */
const HELD_MS_MAX = 1_000
/** What counts of the time between two looks at a ring without room. */
const LOOK_MS_MAX = 50
/** How long one is left behind that is so for the second time in a row; doubled from there on. */
const PAUSE_MS_MIN = 1_000
const PAUSE_MS_MAX = 60_000
/** After this time it is the first time again. */
const PAUSE_FORGOTTEN_MS = 2 * PAUSE_MS_MAX

/** A tenant's name at most; Mimir allows 150 bytes. */
const TENANT_BYTES_MAX = 256

/** One shard of a set: its link, and the acks that are due on it. */
export class Replica {
  /** Number of the shard among all zones' shards. */
  readonly shard: number
  readonly set: ReplicaSet
  /** Absent before the first link and while the link is known to be broken. */
  ends: LinkEnds | undefined
  /** Takes part in the body in hand. */
  isIn = false
  /** Lacks frames that its siblings have: takes part in nothing before it has a new link. */
  isBehind = false
  /** Where the reserved frame is in the ring's data. */
  offset = 0
  private acksDue = 0
  private acksMax = 0
  /** When it was first found without room, in the state that the next two say; Infinity: has room. */
  private stuckSince = Number.POSITIVE_INFINITY
  private stuckSpare = 0
  private stuckAcks = 0
  /** Time that it has kept the others idle, less a quarter of all time; when that was looked at. */
  private heldMs = 0
  private heldAt = Number.NEGATIVE_INFINITY
  private isHolding = false
  private leftAt = Number.NEGATIVE_INFINITY
  private pauseMs = 0
  /** Ids that the shard wants to drop. */
  private readonly forgets: Uint32Array[] = []

  constructor(shard: number, set: ReplicaSet) {
    this.shard = shard
    this.set = set
  }

  /** Ids that the shard wants to drop; dealt with once nothing that has them is on its way. */
  takeForget(ids: Uint32Array): void {
    this.forgets.push(ids)
  }

  /**
   * Makes ids that are to be forgotten undefined, and says so down the frame ring. To be called while
   * there is no open frame: one that has such an id must not come after the word.
   */
  sendForgotten(): boolean {
    const { ends, forgets } = this
    if (ends === undefined || forgets.length === 0) return false
    const { writer } = ends
    let sent = 0
    for (const ids of forgets) {
      const offset = writer.reserve(FRAME_FORGOTTEN, forgetFrameBytes(ids.length))
      if (offset < 0) break
      encodeForget(writer.data, offset, ids)
      for (const id of ids) this.set.dictionary.remove(id)
      writer.commit()
      sent++
    }
    forgets.splice(0, sent)
    return sent > 0
  }

  /** Takes a new generation of the link, or none. Nothing is due on it; it is in from the next body on. */
  link(ends: LinkEnds | undefined): void {
    this.ends = ends
    this.forgets.length = 0
    this.isIn = false
    this.isBehind = false
    this.stuckSince = Number.POSITIVE_INFINITY
    this.acksDue = 0
    this.acksMax = ends === undefined ? 0 : framesFitting(ends.reader.data.length, ACK_BYTES_MAX)
    if (ends !== undefined) this.set.forgetDefines()
  }

  /** Takes room for a frame, and for its ack; false when there is none. */
  reserve(kind: number, bytes: number, isAcked: boolean): boolean {
    // What was reserved and is not committed is given up by the next reservation.
    if (isAcked && this.acksDue >= this.acksMax) return false
    this.offset = this.ends!.writer.reserve(kind, bytes)
    if (this.offset < 0) return false
    this.stuckSince = Number.POSITIVE_INFINITY
    this.isHolding = false
    return true
  }

  /** It was just found without room: whether it has stood still for longer than one waits for it. */
  isStuck(nowMs: number): boolean {
    const spare = this.ends!.writer.spare()
    const hasMoved = spare !== this.stuckSpare || this.acksDue !== this.stuckAcks
    if (this.stuckSince === Number.POSITIVE_INFINITY || hasMoved) {
      this.stuckSince = nowMs
      this.stuckSpare = spare
      this.stuckAcks = this.acksDue
    }
    return nowMs - this.stuckSince >= REPLICA_PATIENCE_MS
  }

  /** It was just found without room: whether that has kept the others idle for too long. */
  isTooSlow(nowMs: number, areOthersIdle: boolean): boolean {
    const elapsed = nowMs - this.heldAt
    this.heldAt = nowMs
    this.heldMs = Math.max(0, this.heldMs - elapsed / 4)
    if (areOthersIdle && this.isHolding) this.heldMs += Math.min(elapsed, LOOK_MS_MAX)
    this.isHolding = true
    return this.heldMs > HELD_MS_MAX
  }

  /** Whether all that it was sent has been acked. */
  isIdle(): boolean {
    return this.acksDue === 0
  }

  /** Goes on without it. */
  leaveBehind(nowMs: number): void {
    this.isIn = false
    this.isBehind = true
    const isFirst = nowMs - this.leftAt > PAUSE_FORGOTTEN_MS
    this.pauseMs = isFirst ? 0 : Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS_MIN, 2 * this.pauseMs))
    this.leftAt = nowMs
  }

  /** Whether it was left behind long enough, and has read all that it was sent since. */
  hasCaughtUp(nowMs: number): boolean {
    if (!this.isBehind || this.ends === undefined) return false
    if (nowMs - this.leftAt < this.pauseMs) return false
    return this.ends.writer.spare() === this.ends.writer.data.length
  }

  /** A frame went out that is acked. */
  awaitAck(): void {
    this.acksDue++
  }

  /** An ack was read: room for one more. */
  acked(): void {
    if (this.acksDue > 0) this.acksDue--
  }
}

/** A set of replicas: open frame, dictionary, replicas. */
export class ReplicaSet {
  readonly index: number
  readonly dictionary: Dictionary
  /** One per zone. */
  readonly replicas: readonly Replica[]
  /** Replicas that must have a write for it to be good: more than half. */
  readonly quorum: number
  private readonly kernel: WriteRequestKernel
  private readonly region: ShardRegion
  private readonly countWord: number
  private readonly monotonic: () => number
  /** A replica does not know what the dictionary says; cleared when the next body begins. */
  private isStale = false
  /** Histograms and exemplars that wait for frames of their own, after the open frame. */
  private records: Uint8Array[] = []
  private recordBytes = 0
  /** A frame of the body in hand went out, and the last call of `commit` did not send all. */
  hasSentPart = false
  /** The open frame holds increments. */
  isDelta = false

  /**
   * @param shards numbers of the replicas' shards
   * @param monotonic clock, ms
   */
  constructor(
    kernel: WriteRequestKernel,
    index: number,
    shards: readonly number[],
    monotonic: () => number,
  ) {
    this.kernel = kernel
    this.monotonic = monotonic
    this.index = index
    this.replicas = shards.map((shard) => new Replica(shard, this))
    this.quorum = writeQuorum(shards.length)
    this.region = kernel.shards[index]!
    this.countWord = (this.region.record + layout.SHARD_COUNT) >>> 2
    this.dictionary = new Dictionary(kernel, this.region)
  }

  /** A replica has a link on which nothing is defined. */
  forgetDefines(): void {
    this.isStale = true
  }

  /** A body begins: the replicas that are linked now take part in it. */
  begin(): void {
    if (this.isStale) this.dictionary.clear()
    this.isStale = false
    for (const replica of this.replicas) {
      replica.isIn = replica.ends !== undefined && !replica.isBehind
    }
  }

  /** Whether enough replicas are linked for a body to be good. */
  canServe(): boolean {
    const able = this.replicas.filter(({ ends, isBehind }) => ends !== undefined && !isBehind)
    return able.length >= this.quorum
  }

  /** Whether enough replicas take part for the body to be good. */
  private hasQuorum(): boolean {
    return this.takingPart() >= this.quorum
  }

  private takingPart(): number {
    let count = 0
    for (const replica of this.replicas) if (replica.isIn) count++
    return count
  }

  /** What to tell of a body that too few replicas take part in. */
  downText(): string {
    const shards = this.replicas.filter(({ isIn }) => !isIn).map(({ shard }) => shard)
    return shards.length === 1
      ? `ingester ${shards[0]} is not running`
      : `ingesters ${shards.join(', ')} are not running`
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
    if (record.length > this.roomForRecords()) return false
    this.records.push(record)
    this.recordBytes += record.length
    return true
  }

  /** Bytes of records that one frame takes; without a replica, where none is sent, no bound. */
  private roomForRecords(): number {
    let room = Number.POSITIVE_INFINITY
    for (const { ends, isIn } of this.replicas) {
      if (isIn) room = Math.min(room, ends!.writer.frameBytesMax)
    }
    return room - recordsFrameBytes(TENANT_BYTES_MAX, 0) - 64
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
   * Sends the open frame (an empty one when there is none) to the replicas that take part.
   *
   * @returns `full`, with nothing changed, when a ring has no room, or an ack ring would not have;
   *   `down` when too few replicas take part
   */
  commit(requestId: number, tenant: Uint8Array, isLast: boolean): CommitResult {
    this.hasSentPart = false
    if (!this.hasQuorum()) return 'down'
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

  /** Sends as many records as one frame takes; false when a ring has no room. */
  private commitRecords(requestId: number, tenant: Uint8Array, isLast: boolean): boolean {
    const room = this.roomForRecords()
    let count = 0
    let bytes = 0
    while (count < this.records.length && bytes + this.records[count]!.length <= room) {
      bytes += this.records[count++]!.length
    }
    const head = { requestId, flags: isLast ? WRITE_LAST : 0, tenant }
    const records = this.records.slice(0, count)
    if (!this.reserve(FRAME_RECORDS, recordsFrameBytes(tenant.length, bytes), isLast)) return false
    for (const { ends, isIn, offset } of this.replicas) {
      if (isIn) encodeRecords(ends!.writer.data, offset, head, records)
    }
    this.publish(isLast)
    this.records.splice(0, count)
    this.recordBytes -= bytes
    return true
  }

  /** Sends the columns and defines of the chunk; false when a ring has no room. */
  private commitColumns(requestId: number, tenant: Uint8Array, isLast: boolean): boolean {
    const samples = this.sampleCount()
    const defineBytes = this.word(layout.SHARD_DEFINE_SIZE)
    const timesAt = WRITE_HEADER_BYTES + padTo8(tenant.length) + defineBytes + padTo8(samples * 4)
    if (!this.reserve(FRAME_WRITE, timesAt + samples * 16, isLast)) return false
    const flags = (isLast ? WRITE_LAST : 0) | (this.isDelta ? WRITE_DELTA : 0)
    for (const replica of this.replicas) {
      if (replica.isIn) this.encodeColumns(requestId, flags, tenant, replica)
    }
    this.publish(isLast)
    this.empty()
    return true
  }

  private encodeColumns(
    requestId: number,
    flags: number,
    tenant: Uint8Array,
    { ends, offset }: Replica,
  ): void {
    const { data } = ends!.writer
    const samples = this.sampleCount()
    const definesAt = offset + WRITE_HEADER_BYTES + padTo8(tenant.length)
    const defineBytes = this.word(layout.SHARD_DEFINE_SIZE)
    const idsAt = definesAt + defineBytes
    const timesAt = idsAt + padTo8(samples * 4)
    const header = viewOf(data)
    header.setUint32(offset, requestId, true)
    header.setUint32(offset + 4, flags, true)
    header.setUint32(offset + 8, tenant.length, true)
    header.setUint32(offset + 12, this.word(layout.SHARD_DEFINE_COUNT), true)
    header.setUint32(offset + 16, defineBytes, true)
    header.setUint32(offset + 20, samples, true)
    header.setFloat64(offset + 24, 0)
    data.set(tenant, offset + WRITE_HEADER_BYTES)
    const { region } = this
    this.copy(region.defines, defineBytes, data, definesAt)
    this.copy(region.ids, samples * 4, data, idsAt)
    this.copy(region.times, samples * 8, data, timesAt)
    this.copy(region.values, samples * 8, data, timesAt + samples * 8)
  }

  /** Sends a METADATA frame. */
  commitMetadata(payload: Uint8Array): CommitResult {
    if (!this.hasQuorum()) return 'down'
    if (!this.reserve(FRAME_METADATA, payload.length, false)) return 'full'
    for (const { ends, isIn, offset } of this.replicas) {
      if (isIn) ends!.writer.data.set(payload, offset)
    }
    this.publish(false)
    return 'committed'
  }

  /**
   * Takes room for a frame in the rings of all replicas that take part; false when one has none. One
   * that stands still is left behind when the others are enough.
   */
  private reserve(kind: number, bytes: number, isAcked: boolean): boolean {
    let isWaiting = false
    for (const replica of this.replicas) {
      if (!replica.isIn || replica.reserve(kind, bytes, isAcked)) continue
      const now = this.monotonic()
      const isTooSlow = replica.isTooSlow(now, this.areOthersIdle(replica))
      if (this.takingPart() > this.quorum && (replica.isStuck(now) || isTooSlow)) {
        replica.leaveBehind(now)
      } else isWaiting = true
    }
    return !isWaiting
  }

  private areOthersIdle(replica: Replica): boolean {
    return this.replicas.every((other) => other === replica || !other.isIn || other.isIdle())
  }

  private publish(isAcked: boolean): void {
    for (const replica of this.replicas) {
      if (!replica.isIn) continue
      replica.ends!.writer.commit()
      if (isAcked) replica.awaitAck()
    }
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
    if (bytes > 0) copyBytes(to, at, this.kernel.bytes.subarray(from, from + bytes))
  }
}
