/**
 * Snapshot records → head. Ids of tenants and pairs are those of the head that was saved; they are
 * mapped to this one's, which may have other logs in it already. A series that has samples (from
 * a newer snapshot, or another log) takes only what is newer.
 */
import {
  C_COUNT,
  C_LENGTH,
  C_MAXT,
  CHUNK_HEADER_BYTES,
  DEFINE_FULL,
  H_LOG,
  H_NEXT_LOG_REF,
  H_OOO_REFS,
  H_OOO_TIMES,
  H_OOO_VALUES,
  H_SCRATCH,
  H_TIMES,
  H_VALUES,
  R_BYTES,
  R_COUNT,
  RECORD_PAIRS,
  RECORD_SNAPSHOT_END,
  RECORD_STATES,
  RECORD_TENANTS,
  SAVED_BASE,
  SAVED_CLOSED,
  SAVED_FILL,
  SAVED_HAS_OOO,
  SAVED_HEADER_BYTES,
  SAVED_LIMIT,
  SAVED_NUMBER,
  SAVED_OOO_CLOSED,
  SAVED_OOO_COUNT,
  SAVED_OOO_HEADER_BYTES,
  SAVED_OPEN_BYTES,
  SAVED_PAIR_COUNT,
  SAVED_PAIR_HEADER_BYTES,
  SAVED_RECORD_END,
  SAVED_TENANT,
} from '../../kernels/head-layout.js'
import type { Head } from '../head/head.js'
import type { Covered, TenantCover } from '../wal/covered.js'

/** What became of a record. */
export type SliceOutcome = 'loaded' | 'malformed' | 'unknown-series'

/** Counts of a load, added to over all records. */
export interface LoadCounts {
  series: number
  samplesUnknown: number
  samplesWithoutRoom: number
}

/** What is loaded, and into what. */
export interface LoadOptions {
  readonly head: Head
  readonly counts: LoadCounts
  /** What of the snapshot is in blocks. */
  readonly covered: Covered
  /** The log segment that goes on from the snapshot. */
  readonly segment: number
}

/** One snapshot that is being loaded. */
export class SnapshotLoad {
  /** Whether the record that ends a whole snapshot was read. */
  hasEnd = false
  private readonly head: Head
  private readonly counts: LoadCounts
  private readonly covered: Covered
  private readonly segment: number
  /** Notes which number the log knows a series by; ref undefined: there was no memory for it. */
  private readonly setNumber: (number: number, ref: number | undefined) => void
  private readonly tenants = new Map<number, number>()
  /** [saved id] id here, 0: not known. */
  private pairs = new Uint32Array(1024)

  constructor(options: LoadOptions, setNumber: (number: number, ref: number | undefined) => void) {
    this.head = options.head
    this.counts = options.counts
    this.covered = options.covered
    this.segment = options.segment
    this.setNumber = setNumber
  }

  /**
   * Takes a record whose payload stands at [at, at + length) of the log buffer.
   * @param window the log buffer
   */
  take(kind: number, window: Buffer, at: number, length: number): SliceOutcome {
    if (kind === RECORD_TENANTS) return this.takeTenants(window.subarray(at, at + length))
    if (kind === RECORD_PAIRS) return this.takePairs(window, at, at + length)
    if (kind === RECORD_STATES) return this.takeStates(window, at, at + length)
    if (kind !== RECORD_SNAPSHOT_END || length !== 8) return 'malformed'
    this.hasEnd = true
    raiseNextNumber(this.head, window.readUInt32LE(at + 4))
    return 'loaded'
  }

  private takeTenants(payload: Buffer): SliceOutcome {
    let at = 4
    for (let left = payload.readUInt32LE(0); left > 0; left--) {
      if (payload.length - at < 8) return 'malformed'
      const index = payload.readUInt32LE(at)
      const end = at + 8 + payload.readUInt32LE(at + 4)
      if (end > payload.length) return 'malformed'
      const tenant = this.head.tenant(payload.toString('utf8', at + 8, end))
      if (tenant !== undefined) this.tenants.set(index, tenant)
      at = end
    }
    return 'loaded'
  }

  private takePairs(window: Buffer, from: number, end: number): SliceOutcome {
    const { kernel } = this.head
    for (let at = from; at < end; ) {
      if (end - at < SAVED_PAIR_HEADER_BYTES) return 'malformed'
      const pair = window.readUInt32LE(at)
      const tenant = this.tenants.get(window.readUInt32LE(at + 4))
      const length = window.readUInt16LE(at + 8)
      const bytes = at + SAVED_PAIR_HEADER_BYTES
      if (length > end - bytes) return 'malformed'
      if (pair >= this.pairs.length) this.growPairs(pair)
      if (tenant !== undefined) {
        this.pairs[pair] = kernel.addPair(tenant, window.byteOffset + bytes, length) >>> 0
      }
      at = bytes + length
    }
    return 'loaded'
  }

