/** An ingester over a fake world, with one distributor's side of a link in the test's hands. */
import assert from 'node:assert/strict'
import { INGESTER_DEFAULTS, type IngesterBoot } from '../../../src/actors/ingester/contract.js'
import { Ingester } from '../../../src/actors/ingester/ingester.js'
import type { Env } from '../../../src/shared/env/index.js'
import { createHeadMemory } from '../../../src/shared/kernels/head.js'
import type { TenantLimits } from '../../../src/shared/limits/index.js'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { createRingbuf, RingReader, RingWriter } from '../../../src/shared/ringbuf/index.js'
import { encodeLabels } from '../../../src/shared/tsdb/head/label-bytes.js'
import { HeadReader, type ReadBuffer } from '../../../src/shared/tsdb/index.js'
import {
  ACK_HEADER_BYTES,
  DISCARD_REASONS,
  FRAME_ACK,
  FRAME_WRITE,
  padTo8,
  WRITE_HEADER_BYTES,
  WRITE_LAST,
} from '../../../src/shared/wire/frames/index.js'
import { headModule } from '../../support/head-source.js'
import { testLimits } from '../../support/limits.js'

export interface Ack {
  readonly requestId: number
  readonly status: number
  /** Discarded samples by reason. */
  readonly counts: Readonly<Record<string, number>>
  readonly text: string
}

/** One sample of a series that is named by its metric name. */
export type Sample = readonly [name: string, t: number, v: number]

export interface ShardOptions {
  readonly index?: number
  readonly shardCount?: number
  readonly config?: Partial<IngesterBoot['config']>
  readonly limits?: Partial<TenantLimits>
  readonly pages?: number
  readonly ringBytes?: number
  readonly ackBytes?: number
  readonly budget?: SharedArrayBuffer
  /** Leaves the replay to the test's own turns. */
  readonly isReplayLeft?: boolean
}

export class Shard {
  readonly ingester: Ingester
  readonly memory: WebAssembly.Memory
  readonly acks: Ack[] = []
  writer: RingWriter
  reader: RingReader
  private readonly ids = new Map<string, number>()
  private readonly headReader: HeadReader
  private readonly out: ReadBuffer = {
    ts: new Float64Array(0),
    values: new Float64Array(0),
    count: 0,
  }
  private nextRequest = 1
  private readonly options: ShardOptions

  constructor(env: Env, options: ShardOptions = {}) {
    this.options = options
    this.memory = createHeadMemory(options.pages)
    this.ingester = new Ingester(env, {
      index: options.index ?? 0,
      shardCount: options.shardCount ?? 1,
      config: { ...INGESTER_DEFAULTS, dataDir: 'data', ...options.config },
      limits: testLimits(options.limits),
      memory: this.memory,
      ...(options.budget === undefined ? {} : { budget: options.budget }),
      kernel: headModule(),
    })
    const ends = this.link()
    this.writer = ends.writer
    this.reader = ends.reader
    this.headReader = new HeadReader(this.memory, headModule(), 0)
    if (options.isReplayLeft !== true) {
      while (this.ingester.status().readyPercent < 100) this.ingester.turn()
    }
  }

  /** A new generation of the link: no id is defined on it. */
  link(): { writer: RingWriter; reader: RingReader } {
    const down = createRingbuf(this.options.ringBytes ?? 1 << 20, 1)
    const up = createRingbuf(this.options.ackBytes ?? 1 << 16, 1)
    const ring = (): void => {}
    this.ingester.linkDistributor(0, {
      writer: new RingWriter(up, ring),
      reader: new RingReader(down),
    })
    this.ids.clear()
    this.writer = new RingWriter(down, ring)
    this.reader = new RingReader(up)
    return { writer: this.writer, reader: this.reader }
  }

