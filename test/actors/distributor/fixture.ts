/**
 * A distributor in this thread with fake ingesters at the other ends of its links: they take frames
 * apart, keep what was defined, and ack when told.
 */
import assert from 'node:assert/strict'
import {
  DISTRIBUTOR_DEFAULTS,
  type DistributorConfig,
} from '../../../src/actors/distributor/contract.js'
import { Distributor } from '../../../src/actors/distributor/distributor.js'
import { compileKernel } from '../../../src/shared/kernels/load.js'
import type { TenantLimits } from '../../../src/shared/limits/index.js'
import {
  createRingbuf,
  RingReader,
  RingWriter,
  ringStats,
} from '../../../src/shared/ringbuf/index.js'
import {
  ACK_OK,
  type AckFrame,
  type AnswerFrame,
  bodyFrameBytes,
  decodeAnswer,
  decodeMetadataFrame,
  decodeWrite,
  eachRecord,
  encodeAck,
  encodeBody,
  FRAME_ACK,
  FRAME_ANSWER,
  FRAME_BODY,
  FRAME_METADATA,
  FRAME_RECORDS,
  FRAME_WRITE,
  findRecords,
  type MetadataRecord,
  type RecordView,
  WRITE_LAST,
  type WriteFrame,
} from '../../../src/shared/wire/frames/index.js'
import { createFakeEnv, type FakeEnv } from '../../support/fake-env.js'
import { testLimits } from '../../support/limits.js'

/** Compiled once for all tests of a file. */
export const kernel = compileKernel('write-request')

/** Small enough that a test may make many; real limits otherwise. */
export const TEST_CONFIG: DistributorConfig = {
  ...DISTRIBUTOR_DEFAULTS,
  maxRecvMsgSize: 16 << 20,
  templateBytesMax: 4 << 20,
  seriesIdsMax: 65_536,
}

/** The far end of a distributor's link to a shard. */
export class FakeIngester {
  readonly ends: { writer: RingWriter; reader: RingReader }
  /** Labels of each id, `name=value,…`. */
  readonly bound = new Map<number, string>()
  readonly frames: WriteFrame[] = []
  readonly metadata: MetadataRecord[] = []
  readonly defineCounts = new Map<number, number>()
  /** Samples by `tenant|labels`: `time:bits`. */
  readonly samples = new Map<string, string[]>()
  /** Histograms and exemplars. */
  readonly records: RecordView[] = []
  /** Frames that it had been sent when it was woken. */
  readonly wokenBy: number[] = []
  private readonly reader: RingReader
  private readonly writer: RingWriter

  constructor(options: { generation?: number; frameRing?: number; ackRing?: number } = {}) {
    const generation = options.generation ?? 1
    const down = createRingbuf(options.frameRing ?? 1 << 20, generation)
    const up = createRingbuf(options.ackRing ?? 1 << 16, generation)
    const ring = (): void => void this.wokenBy.push(ringStats(down).frames)
    this.ends = { writer: new RingWriter(down, ring), reader: new RingReader(up) }
    this.reader = new RingReader(down)
    this.writer = new RingWriter(up, () => {})
  }

  /** Takes up to `most` frames; asserts that no sample comes before its id was defined. */
  take(most = Number.POSITIVE_INFINITY): WriteFrame[] {
    const taken: WriteFrame[] = []
    while (taken.length < most && this.reader.next()) {
      const { data, offset, kind } = this.reader
      if (kind === FRAME_METADATA) {
        this.metadata.push(...decodeMetadataFrame(data, offset).records)
        continue
      }
      if (kind === FRAME_RECORDS) {
        const found = findRecords(data, offset, this.reader.length)
        assert.ok(found !== undefined)
        const isWhole = eachRecord(found.records, found.recordCount, (record) => {
          assert.ok(this.bound.has(record.series), `id ${record.series} is not defined`)
          this.records.push({ ...record, payload: Uint8Array.from(record.payload) })
        })
        assert.ok(isWhole)
        const empty = { ids: new Uint32Array(), times: new Float64Array() }
        const { requestId, flags, tenant } = found
        const values = new BigUint64Array()
        taken.push({ requestId, flags, tenant, defines: [], ...empty, values })
        continue
      }
      assert.equal(kind, FRAME_WRITE)
      const frame = decodeWrite(data, offset)
      this.note(frame)
      taken.push(frame)
      this.frames.push(frame)
    }
    this.reader.release()
    return taken
  }

  ack(ack: Partial<AckFrame> & { requestId: number }): void {
    const payload = encodeAck({ status: ACK_OK, reasons: [], text: '', ...ack })
    const offset = this.writer.reserve(FRAME_ACK, payload.length)
    assert.ok(offset >= 0, 'the distributor left room for this ack')
    this.writer.data.set(payload, offset)
    this.writer.commit()
  }

  /** Wants to be woken for the next frame. */
  sleep(): void {
    assert.ok(this.reader.prepareSleep())
  }

  /** Takes all frames and acks each body. */
  serve(): number {
    const frames = this.take()
    for (const frame of frames) {
      if ((frame.flags & WRITE_LAST) !== 0) this.ack({ requestId: frame.requestId })
    }
    return frames.length
  }

