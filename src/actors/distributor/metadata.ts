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
  METADATA_RECORD_HEADER_BYTES,
  type MetadataRecord,
} from '../../shared/wire/frames/index.js'
import { decodeMetadata, type WriteMetadata } from '../../shared/wire/remote-write/index.js'
import type { Workbench } from './body.js'
import type { PushRequest } from './request.js'
import type { TenantSeries } from './series-cache.js'
import { checkMetadata } from './validate.js'

/** Records of one frame, in bytes; a single larger record is dropped. */
const FRAME_RECORD_BYTES_MAX = 32 << 10

interface WaitingFrame {
  readonly shard: number
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

  constructor(bench: Workbench, request: PushRequest, tenant: TenantSeries) {
    this.bench = bench
    this.request = request
    this.tenant = tenant
  }

  /** Takes the records that the walk noted in this chunk; false when one is malformed. */
  take(kernel: WriteRequestKernel): boolean {
    const count = kernel.get(layout.METADATA_COUNT)
    if (count === 0) return true
    const perShard: MetadataRecord[][] = this.bench.shards.map(() => [])
    for (let i = 0; i < count; i++) {
      const at = kernel.words[(kernel.metadata >>> 2) + i * 2]!
      const length = kernel.words[(kernel.metadata >>> 2) + i * 2 + 1]!
      const record = decodeRecord(kernel.bytes.subarray(at, at + length))
      if (record === undefined) return false
      this.check(record, perShard)
    }
    this.count += count
    for (const [shard, records] of perShard.entries()) this.queue(shard, records)
    return true
  }

  /** Sends what waits; false when a ring is full. */
  flush(): boolean {
    while (this.waiting.length > 0) {
      const { shard, payload } = this.waiting[0]!
      const result = this.bench.shards[shard]!.commitMetadata(payload)
      if (result === 'full') return false
      if (result === 'down' && this.request.retryText === '') {
        this.request.retryText = `ingester ${shard} is not running`
      }
      this.waiting.shift()
    }
    return true
  }

  /** Sends nothing more. */
  discard(): void {
    this.waiting = []
  }

  private check(record: WriteMetadata, perShard: MetadataRecord[][]): void {
    const verdict = checkMetadata(record, this.bench.config)
    if ('text' in verdict) {
      if (this.request.ownText === '') this.request.ownText = verdict.text
      this.bench.counters.discardMetadata(this.tenant.name, verdict.reason)
      return
    }
    const hash = fnv1(Buffer.from(verdict.record.metric), this.tenant.hash)
    perShard[memberOf(this.bench.ring, hash)]!.push(verdict.record)
  }

  private queue(shard: number, records: readonly MetadataRecord[]): void {
    let batch: MetadataRecord[] = []
    let bytes = 0
    const send = (): void => {
      const frame = { requestId: this.request.id, tenant: this.tenant.name, records: batch }
      if (batch.length > 0) this.waiting.push({ shard, payload: encodeMetadata(frame) })
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

/** A record, or undefined when its message is malformed. */
function decodeRecord(bytes: Uint8Array): WriteMetadata | undefined {
  try {
    return decodeMetadata(bytes)
  } catch {
    return undefined
  }
}

function recordBytes(record: MetadataRecord): number {
  const texts = [record.metric, record.help, record.unit]
  return texts.reduce(
    (sum, text) => sum + Buffer.byteLength(text),
    METADATA_RECORD_HEADER_BYTES + 7,
  )
}
