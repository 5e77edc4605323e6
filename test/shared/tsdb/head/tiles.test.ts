/**
 * What is done eight columns at a time (kernels/assembly/head-tiles.ts) has no outcome of its own: a
 * head that is given whole turns and one that is given their columns one by one come to the same.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededPrng } from '../../../../src/shared/base/prng.js'
import { createHeadMemory } from '../../../../src/shared/kernels/head.js'
import * as layout from '../../../../src/shared/kernels/head-layout.js'
import { labelsOf } from '../../../../src/shared/model/labels.js'
import { type Head, HeadReader, type ReadBuffer } from '../../../../src/shared/tsdb/index.js'
import { createTestHead, headModule } from '../../../support/head-source.js'

/** Some beyond the border of a slab. */
const SERIES = layout.SERIES_SLAB_MASK + 1 + 40
const START = 1_700_000_000_000
const DAY = 86_400_000

interface Turn {
  readonly refs: number[]
  readonly times: number[]
  readonly values: bigint[]
  readonly oldest: number
  readonly oooOldest: number
}

class Maker {
  private readonly prng: SeededPrng

  constructor(seed: number) {
    this.prng = new SeededPrng(seed)
  }

  below(end: number): number {
    return this.prng.nextU32() % end
  }

  private isOne(of: number): boolean {
    return this.below(of) === 0
  }

  /** A turn whose samples are of about one time. */
  turn(now: number): Turn {
    const turn: Turn = {
      refs: [],
      times: [],
      values: [],
      oldest: this.isOne(3) ? now - this.below(40_000) : Number.NEGATIVE_INFINITY,
      oooOldest: this.isOne(3) ? now - this.below(60_000) : Number.POSITIVE_INFINITY,
    }
    const pieces = 1 + this.below(12)
    for (let piece = 0; piece < pieces; piece++) this.addPiece(turn, now)
    return turn
  }

  /** A run of neighbours, mostly of whole tiles. */
  private addPiece(turn: Turn, now: number): void {
    // Few tiles, so that each gets many samples; those around the border of the slabs among them.
    const near = this.isOne(3) ? layout.SERIES_SLAB_MASK + 1 - 16 : 0
    const start = near + (this.isOne(4) ? this.below(32) : 8 * this.below(4))
    const count = this.isOne(4) ? 1 + this.below(20) : 8 * (1 + this.below(3))
    const kind = this.below(8)
    for (let k = 0; k < count; k++) {
      const ref = start + k
      if (kind === 0 && this.isOne(6)) continue
      if (kind === 1 && this.isOne(6)) this.add(turn, ref, now + this.below(5) - 0.5)
      this.add(turn, ref, now + this.jitter(kind))
      if (kind === 2 && this.isOne(6)) this.add(turn, ref, now + this.below(3))
    }
  }

  private jitter(kind: number): number {
    if (kind === 3) return this.below(12_000)
    if (kind === 4 && this.isOne(6)) return -this.below(90_000)
    if (kind === 5 && this.isOne(40))
      return [60 * DAY, 2 ** 51, -START - 5, 2 ** 53][this.below(4)]!
    return this.isOne(10) ? this.below(3000) : 0
  }

  private add(turn: Turn, ref: number, t: number): void {
    turn.refs.push(ref)
    turn.times.push(t)
    const bits = this.isOne(5) ? BigInt(this.prng.nextU32()) << 32n : 0x4059_0000_0000_0000n
    turn.values.push(bits + BigInt(this.below(3)))
  }
}

function createHead(memory = createHeadMemory()): Head {
  const head = createTestHead(memory)
  for (let i = 0; i < SERIES; i++) {
    assert.equal(head.getOrCreate('t', labelsOf({ __name__: 'm', i: `${i}` })), i)
  }
  return head
}

function put(head: Head, at: number, turn: Turn, from: number, count: number): void {
  const words = new BigUint64Array(head.values.buffer, head.values.byteOffset, head.capacity)
  for (let i = 0; i < count; i++) {
    head.refs[at + i] = turn.refs[from + i]!
    head.times[at + i] = turn.times[from + i]!
    words[at + i] = turn.values[from + i]!
  }
}

/** Columns [0, count) of a turn: refs, times, bits of values. */
function columns(head: Head, count: number): [number[], number[], bigint[]] {
  const words = new BigUint64Array(head.values.buffer, head.values.byteOffset, count)
  return [
    Array.from(head.refs.subarray(0, count)),
    Array.from(head.times.subarray(0, count)),
    Array.from(words),
  ]
}

function begin(head: Head): void {
  head.kernel.truncateOutOfOrder(0)
  head.kernel.clearCounts()
  head.kernel.clearRange()
  head.kernel.logBegin()
}

function checkWhole(head: Head, turn: Turn): number {
  begin(head)
  put(head, 0, turn, 0, turn.refs.length)
  return head.kernel.check(0, turn.refs.length, turn.oldest, turn.oooOldest, Infinity)
}

function checkOneByOne(head: Head, turn: Turn): number {
  begin(head)
  let kept = 0
  for (let i = 0; i < turn.refs.length; i++) {
    put(head, kept, turn, i, 1)
    kept += head.kernel.check(kept, 1, turn.oldest, turn.oooOldest, Infinity)
  }
  return kept
}

