/**
 * Metadata records of the body in hand: read, checked, sent to the shard that their metric name
 * falls to. Rare (a sender repeats them once a minute), hence plain TypeScript.
 */
import { fnv1 } from '../../shared/base/fnv.js'
import { memberOf } from '../../shared/hashring/index.js'
import * as layout from '../../shared/kernels/assembly/write-request-layout.js'
import type { WriteRequestKernel } from '../../shared/kernels/write-request.js'
import {
  encodeMetadata,
  METADATA_ACKED,
  METADATA_RECORD_HEADER_BYTES,
  type MetadataRecord,
} from '../../shared/wire/frames/index.js'
import type { WriteMetadata } from '../../shared/wire/remote-write/index.js'
import type { Workbench } from './body.js'
import type { Protocol } from './protocol.js'
import type { PushRequest } from './request.js'
import type { ReplicaSet } from './route.js'
import type { TenantSeries } from './series-cache.js'
import { checkMetadata } from './validate.js'

/** Records of one frame, in bytes; a single larger record is dropped. */
const FRAME_RECORD_BYTES_MAX = 32 << 10

interface WaitingFrame {
  readonly set: ReplicaSet
  readonly payload: Uint8Array
}

/** Gathers and sends the metadata of one body. */
export class MetadataSender {
  /** Records seen so far. */
  count = 0
  private readonly bench: Workbench
  private readonly request: PushRequest
  private readonly tenant: TenantSeries
  private waiting: WaitingFrame[] = []
  /** Ingesters may refuse some, and tell it in the ack of the body. */
  private readonly isLimited: boolean
  private readonly protocol: Protocol

  constructor(bench: Workbench, request: PushRequest, tenant: TenantSeries, protocol: Protocol) {
    this.protocol = protocol
    this.bench = bench
    this.request = request
    this.tenant = tenant
    const { max_global_metadata_per_user: user, max_global_metadata_per_metric: metric } =
      tenant.limits
    this.isLimited = user > 0 || metric > 0
  }

  /** Takes the records that the walk noted in this chunk; false when one is malformed. */
  take(kernel: WriteRequestKernel): boolean {
    const count = kernel.get(layout.METADATA_COUNT)
    if (count === 0) return true
    const perSet: MetadataRecord[][] = this.bench.sets.map(() => [])
    // Series of one metric say the same.
    let last: WriteMetadata | undefined
    for (let i = 0; i < count; i++) {
      const record = this.protocol.metadataAt(i)
      if (record === undefined) return false
      const isNew = last === undefined || !isSame(record, last)
      if (isNew || !this.protocol.repeatsMetadata) this.check(record, perSet)
      last = record
    }
    this.count += count
    for (const [set, records] of perSet.entries()) this.queue(set, records)
    return true
  }

  /**
   * Sends what waits; false when a ring is full.
   * @param partial [sets], set to 1 where the body owes a last frame now, for the ack
   */
  flush(partial: Uint8Array): boolean {
    while (this.waiting.length > 0) {
      const { set, payload } = this.waiting[0]!
      const result = set.commitMetadata(payload)
      if (result === 'full') return false
      if (result === 'down') this.request.retryText ||= set.downText()
      else if (this.isLimited) partial[set.index] = 1
      this.waiting.shift()
    }
    return true
  }

  /** Sends nothing more. */
  discard(): void {
    this.waiting = []
  }

  private check(record: WriteMetadata, perSet: MetadataRecord[][]): void {
    const verdict = checkMetadata(record, this.tenant.limits)
    if ('text' in verdict) {
      if (this.request.ownText === '') this.request.ownText = verdict.text
      this.bench.counters.discardMetadata(this.tenant.name, verdict.reason)
      return
    }
    const hash = fnv1(Buffer.from(verdict.record.metric), this.tenant.hash)
    perSet[memberOf(this.bench.ring, hash, this.tenant.members)]!.push(verdict.record)
  }

  private queue(index: number, records: readonly MetadataRecord[]): void {
    const set = this.bench.sets[index]!
    let batch: MetadataRecord[] = []
    let bytes = 0
    const send = (): void => {
      const flags = this.isLimited ? METADATA_ACKED : 0
      const frame = { requestId: this.request.id, flags, tenant: this.tenant.name, records: batch }
      if (batch.length > 0) this.waiting.push({ set, payload: encodeMetadata(frame) })
      batch = []
      bytes = 0
    }
    for (const record of records) {
      const size = recordBytes(record)
      if (size > FRAME_RECORD_BYTES_MAX) continue
      if (bytes + size > FRAME_RECORD_BYTES_MAX) send()
      batch.push(record)
      bytes += size
    }
    send()
  }
}

function isSame(a: WriteMetadata, b: WriteMetadata): boolean {
  return a.metric === b.metric && a.type === b.type && a.help === b.help && a.unit === b.unit
}

/** How long the metadata of a series is not sent on again when it stays the same. */
const EPOCH_MS = 240_000

/** Changes every now and then, so that ingesters hear of metadata before they forget it. */
export function metadataEpoch(nowMs: number): number {
  return Math.imul(Math.floor(nowMs / EPOCH_MS), 0x9e3779b1) >>> 0
}

function recordBytes(record: MetadataRecord): number {
  const texts = [record.metric, record.help, record.unit]
  return texts.reduce(
    (sum, text) => sum + Buffer.byteLength(text),
    METADATA_RECORD_HEADER_BYTES + 7,
  )
}
