/** XOR chunks: the kernel against its readable twin, and both against Prometheus' own chunks. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  C_LENGTH,
  C_PREVIOUS,
  CHUNK_BYTES_FULL,
  CHUNK_HEADER_BYTES,
  CHUNK_RANGE_MS,
  CHUNK_SAMPLES_MAX,
  H_LOG,
  R_BITS,
  R_BYTES,
  R_CLOSED,
  R_COUNT,
  R_OPEN,
  RECORD_BYTES,
  RECORDS,
  SERIES_DIRECTORY,
  SERIES_SLAB_MASK,
  SERIES_SLAB_SHIFT,
} from '../../../../src/shared/kernels/head-layout.js'
import { labelsOf } from '../../../../src/shared/model/labels.js'
import {
  countXorChunk,
  decodeXorChunk,
  encodeXorChunk,
} from '../../../../src/shared/tsdb/chunk/xor.js'
import { type Head, HeadReader, type ReadBuffer } from '../../../../src/shared/tsdb/index.js'
import { createTestHead, headModule } from '../../../support/head-source.js'
import { sharedPath } from '../../../support/shared-material.js'

/** A seeded source of u32. */
function randomOf(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return (x ^ (x >>> 14)) >>> 0
  }
}

interface Samples {
  readonly ts: Float64Array
  readonly values: Float64Array
}

/** Samples of a random character: steady or jumping times, counters, noise, odd bits. */
function samplesOf(random: () => number, count: number): Samples {
  const ts = new Float64Array(count)
  const values = new Float64Array(count)
  const bits = new BigUint64Array(values.buffer)
  const odd = [0x7ff0000000000002n, 0x7ff8000000000001n, 0n, 1n << 63n, 0x7ff0000000000000n]
  const timeKind = random() % 5
  const valueKind = random() % 6
  const steps = [1, 15_000, 8192, 8193, 65_536, 65_537, 524_288, 524_289, 2 ** 40, 2 ** 33 + 1]
  let t = random() % 3 === 0 ? -(random() % 1e9) : 1_700_000_000_000 + (random() % 1e9)
  for (let i = 0; i < count; i++) {
    ts[i] = t
    if (valueKind === 0) values[i] = 42
    else if (valueKind === 1) values[i] = i * 7 + (random() % 3)
    else if (valueKind === 2) values[i] = (random() - 2 ** 31) / 1000
    else if (valueKind === 3) bits[i] = (BigInt(random()) << 32n) | BigInt(random())
    else if (valueKind === 4) bits[i] = odd[random() % odd.length]!
    else bits[i] = 1n << BigInt(random() % 64)
    if (timeKind === 0) t += 15_000
    else if (timeKind === 1) t += 15_000 + (random() % 20) - 10
    else if (timeKind === 2) t += 1 + (random() % 100_000)
    else if (timeKind === 3) t += steps[random() % (i < 400 ? steps.length : 8)]!
    else t += random() % 4 === 0 ? 7_199_000 : 1000
  }
  return { ts, values }
}

function bitsOf(values: Float64Array): BigUint64Array {
  return new BigUint64Array(values.buffer, values.byteOffset, values.length)
}

/** Bytes of a series' chunks, oldest first, once its tail is encoded. */
function chunksOf(head: Head, ref: number): Uint8Array[] {
  const { view } = head
  assert.equal(head.kernel.settle(ref), 1)
  const slab = view.word(SERIES_DIRECTORY + (ref >>> SERIES_SLAB_SHIFT) * 4)
  const record = slab + RECORDS + (ref & SERIES_SLAB_MASK) * RECORD_BYTES
  const chunks: Uint8Array[] = []
  if (view.bytes.readUInt16LE(record + R_COUNT) > 0) {
    const open = view.word(record + R_OPEN)
    const bits = view.bytes[record + R_BITS]!
    const length = view.bytes.readUInt16LE(record + R_BYTES) + (bits > 0 ? 1 : 0)
    chunks.unshift(Uint8Array.from(view.bytes.subarray(open, open + length)))
  }
  let node = view.word(record + R_CLOSED)
  while (node !== 0) {
    const length = view.bytes.readUInt16LE(node + C_LENGTH)
    const start = node + CHUNK_HEADER_BYTES
    chunks.unshift(Uint8Array.from(view.bytes.subarray(start, start + length)))
    node = view.word(node + C_PREVIOUS)
  }
  return chunks
}