function lateColumns(head: Head): unknown[] {
  const { view } = head
  const count = head.outOfOrderCount()
  const buffer = view.memory.buffer as ArrayBuffer
  return [
    count,
    Array.from(new Uint32Array(buffer, view.word(layout.H_OOO_REFS), count)),
    Array.from(new Float64Array(buffer, view.word(layout.H_OOO_TIMES), count)),
    Array.from(new BigUint64Array(buffer, view.word(layout.H_OOO_VALUES), count)),
  ]
}

/** What the checks of a turn say beside its columns. */
function verdict(head: Head): unknown[] {
  return [head.counts(), head.firstRejection(), head.acceptedRange(), lateColumns(head)]
}

function place(head: Head, ref: number): { slab: number; s: number } {
  const at = layout.SERIES_DIRECTORY + (ref >>> layout.SERIES_SLAB_SHIFT) * 4
  const slab = head.view.word(at)
  const s = ref & layout.SERIES_SLAB_MASK
  return { slab, s }
}

/** Per tile its sequence, and the counts that readers go by. */
function published(head: Head): string[] {
  const tiles: string[] = []
  for (let ref = 0; ref < SERIES; ref += 8) {
    const { slab, s } = place(head, ref)
    const counts = head.view.bytes.subarray(slab + layout.COUNTS + s, slab + layout.COUNTS + s + 8)
    tiles.push(`${head.view.word(slab + (s >>> 3) * 4)}: ${Array.from(counts)}`)
  }
  return tiles
}

/** Bytes of the open chunk of a series, whose tail is in it, and of the closed ones, newest first. */
function chunks(head: Head, ref: number): string[] {
  assert.equal(head.kernel.settle(ref), 1)
  const { view } = head
  const { slab, s } = place(head, ref)
  const record = slab + layout.RECORDS + s * layout.RECORD_BYTES
  const hex = (at: number, length: number): string =>
    Buffer.from(view.bytes.slice(at, at + length)).toString('hex')
  const count = view.word(record + layout.R_COUNT) & 0xffff
  const length = (view.word(record + layout.R_BYTES) & 0xffff) + 1
  const found = [count === 0 ? '' : hex(view.word(record + layout.R_OPEN), length)]
  let chunk = view.word(record + layout.R_CLOSED)
  for (; chunk !== 0; chunk = view.word(chunk + layout.C_PREVIOUS)) {
    const bytes = view.word(chunk + layout.C_LENGTH) & 0xffff
    found.push(hex(chunk + layout.C_LENGTH, layout.CHUNK_HEADER_BYTES - layout.C_LENGTH + bytes))
  }
  return found
}

/** Number, time and value of each sample that the log buffer has; numbers of its series records join `known`. */
function logged(head: Head, known: Set<number>): [number, number, bigint][] {
  const batch = Buffer.from(Uint8Array.from(head.logBatch()))
  const samples: [number, number, bigint][] = []
  let at = layout.BATCH_HEADER_BYTES
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = batch[at++]!
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
  }
  const zigzag = (): bigint => {
    const z = varint()
    return (z >> 1n) ^ -(z & 1n)
  }
  const end = layout.BATCH_HEADER_BYTES + head.logBytes()
  while (at < end) {
    const kind = batch.readUInt32LE(at)
    const length = batch.readUInt32LE(at + 4)
    at += layout.RECORD_HEADER_BYTES
    const next = at + length
    if (kind === layout.RECORD_SERIES) {
      at += 8 + batch.readUInt32LE(at)
      while (at < next) {
        known.add(Number(varint()))
        varint()
        const bytes = Number(varint())
        at += bytes
      }
    } else {
      assert.equal(kind, layout.RECORD_SAMPLES)
      const base = batch.readBigInt64LE(at)
      const count = batch.readUInt32LE(at + 8)
      at += 16
      let number = 0n
      for (let i = 0; i < count; i++) {
        number += zigzag()
        const t = Number(base + zigzag())
        samples.push([Number(number), t, batch.readBigUInt64LE(at)])
        at += 8
      }
    }
    assert.equal(at, next)
  }
  return samples
}

function assertLogged(head: Head, count: number, known: Set<number>): void {
  const [refs, times, values] = columns(head, count)
  assert.equal(head.kernel.logSamples(head.tenant('t')!, 0, count), 1)
  const samples = logged(head, known)
  const expected = refs.map((ref, i) => [
    head.kernel.logRef(ref) >>> 0,
    Math.trunc(times[i]!),
    values[i]!,
  ])
  assert.deepEqual(samples, expected)
  for (const [number] of samples) assert.ok(known.has(number), `series ${number} is not in the log`)
}