  /** Commits a WRITE frame; series are defined when first used on the link. */
  send(
    tenant: string,
    samples: readonly Sample[],
    options: { requestId?: number; isLast?: boolean; undefined?: boolean } = {},
  ): number {
    const requestId = options.requestId ?? this.nextRequest++
    const defines: Buffer[] = []
    let defineCount = 0
    const ids = samples.map(([name]) => {
      const key = JSON.stringify([tenant, name])
      const known = this.ids.get(key)
      if (known !== undefined) return known
      const id = this.ids.size
      this.ids.set(key, id)
      if (options.undefined === true) return id
      const labels = encodeLabels(labelsOf({ __name__: name, job: 'test' }))
      const define = Buffer.alloc(16 + padTo8(labels.length))
      define.writeUInt32LE(id, 0)
      define.writeUInt32LE(2, 4)
      define.writeUInt32LE(labels.length, 8)
      define.set(labels, 16)
      defines.push(define)
      defineCount++
      return id
    })
    const section = Buffer.concat(defines)
    const tenantBytes = Buffer.from(tenant)
    const idsAt = WRITE_HEADER_BYTES + padTo8(tenantBytes.length) + section.length
    const timesAt = idsAt + padTo8(ids.length * 4)
    const length = timesAt + samples.length * 16
    const at = this.writer.reserve(FRAME_WRITE, length)
    assert.ok(at >= 0, 'the ring is full')
    const frame = Buffer.from(
      this.writer.data.buffer as ArrayBuffer,
      this.writer.data.byteOffset + at,
      length,
    )
    frame.fill(0)
    frame.writeUInt32LE(requestId, 0)
    frame.writeUInt32LE(options.isLast === false ? 0 : WRITE_LAST, 4)
    frame.writeUInt32LE(tenantBytes.length, 8)
    frame.writeUInt32LE(defineCount, 12)
    frame.writeUInt32LE(section.length, 16)
    frame.writeUInt32LE(samples.length, 20)
    frame.set(tenantBytes, WRITE_HEADER_BYTES)
    frame.set(section, idsAt - section.length)
    for (const [i, [, t, v]] of samples.entries()) {
      frame.writeUInt32LE(ids[i]!, idsAt + i * 4)
      frame.writeDoubleLE(t, timesAt + i * 8)
      frame.writeDoubleLE(v, timesAt + (samples.length + i) * 8)
    }
    this.writer.commit()
    return requestId
  }

  /** Turns until there is nothing to do; the acks that came. */
  settle(): Ack[] {
    while (this.ingester.turn()) {}
    return this.takeAcks()
  }

  takeAcks(): Ack[] {
    const taken: Ack[] = []
    while (this.reader.next()) {
      assert.equal(this.reader.kind, FRAME_ACK)
      const { data, offset, length } = this.reader
      const frame = Buffer.from(data.slice(offset, offset + length))
      const counts: Record<string, number> = {}
      const reasonCount = frame.readUInt32LE(8)
      for (let i = 0; i < reasonCount; i++) {
        const reason = DISCARD_REASONS[frame.readUInt32LE(ACK_HEADER_BYTES + i * 8)]!
        counts[reason] = frame.readUInt32LE(ACK_HEADER_BYTES + i * 8 + 4)
      }
      const textAt = ACK_HEADER_BYTES + reasonCount * 8
      assert.equal(length, textAt + frame.readUInt32LE(12))
      taken.push({
        requestId: frame.readUInt32LE(0),
        status: frame.readUInt32LE(4),
        counts,
        text: frame.toString('utf8', textAt),
      })
    }
    this.reader.release()
    this.acks.push(...taken)
    return taken
  }

  /** Sends, takes turns, gives the one ack. */
  push(tenant: string, samples: readonly Sample[]): Ack {
    const requestId = this.send(tenant, samples)
    const acks = this.settle()
    assert.equal(acks.length, 1)
    assert.equal(acks[0]!.requestId, requestId)
    return acks[0]!
  }

  /** All samples of a series. */
  async read(tenant: string, name: string): Promise<[t: number, v: number][]> {
    const { refs } = await this.ingester.calls.select({
      tenant,
      matchers: [{ name: '__name__', op: '=', value: name }],
      mint: -Infinity,
      maxt: Infinity,
    })
    assert.ok(refs.length <= 1)
    if (refs.length === 0) return []
    this.headReader.read(refs[0]!, -Infinity, Infinity, this.out)
    return Array.from({ length: this.out.count }, (_, i) => [this.out.ts[i]!, this.out.values[i]!])
  }
}