function rangeEnd(t: number): number {
  return (Math.floor(t / CHUNK_RANGE_MS) + 1) * CHUNK_RANGE_MS
}

/** Prometheus' rules for cutting chunks, on the twin. */
function chunksByTwin({ ts, values }: Samples): Uint8Array[] {
  const chunks: Uint8Array[] = []
  let from = 0
  let end = Number.NaN
  let bytes: Uint8Array | undefined
  for (let i = 0; i < ts.length; i++) {
    if (i === 0) end = rangeEnd(ts[0]!)
    if (i - from === 30) {
      // With a quarter of 120 samples: the chunk ends where it leaves even ones behind it.
      const rest = end - ts[from]!
      const chunks = Math.floor(rest / ((ts[i - 1]! - ts[from]! + 1) * 4))
      if (chunks > 1) end = Math.trunc(ts[from]! + rest / chunks)
    }
    const isFull = i - from >= CHUNK_SAMPLES_MAX || (bytes?.length ?? 0) > CHUNK_BYTES_FULL
    if (bytes !== undefined && (ts[i]! >= end || isFull)) {
      chunks.push(bytes)
      from = i
      end = rangeEnd(ts[i]!)
    }
    bytes = encodeXorChunk(ts.subarray(from, i + 1), values.subarray(from, i + 1))
  }
  if (bytes !== undefined) chunks.push(bytes)
  return chunks
}

test('the twin decodes what it encodes', () => {
  const random = randomOf(1)
  for (let round = 0; round < 120; round++) {
    const { ts, values } = samplesOf(random, random() % 130)
    const chunk = encodeXorChunk(ts, values)
    const outTs = new Float64Array(ts.length)
    const outValues = new Float64Array(ts.length)
    assert.equal(decodeXorChunk(chunk, outTs, outValues), ts.length)
    assert.deepEqual(outTs, ts)
    assert.deepEqual(bitsOf(outValues), bitsOf(values))
  }
})

test('a head cuts and encodes chunks to the same bytes as the twin, and reads them back', () => {
  const head = createTestHead()
  const reader = new HeadReader(head.view.memory, headModule(), 0)
  const out: ReadBuffer = { ts: new Float64Array(0), values: new Float64Array(0), count: 0 }
  for (let seed = 0; seed < 60; seed++) {
    const random = randomOf(seed)
    const samples = samplesOf(random, 1 + (random() % 500))
    const ref = head.getOrCreate('t', labelsOf({ __name__: 'm', seed: `${seed}` }))
    assert.equal(head.appendColumns(ref, samples.ts, samples.values), 'appended', `seed ${seed}`)
    const from = random() % samples.ts.length
    const to = from + (random() % (samples.ts.length - from))
    for (const [a, b] of [
      [from, to],
      [0, samples.ts.length - 1],
    ] as const) {
      reader.read(ref, samples.ts[a]!, samples.ts[b]!, out)
      assert.equal(out.count, b - a + 1, `seed ${seed}`)
      assert.deepEqual(out.ts.subarray(0, out.count), samples.ts.subarray(a, b + 1))
      const got = bitsOf(out.values).subarray(0, out.count)
      assert.deepEqual(got, bitsOf(samples.values).subarray(a, b + 1), `seed ${seed}`)
    }
    assert.deepEqual(chunksOf(head, ref), chunksByTwin(samples), `seed ${seed}`)
  }
})

test('the kernel refuses chunks that end early, as the twin does, and takes no other harm', () => {
  const head = createTestHead()
  const random = randomOf(7)
  for (let round = 0; round < 300; round++) {
    const { ts, values } = samplesOf(random, 3 + (random() % 117))
    const chunk = Uint8Array.from(encodeXorChunk(ts, values))
    const cut = chunk.subarray(0, 2 + (random() % (chunk.length - 2)))
    assert.throws(() => decodeXorChunk(cut, ts.slice(), values.slice()), { id: 'chunk-corrupt' })
    assert.equal(kernelDecode(head, cut), undefined)
    chunk[2 + (random() % (chunk.length - 2))]! ^= 1 << (random() % 8)
    let expected: Samples | undefined
    try {
      expected = { ts: ts.slice(), values: values.slice() }
      decodeXorChunk(chunk, expected.ts, expected.values)
    } catch {
      expected = undefined
    }
    const got = kernelDecode(head, chunk)
    if (expected === undefined) assert.equal(got, undefined)
    else if (expected.ts.every(Number.isSafeInteger)) assert.deepEqual(got?.ts, expected.ts)
  }
})