  private growPairs(pair: number): void {
    const larger = new Uint32Array(Math.max(pair + 1, this.pairs.length * 2))
    larger.set(this.pairs)
    this.pairs = larger
  }

  private takeStates(window: Buffer, from: number, end: number): SliceOutcome {
    const { head } = this
    const base = head.view.word(H_LOG)
    const cells = new DataView(window.buffer, window.byteOffset, window.byteLength)
    let outcome: SliceOutcome = 'loaded'
    for (let at = from; at < end; ) {
      if (head.kernel.isSavedState(base + at, end - at) === 0) return 'malformed'
      const number = cells.getUint32(at + SAVED_NUMBER, true)
      const tenant = this.tenants.get(cells.getUint32(at + SAVED_TENANT, true))
      const ref = tenant === undefined ? undefined : this.define(tenant, cells, at)
      if (ref === undefined) {
        this.counts.samplesUnknown += partsOf(window, at).samples
        outcome = 'unknown-series'
      } else if (ref === DEFINE_FULL) {
        this.counts.samplesWithoutRoom += partsOf(window, at).samples
        if (number > 0) this.setNumber(number, undefined)
      } else {
        // Without a number: the log writes the series' record again before its next sample.
        if (number > 0) this.setNumber(number, ref)
        this.adopt(ref, window, at, this.covered.ofTenant(tenant!))
      }
      at += cells.getUint32(at, true)
    }
    return outcome
  }

  /** The ref of a saved series; undefined when its labels were in a damaged slice. */
  private define(tenant: number, cells: DataView, at: number): number | undefined {
    const { head, pairs } = this
    const { u32 } = head.view
    const count = cells.getUint16(at + SAVED_PAIR_COUNT, true)
    const list = head.view.word(H_SCRATCH) >>> 2
    for (let i = 0; i < count; i++) {
      const saved = cells.getUint32(at + SAVED_HEADER_BYTES + i * 4, true)
      const pair = saved < pairs.length ? pairs[saved]! : 0
      if (pair === 0) return undefined
      u32[list + i] = pair
    }
    const ref = head.kernel.defineByPairs(tenant, count)
    return ref >= 0 || ref === DEFINE_FULL ? ref : undefined
  }

  private adopt(ref: number, window: Buffer, at: number, cover: TenantCover): void {
    const { head, counts } = this
    const address = head.view.word(H_LOG) + at
    const hasLate = this.segment >= cover.lateBefore
    const outcome = head.kernel.adoptState(ref, address, hasLate ? 1 : 0)
    if (outcome < 0) {
      this.merge(ref, window, at, cover)
      return
    }
    if (outcome > 0 && cover.before > Number.NEGATIVE_INFINITY) {
      head.kernel.truncateSeries(ref, cover.before)
    }
    if (outcome === 0) counts.samplesWithoutRoom += partsOf(window, at).samples
    counts.series++
  }

  /** Adds what is newer than what the series has, and what came out of order. */
  private merge(ref: number, window: Buffer, at: number, cover: TenantCover): void {
    const { head } = this
    const parts = partsOf(window, at)
    const newest = Math.max(head.lastTime(ref), cover.before - 1)
    const [times, values] = [head.view.word(H_TIMES), head.view.word(H_VALUES)]
    const base = head.view.word(H_LOG)
    const chunks = parts.closed.filter(({ maxt }) => maxt > newest)
    if (parts.openBytes > 0)
      chunks.push({ at: parts.openAt, length: parts.openBytes, maxt: newest })
    for (const chunk of chunks) {
      const count = head.kernel.decodeXor(base + chunk.at, chunk.length, times, values)
      if (count > 0) this.append(ref, count, cover)
    }
    const tailBase = Number(window.readBigInt64LE(at + SAVED_BASE))
    for (let k = 0; k < parts.fill; k++) {
      const sample = parts.tailAt + k * 12
      head.times[k] = tailBase + window.readUInt32LE(sample)
      window.copy(head.view.bytes, values + k * 8, sample + 4, sample + 12)
    }
    if (parts.fill > 0) this.append(ref, parts.fill, cover)
    if (this.segment >= cover.lateBefore) this.mergeLate(ref, window, parts)
  }