  private note(frame: WriteFrame): void {
    for (const define of frame.defines) {
      const names = define.labels.map(([name]) => name)
      assert.deepEqual(names, [...names].sort(), 'labels are sorted')
      this.bound.set(define.id, define.labels.map(([name, value]) => `${name}=${value}`).join(','))
      this.defineCounts.set(define.id, (this.defineCounts.get(define.id) ?? 0) + 1)
    }
    for (const [index, id] of frame.ids.entries()) {
      const labels = this.bound.get(id)
      assert.ok(labels !== undefined, `id ${id} is used before it is defined`)
      const key = `${frame.tenant}|${labels}`
      const list = this.samples.get(key) ?? []
      this.samples.set(key, list)
      list.push(`${frame.times[index]}:${frame.values[index]!.toString(16)}`)
    }
  }
}

/** A distributor with its surroundings. */
export class Fixture {
  readonly env: FakeEnv
  readonly distributor: Distributor
  readonly shards: FakeIngester[]
  readonly answers: AnswerFrame[] = []
  readonly relinked: number[] = []
  private toDistributor!: RingWriter
  private fromDistributor!: RingReader
  private nextId = 1

  constructor(
    options: {
      shards?: number
      config?: Partial<DistributorConfig>
      limits?: Partial<TenantLimits>
      haCells?: SharedArrayBuffer
      tenantCells?: SharedArrayBuffer
      frameRing?: number
      ackRing?: number
      bodyRing?: number
    } = {},
  ) {
    const count = options.shards ?? 1
    this.env = createFakeEnv()
    this.distributor = new Distributor(this.env, {
      index: 0,
      shardCount: count,
      config: { ...TEST_CONFIG, ...options.config },
      limits: testLimits(options.limits),
      ...(options.haCells === undefined ? {} : { haCells: options.haCells }),
      ...(options.tenantCells === undefined ? {} : { tenantCells: options.tenantCells }),
      kernel,
      onRelink: (shard) => this.relinked.push(shard),
      poke: () => {},
    })
    this.shards = Array.from({ length: count }, () => new FakeIngester(options))
    for (const [index, shard] of this.shards.entries()) {
      this.distributor.linkShard(index, shard.ends)
    }
    this.relinkMain(options.bodyRing)
  }

  /** A new link from main. */
  relinkMain(bodyRing = 1 << 20): void {
    const down = createRingbuf(bodyRing, 1)
    const up = createRingbuf(1 << 16, 1)
    this.toDistributor = new RingWriter(down, () => {})
    this.fromDistributor = new RingReader(up)
    const ends = { writer: new RingWriter(up, () => {}), reader: new RingReader(down) }
    this.distributor.linkMain(ends)
  }

  /** Puts a body into the ring; its request id, or −1 when the ring is full. */
  send(body: Uint8Array, tenant = 'acme', flags = 0): number {
    const name = Buffer.from(tenant)
    const offset = this.toDistributor.reserve(FRAME_BODY, bodyFrameBytes(name.length, body.length))
    if (offset < 0) return -1
    const requestId = this.nextId++
    const head = { requestId, flags, tenant: name, bodyBytes: body.length }
    encodeBody(this.toDistributor.data, offset, head, [body])
    this.toDistributor.commit()
    return requestId
  }

  /** Posts a body as one too large for the ring. */
  sendLarge(body: Uint8Array, tenant = 'acme'): number {
    const requestId = this.nextId++
    this.distributor.takeOversize({ requestId, tenant, flags: 0, body: body.slice().buffer })
    return requestId
  }

  /** Sends, serves all sides until nothing moves, gives the answer. */
  push(body: Uint8Array, tenant = 'acme', flags = 0): AnswerFrame {
    const requestId = this.send(body, tenant, flags)
    assert.ok(requestId > 0)
    this.settle()
    return this.answer(requestId)
  }

  pushLarge(body: Uint8Array, tenant = 'acme'): AnswerFrame {
    const requestId = this.sendLarge(body, tenant)
    this.settle()
    return this.answer(requestId)
  }

  answer(requestId: number): AnswerFrame {
    const answer = this.answers.find((one) => one.requestId === requestId)
    assert.ok(answer !== undefined, `request ${requestId} was answered`)
    return answer
  }

  /** Reads answers; how many came. */
  readAnswers(): number {
    let count = 0
    while (this.fromDistributor.next()) {
      assert.equal(this.fromDistributor.kind, FRAME_ANSWER)
      this.answers.push(decodeAnswer(this.fromDistributor.data, this.fromDistributor.offset))
      count++
    }
    this.fromDistributor.release()
    return count
  }

  /** Turns everything until nothing moves. */
  settle(): void {
    for (let idle = 0; idle < 3; idle++) {
      if (this.distributor.turn()) idle = 0
      for (const shard of this.shards) if (shard.serve() > 0) idle = 0
      if (this.readAnswers() > 0) idle = 0
    }
  }

  /** A new generation of a shard's link. */
  relink(index: number, options: { generation?: number; frameRing?: number } = {}): void {
    const shard = new FakeIngester({ generation: 2, ...options })
    this.shards[index] = shard
    this.distributor.linkShard(index, shard.ends)
  }
}

/** Bits of a number, as the fake ingester keeps them. */
export function bitsOf(value: number): string {
  return new BigUint64Array(new Float64Array([value]).buffer)[0]!.toString(16)
}
