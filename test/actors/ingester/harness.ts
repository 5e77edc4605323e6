/** An ingester over a fake world, with one distributor's side of a link in the test's hands. */
import assert from 'node:assert/strict'
import { compactorConfigOf } from '../../../src/actors/compactor/client.js'
import { Compactor } from '../../../src/actors/compactor/compactor.js'
import { INGESTER_DEFAULTS, type IngesterBoot } from '../../../src/actors/ingester/contract.js'
import type { CutPeers } from '../../../src/actors/ingester/cutter.js'
import { Ingester } from '../../../src/actors/ingester/ingester.js'
import { BlockList } from '../../../src/actors/supervisor/block-list.js'
import { createIntakeCell } from '../../../src/shared/base/intake.js'
import { defaultConfig } from '../../../src/shared/config/index.js'
import type { Disk, Env } from '../../../src/shared/env/index.js'
import { createHeadMemory } from '../../../src/shared/kernels/head.js'
import type { TenantLimits } from '../../../src/shared/limits/index.js'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { createRingbuf, RingReader, RingWriter } from '../../../src/shared/ringbuf/index.js'
import { countXorChunk, decodeXorChunk } from '../../../src/shared/tsdb/chunk/xor.js'
import { encodeLabels } from '../../../src/shared/tsdb/head/label-bytes.js'
import {
  HeadReader,
  openBlock,
  type ReadBuffer,
  readSeries,
} from '../../../src/shared/tsdb/index.js'
import {
  ACK_HEADER_BYTES,
  DISCARD_REASONS,
  decodeForget,
  encodeForget,
  encodeRecords,
  FRAME_ACK,
  FRAME_FORGET,
  FRAME_FORGOTTEN,
  FRAME_RECORDS,
  FRAME_WRITE,
  forgetFrameBytes,
  padTo8,
  recordsFrameBytes,
  setRecordSeries,
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
  /** Has blocks cut, by a compactor and a block list of the test's own. */
  readonly cuts?: CutBed
}

/** A compactor and the block list, for shards that cut blocks. */
export class CutBed {
  readonly blockList = new BlockList()
  /** Before a build, and before the list is told; may throw. */
  onBuild: () => void = () => {}
  onAdd: () => void = () => {}
  private readonly compactor: Compactor

  constructor(env: Env) {
    const config = compactorConfigOf(defaultConfig())
    const intake = createIntakeCell()
    const boot = { index: 0, count: 1, config, limits: testLimits(), intake, kernel: headModule() }
    this.compactor = new Compactor(env, boot, [])
  }

  peers(): CutPeers {
    return {
      build: async (request) => {
        this.onBuild()
        return await this.compactor.calls.build(request)
      },
      keepLocal: (folder, ulids) => this.blockList.calls.keepLocal({ folder, ulids }),
      addBlocks: async (tenant, add) => {
        this.onAdd()
        return await this.blockList.calls.changeBlocks({ tenant, add })
      },
    }
  }

  /** All samples of a tenant's listed blocks, by metric name; a time that two have counts twice. */
  async samples(disk: Disk, tenant: string): Promise<Map<string, [t: number, v: number][]>> {
    const found = new Map<string, [number, number][]>()
    const { entries } = await this.blockList.calls.blocks({ tenant })
    for (const { localDir } of entries) {
      const block = await openBlock(disk, localDir!)
      for await (const { labels, chunks } of readSeries(block)) {
        const name = labels.find((label) => label.name === '__name__')!.value
        const list = found.get(name) ?? []
        found.set(name, list)
        for (const chunk of chunks) {
          const count = countXorChunk(chunk.data)
          const [ts, values] = [new Float64Array(count), new Float64Array(count)]
          decodeXorChunk(chunk.data, ts, values)
          for (let i = 0; i < count; i++) {
            assert.ok(ts[i]! >= block.meta.minTime && ts[i]! < block.meta.maxTime)
            list.push([ts[i]!, values[i]!])
          }
        }
      }
      block.close()
    }
    for (const list of found.values()) list.sort((a, b) => a[0] - b[0])
    return found
  }
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
  private nextId = 0
  /** Answers of the distributor to FORGET; those of a test that sees to it itself. */
  onForget: (ids: Uint32Array) => void = (ids) => this.sendForgotten(ids)
  private readonly options: ShardOptions