  private mergeLate(ref: number, window: Buffer, parts: SavedParts): void {
    const { head } = this
    const [times, values] = [head.view.word(H_OOO_TIMES), head.view.word(H_OOO_VALUES)]
    const base = head.view.word(H_LOG)
    for (const chunk of parts.lateClosed) {
      const count = head.kernel.decodeXor(base + chunk.at, chunk.length, times, values)
      if (count > 0) this.appendLate(ref, count)
    }
    for (let k = 0; k < parts.lateCount; k++) {
      const sample = parts.lateAt + k * 16
      head.view.f64[times / 8 + k] = Number(window.readBigInt64LE(sample))
      window.copy(head.view.bytes, values + k * 8, sample + 8, sample + 16)
    }
    if (parts.lateCount > 0) this.appendLate(ref, parts.lateCount)
  }

  private appendLate(ref: number, count: number): void {
    const { head, counts } = this
    const refs = head.view.word(H_OOO_REFS) / 4
    head.view.u32.fill(ref, refs, refs + count)
    const done = head.kernel.appendOutOfOrder(0, count)
    counts.samplesWithoutRoom += count - done
  }

  private append(ref: number, count: number, { before }: TenantCover): void {
    const { head, counts } = this
    head.refs.fill(ref, 0, count)
    const accepted = head.kernel.check(
      0,
      count,
      before,
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
    )
    const appended = head.kernel.append(0, accepted)
    head.kernel.publish(0, appended)
    if (appended < accepted) head.kernel.rollback(appended, accepted - appended)
    counts.samplesWithoutRoom += accepted - appended
  }
}

/** No series will get a number below this one. */
export function raiseNextNumber(head: Head, next: number): void {
  if (next > head.view.word(H_NEXT_LOG_REF)) head.view.u32[H_NEXT_LOG_REF >>> 2] = next
}

/** A closed chunk in the window. */
interface SavedChunk {
  readonly at: number
  readonly length: number
  readonly maxt: number
}

/** Where the parts of a saved state are in the window. */
interface SavedParts {
  readonly fill: number
  readonly tailAt: number
  readonly openAt: number
  readonly openBytes: number
  /** Oldest first. */
  readonly closed: SavedChunk[]
  /** Out of order: buffer, closed chunks. */
  readonly lateAt: number
  readonly lateCount: number
  readonly lateClosed: readonly SavedChunk[]
  readonly samples: number
}

/** Takes a saved state apart whose lengths are known to add up. */
function partsOf(window: Buffer, at: number): SavedParts {
  const fill = window[at + SAVED_FILL]!
  const tailAt = at + SAVED_HEADER_BYTES + window.readUInt16LE(at + SAVED_PAIR_COUNT) * 4
  const openAt = tailAt + fill * 12
  const openBytes = window.readUInt32LE(at + SAVED_OPEN_BYTES)
  const inOrder = closedOf(window, openAt + openBytes, window.readUInt32LE(at + SAVED_CLOSED))
  const samples = fill + inOrder.samples + openSamples(window, at)
  const parts = { fill, tailAt, openAt, openBytes, closed: inOrder.chunks }
  if (window[at + SAVED_LIMIT]! < SAVED_HAS_OOO) {
    return { ...parts, lateAt: 0, lateCount: 0, lateClosed: [], samples }
  }
  const lateCount = window.readUInt16LE(inOrder.end + SAVED_OOO_COUNT)
  const lateAt = inOrder.end + SAVED_OOO_HEADER_BYTES
  const count = window.readUInt32LE(inOrder.end + SAVED_OOO_CLOSED)
  const late = closedOf(window, lateAt + lateCount * 16, count)
  return {
    ...parts,
    lateAt,
    lateCount,
    lateClosed: late.chunks,
    samples: samples + lateCount + late.samples,
  }
}

function openSamples(window: Buffer, at: number): number {
  return window.readUInt16LE(at + SAVED_RECORD_END + R_COUNT - R_BYTES)
}

function closedOf(
  window: Buffer,
  from: number,
  count: number,
): { chunks: SavedChunk[]; samples: number; end: number } {
  const chunks: SavedChunk[] = []
  let samples = 0
  let at = from
  for (let left = count; left > 0; left--) {
    const length = window.readUInt16LE(at + C_LENGTH)
    const maxt = Number(window.readBigInt64LE(at + C_MAXT))
    chunks.push({ at: at + CHUNK_HEADER_BYTES, length, maxt })
    samples += window.readUInt16LE(at + C_COUNT)
    at += CHUNK_HEADER_BYTES + length
  }
  return { chunks: chunks.reverse(), samples, end: at }
}