function assertSame(whole: Head, single: Head, refs: Iterable<number>): void {
  const readers = [whole, single].map((head) => new HeadReader(head.view.memory, headModule(), 0))
  const [a, b] = readers.map((reader) => (ref: number): unknown[] => {
    const out: ReadBuffer = { ts: new Float64Array(0), values: new Float64Array(0), count: 0 }
    reader.read(ref, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, out)
    const words = new BigUint64Array(out.values.buffer, out.values.byteOffset, out.count)
    return [Array.from(out.ts.subarray(0, out.count)), Array.from(words)]
  })
  for (const ref of refs) {
    assert.deepEqual(a!(ref), b!(ref), `series ${ref}`)
    assert.equal(whole.lastTime(ref), single.lastTime(ref))
    assert.equal(whole.kernel.firstTime(ref), single.kernel.firstTime(ref))
    assert.deepEqual(chunks(whole, ref), chunks(single, ref), `chunks of series ${ref}`)
  }
}

for (const seed of [1, 2, 3, 4]) {
  test(`whole turns come to the same as their columns one by one (seed ${seed})`, () => {
    const maker = new Maker(seed)
    const whole = createHead()
    const single = createHead()
    const known = new Set<number>()
    const touched = new Set<number>()
    let now = START
    for (let i = 0; i < 400; i++) {
      now += maker.below(20) === 0 ? 3_600_000 : 15_000
      const turn = maker.turn(now)
      const accepted = checkWhole(whole, turn)
      assert.equal(accepted, checkOneByOne(single, turn))
      assert.deepEqual(columns(whole, accepted), columns(single, accepted))
      assert.deepEqual(verdict(whole), verdict(single))
      assertLogged(whole, accepted, known)
      if (maker.below(10) === 0) {
        // As after a failed write.
        whole.kernel.rollback(0, accepted)
        single.kernel.rollback(0, accepted)
        for (const ref of turn.refs) assert.equal(whole.lastTime(ref), single.lastTime(ref))
        continue
      }
      for (const ref of turn.refs) touched.add(ref)
      const before = published(whole)
      assert.equal(whole.kernel.append(0, accepted), accepted)
      for (const [tile, state] of published(whole).entries()) {
        const isEncoded = state.split(':')[0] !== before[tile]!.split(':')[0]
        if (!isEncoded) assert.equal(state, before[tile], `tile ${tile} is seen too early`)
      }
      whole.kernel.publish(0, accepted)
      for (let k = 0; k < accepted; k++) {
        assert.equal(single.kernel.append(k, 1), 1)
        single.kernel.publish(k, 1)
      }
      const late = whole.outOfOrderCount()
      assert.equal(whole.kernel.appendOutOfOrder(0, late), late)
      assert.equal(single.kernel.appendOutOfOrder(0, late), late)
    }
    assertSame(whole, single, touched)
  })
}

test('lanes of a tile that are filled unlike become alike again when one is full', () => {
  const whole = createHead()
  const single = createHead()
  const all = Array.from({ length: 8 }, (_, i) => i)
  for (let i = 0; i < 60; i++) {
    const refs = i === 3 || i === 21 ? [0, 1, 2, 5, 7] : all
    const turn: Turn = {
      refs,
      times: refs.map(() => START + i * 15_000),
      values: refs.map((ref) => BigInt(i * ref)),
      oldest: Number.NEGATIVE_INFINITY,
      oooOldest: Number.POSITIVE_INFINITY,
    }
    for (const head of [whole, single]) {
      const isWhole = head === whole
      const accepted = isWhole ? checkWhole(head, turn) : checkOneByOne(head, turn)
      assert.equal(accepted, refs.length)
      for (let k = 0; k < refs.length; k += isWhole ? refs.length : 1) {
        const count = isWhole ? refs.length : 1
        assert.equal(head.kernel.append(k, count), count)
        head.kernel.publish(k, count)
      }
    }
  }
  const counts = published(whole)[0]!.split(': ')[1]!
  assert.equal(new Set(counts.split(',')).size, 1, counts)
  assertSame(whole, single, all)
})

test('stores as many samples of a turn as there is memory for', () => {
  const head = createHead(createHeadMemory(1100))
  const reader = new HeadReader(head.view.memory, headModule(), 0)
  const prng = new SeededPrng(7)
  const refs = Array.from({ length: SERIES }, (_, i) => i)
  const stored: number[] = refs.map(() => 0)
  let isFull = false
  for (let i = 0; i < 5000 && !isFull; i++) {
    const times = refs.map(() => START + i * 15_000)
    const values = refs.map(() => (BigInt(prng.nextU32()) << 32n) | BigInt(prng.nextU32()))
    const turn: Turn = { refs, times, values, oldest: -Infinity, oooOldest: Infinity }
    assert.equal(checkWhole(head, turn), SERIES)
    const appended = head.kernel.append(0, SERIES)
    head.kernel.publish(0, appended)
    for (let ref = 0; ref < appended; ref++) stored[ref]!++
    isFull = appended < SERIES
    if (isFull) head.kernel.rollback(appended, SERIES - appended)
  }
  assert.ok(isFull)
  const out: ReadBuffer = { ts: new Float64Array(0), values: new Float64Array(0), count: 0 }
  for (const ref of refs) {
    reader.read(ref, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, out)
    assert.equal(out.count, stored[ref], `series ${ref}`)
    assert.equal(head.lastTime(ref), START + (stored[ref]! - 1) * 15_000)
  }
})