  constructor(env: Env, options: ShardOptions = {}) {
    this.options = options
    this.memory = createHeadMemory(options.pages)
    const boot: IngesterBoot = {
      index: options.index ?? 0,
      shardCount: options.shardCount ?? 1,
      config: { ...INGESTER_DEFAULTS, dataDir: 'data', ...options.config },
      limits: testLimits(options.limits),
      memory: this.memory,
      ...(options.budget === undefined ? {} : { budget: options.budget }),
      kernel: headModule(),
    }
    this.ingester = new Ingester(env, boot, options.cuts?.peers())
    const ends = this.link()
    this.writer = ends.writer
    this.reader = ends.reader
    this.headReader = new HeadReader(this.memory, headModule(), 0, env.disk)
    if (options.isReplayLeft !== true && options.cuts === undefined) {
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
    this.nextId = 0
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
      const id = this.nextId++
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

  /** Sends the records of one body, of a series that was defined before; the ack. */
  pushRecords(tenant: string, name: string, records: readonly Uint8Array[]): Ack {
    this.sendRecords(tenant, name, records)
    const acks = this.settle()
    assert.equal(acks.length, 1)
    return acks[0]!
  }

  /** The same without a turn. */
  sendRecords(tenant: string, name: string, records: readonly Uint8Array[]): void {
    const id = this.ids.get(JSON.stringify([tenant, name]))
    assert.ok(id !== undefined, 'the series was defined')
    for (const record of records) setRecordSeries(record, id)
    const tenantBytes = Buffer.from(tenant)
    const bytes = records.reduce((sum, record) => sum + record.length, 0)
    const at = this.writer.reserve(FRAME_RECORDS, recordsFrameBytes(tenantBytes.length, bytes))
    assert.ok(at >= 0, 'the ring is full')
    const head = { requestId: this.nextRequest++, flags: WRITE_LAST, tenant: tenantBytes }
    encodeRecords(this.writer.data, at, head, records)
    this.writer.commit()
  }

  /** Turns until there is nothing to do; the acks that came. */
  settle(): Ack[] {
    while (this.ingester.turn()) {}
    return this.takeAcks()
  }

  takeAcks(): Ack[] {
    const taken: Ack[] = []
    while (this.reader.next()) {
      const { data, offset, length } = this.reader
      if (this.reader.kind === FRAME_FORGET) {
        this.onForget(decodeForget(data, offset, length)!)
        continue
      }
      assert.equal(this.reader.kind, FRAME_ACK)
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

  /** Forgets ids, and says so, as a distributor does between two bodies. */
  sendForgotten(ids: Uint32Array): void {
    const forgotten = new Set(ids)
    for (const [key, id] of this.ids) if (forgotten.has(id)) this.ids.delete(key)
    const at = this.writer.reserve(FRAME_FORGOTTEN, forgetFrameBytes(ids.length))
    assert.ok(at >= 0, 'the ring is full')
    encodeForget(this.writer.data, at, ids)
    this.writer.commit()
  }

  /** Turns until it answers queries. */
  async ready(): Promise<void> {
    for (let turns = 0; this.ingester.status().readyPercent < 100; turns++) {
      assert.ok(turns < 1000, 'it is never ready')
      this.ingester.turn()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Turns, and whatever they wait for, until nothing happens for a while. */
  async rest(): Promise<void> {
    for (let idle = 0; idle < 20; ) {
      idle = this.ingester.turn() ? 0 : idle + 1
      this.takeAcks()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Cuts a tenant's whole head. */
  async flush(tenant: string): Promise<void> {
    let error: unknown
    let isDone = false
    this.ingester.calls.flush({ tenants: [tenant], wait: true }).then(
      () => {
        isDone = true
      },
      (reason: unknown) => {
        error = reason
        isDone = true
      },
    )
    for (let turns = 0; !isDone; turns++) {
      assert.ok(turns < 100_000, 'it is never cut')
      this.ingester.turn()
      this.takeAcks()
      await new Promise((resolve) => setImmediate(resolve))
    }
    if (error !== undefined) throw error
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