/** Decodes foreign bytes with the kernel, in the log buffer of a head. */
function kernelDecode(head: Head, chunk: Uint8Array): Samples | undefined {
  const at = head.view.word(H_LOG)
  const room = 65536 * 8
  head.view.bytes.fill(0, at, at + chunk.length + 4096)
  head.view.bytes.set(chunk, at)
  const times = at + (4 << 20)
  const count = head.kernel.decodeXor(at, chunk.length, times, times + room)
  if (count < 0) return undefined
  const buffer = head.view.memory.buffer as ArrayBuffer
  return {
    ts: new Float64Array(buffer, times, count).slice(),
    values: new Float64Array(buffer, times + room, count).slice(),
  }
}

/** Float chunks of all blocks in a folder, in file order. */
function floatChunks(folder: string): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (const block of readdirSync(folder)) {
    const dir = join(folder, block, 'chunks')
    if (!statSync(join(folder, block)).isDirectory()) continue
    for (const name of readdirSync(dir).sort()) {
      const file = readFileSync(join(dir, name))
      let at = 8
      while (at < file.length) {
        let length = 0
        let shift = 0
        let byte: number
        do {
          byte = file[at++]!
          length |= (byte & 127) << shift
          shift += 7
        } while (byte > 127)
        if (file[at] === 1) chunks.push(file.subarray(at + 1, at + 1 + length))
        at += 1 + length + 4
      }
    }
  }
  return chunks
}

test("decodes Prometheus' chunks and encodes their samples to the same bytes", (context) => {
  const root = sharedPath('conformance/blocks', context)
  if (root === undefined) return
  const head = createTestHead()
  let total = 0
  for (const folder of readdirSync(root)) {
    if (!statSync(join(root, folder)).isDirectory()) continue
    const isExpected = expectedRuns(join(root, folder, 'expected.json'))
    const isWhole = folder !== 'tombstones'
    for (const chunk of floatChunks(join(root, folder))) {
      const count = countXorChunk(chunk)
      const samples = { ts: new Float64Array(count), values: new Float64Array(count) }
      assert.equal(decodeXorChunk(chunk, samples.ts, samples.values), count)
      const fast = kernelDecode(head, chunk)
      assert.deepEqual(fast?.ts, samples.ts)
      assert.deepEqual(bitsOf(fast!.values), bitsOf(samples.values))
      assert.deepEqual(encodeXorChunk(samples.ts, samples.values), Uint8Array.from(chunk))
      if (isWhole) assert.ok(isExpected(samples), `a chunk of ${folder} is not expected`)
      total++
      // Compaction makes longer chunks than a head does.
      if (count > CHUNK_SAMPLES_MAX || chunk.length > CHUNK_BYTES_FULL) continue
      const ref = head.getOrCreate('t', labelsOf({ __name__: folder, n: `${total}` }))
      assert.equal(head.appendColumns(ref, samples.ts, samples.values), 'appended')
      assert.deepEqual(chunksOf(head, ref), [Uint8Array.from(chunk)])
    }
  }
  assert.ok(total > 100, `${total} chunks`)
})

/** Whether the samples are a run of an expected series, and nothing is missing in between. */
function expectedRuns(file: string): (samples: Samples) => boolean {
  const { series } = JSON.parse(readFileSync(file, 'utf8')) as {
    series: { samples?: [number, string][] }[]
  }
  return ({ ts, values }) =>
    series.some(({ samples = [] }) => {
      const at = samples.findIndex(([t]) => t === ts[0])
      const run = samples.slice(at, at + ts.length)
      if (at < 0 || run.length < ts.length) return false
      return run.every(([t, text], i) => t === ts[i] && Object.is(goNumber(text), values[i]))
    })
}

function goNumber(text: string): number {
  if (text === '+Inf') return Infinity
  return text === '-Inf' ? -Infinity : Number(text)
}
