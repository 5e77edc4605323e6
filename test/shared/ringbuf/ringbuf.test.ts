import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createRingbuf,
  framesFitting,
  generationOf,
  RingReader,
  RingWriter,
  ringStats,
} from '../../../src/shared/ringbuf/index.js'

const SILENT = (): void => {}

function put(writer: RingWriter, kind: number, payload: Uint8Array): boolean {
  const offset = writer.reserve(kind, payload.length)
  if (offset < 0) return false
  assert.equal(offset % 8, 0)
  writer.data.set(payload, offset)
  writer.commit()
  return true
}

function payloadOf(reader: RingReader): Uint8Array {
  return reader.data.slice(reader.offset, reader.offset + reader.length)
}

function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

test('frames of all sizes arrive whole and in order over many wraps', () => {
  for (const sizeBytes of [64, 128, 1024]) {
    const buffer = createRingbuf(sizeBytes, 7)
    const writer = new RingWriter(buffer, SILENT)
    const reader = new RingReader(buffer)
    const random = seeded(sizeBytes)
    const waiting: Uint8Array[] = []
    let taken = 0
    for (let step = 0; step < 20_000; step++) {
      if (random() < 0.6) {
        const length = Math.floor(random() * (writer.frameBytesMax + 1))
        const payload = Uint8Array.from({ length }, () => Math.floor(random() * 256))
        if (put(writer, step, payload)) waiting.push(payload)
        continue
      }
      while (reader.next()) {
        assert.deepEqual(payloadOf(reader), waiting[taken])
        if (random() < 0.2) reader.putBack()
        else taken++
        if (random() < 0.3) break
      }
      if (random() < 0.5) reader.release()
    }
    while (reader.next()) assert.deepEqual(payloadOf(reader), waiting[taken++])
    assert.equal(taken, waiting.length)
    assert.ok(taken > 2_000)
    assert.equal(ringStats(buffer).frames, taken)
  }
})

test('cursors go on over the end of u32', () => {
  const buffer = createRingbuf(64, 1)
  new Int32Array(buffer)[0] = -16
  new Int32Array(buffer)[16] = -16
  const writer = new RingWriter(buffer, SILENT)
  const reader = new RingReader(buffer)
  for (let at = 0; at < 10; at++) {
    assert.ok(put(writer, at, Uint8Array.of(at, at, at)))
    assert.ok(reader.next())
    assert.deepEqual(payloadOf(reader), Uint8Array.of(at, at, at))
    assert.equal(reader.kind, at)
    reader.release()
  }
  assert.equal(ringStats(buffer).usedBytes, 0)
})

test('a full ring refuses until the reader has released, and counts it', () => {
  const buffer = createRingbuf(64, 1)
  const writer = new RingWriter(buffer, SILENT)
  const reader = new RingReader(buffer)
  for (let at = 0; at < 4; at++) assert.ok(put(writer, at, new Uint8Array(8)))
  assert.equal(writer.spare(), 0)
  assert.equal(writer.reserve(9, 0), -1)
  assert.ok(reader.next())
  assert.equal(writer.reserve(9, 8), -1)
  reader.release()
  assert.equal(writer.spare(), 16)
  assert.ok(writer.reserve(9, 8) >= 0)
  assert.equal(ringStats(buffer).stalls, 2)
})

test('a frame over half the ring is refused for good, the largest one always fits when empty', () => {
  for (let shift = 0; shift < 64; shift += 8) {
    const buffer = createRingbuf(64, 1)
    new Int32Array(buffer)[0] = shift
    new Int32Array(buffer)[16] = shift
    const writer = new RingWriter(buffer, SILENT)
    assert.throws(() => writer.reserve(1, writer.frameBytesMax + 1), RangeError)
    assert.ok(put(writer, 1, new Uint8Array(writer.frameBytesMax).fill(5)))
    const reader = new RingReader(buffer)
    assert.ok(reader.next())
    assert.deepEqual(payloadOf(reader), new Uint8Array(writer.frameBytesMax).fill(5))
  }
})

test('framesFitting frames fit wherever the cursors stand', () => {
  for (const [sizeBytes, payload] of [
    [64, 24],
    [128, 9],
    [256, 40],
    [4096, 1024],
  ] as const) {
    const count = framesFitting(sizeBytes, payload)
    assert.ok(count >= 1)
    for (let shift = 0; shift < sizeBytes; shift += 8) {
      const buffer = createRingbuf(sizeBytes, 1)
      new Int32Array(buffer)[0] = shift
      new Int32Array(buffer)[16] = shift
      const writer = new RingWriter(buffer, SILENT)
      for (let at = 0; at < count; at++) assert.ok(put(writer, 1, new Uint8Array(payload)))
    }
  }
  assert.equal(framesFitting(64, 25), 0)
})

test('a reservation that was not committed is given up by the next one', () => {
  const buffer = createRingbuf(128, 1)
  const writer = new RingWriter(buffer, SILENT)
  const reader = new RingReader(buffer)
  assert.ok(put(writer, 1, new Uint8Array(40)))
  assert.ok(reader.next())
  reader.release()
  assert.ok(put(writer, 1, new Uint8Array(32)))
  // Needs a wrap; what is committed instead does not.
  assert.ok(writer.reserve(2, 56) < 0 || writer.reserve(2, 32) >= 0)
  assert.ok(put(writer, 3, Uint8Array.of(1)))
  assert.ok(reader.next())
  assert.ok(reader.next())
  assert.equal(reader.kind, 3)
  assert.equal(reader.next(), false)
  assert.throws(() => writer.commit(), /without a reservation/)
})

test('the doorbell message goes out only to a sleeping reader', () => {
  const buffer = createRingbuf(128, 1)
  let rings = 0
  const writer = new RingWriter(buffer, () => rings++)
  const reader = new RingReader(buffer)
  assert.ok(put(writer, 1, new Uint8Array(1)))
  assert.equal(rings, 0)
  assert.equal(reader.prepareSleep(), false)
  assert.ok(reader.next())
  reader.release()
  assert.equal(reader.prepareSleep(), true)
  assert.ok(put(writer, 1, new Uint8Array(1)))
  assert.ok(put(writer, 1, new Uint8Array(1)))
  assert.equal(rings, 1)
  assert.deepEqual(
    { ...ringStats(buffer), usedBytes: 0 },
    {
      generation: 1,
      sizeBytes: 128,
      usedBytes: 0,
      frames: 3,
      stalls: 0,
      wakes: 1,
      sleeps: 1,
    },
  )
})

test('a writer that holds wakes a sleeper for every second frame, and for the rest when it lets go', () => {
  let messages = 0
  const buffer = createRingbuf(1024, 1)
  const writer = new RingWriter(buffer, () => messages++)
  const reader = new RingReader(buffer)
  const drain = (): void => {
    while (reader.next()) reader.release()
    assert.ok(reader.prepareSleep())
  }
  writer.hold(2)
  drain()
  put(writer, 1, Uint8Array.of(1))
  assert.equal(messages, 0)
  put(writer, 1, Uint8Array.of(2))
  assert.equal(messages, 1)
  drain()
  put(writer, 1, Uint8Array.of(3))
  assert.equal(messages, 1)
  writer.letGo()
  assert.equal(messages, 2)
  drain()
  writer.letGo()
  assert.equal(messages, 2)
  put(writer, 1, Uint8Array.of(4))
  assert.equal(messages, 3)
})

test('a damaged length is an error, not a read beyond what was written', () => {
  for (const length of [2 ** 31 - 16, -2, 48]) {
    const buffer = createRingbuf(64, 1)
    const writer = new RingWriter(buffer, SILENT)
    assert.ok(put(writer, 1, new Uint8Array(8)))
    new Int32Array(buffer, 384)[0] = length
    assert.throws(() => new RingReader(buffer).next(), /damaged/)
  }
})

test('carries the generation and refuses what is no ring', () => {
  assert.equal(generationOf(createRingbuf(64, 4_000_000_000)), 4_000_000_000)
  assert.throws(() => createRingbuf(100, 1), RangeError)
  assert.throws(() => createRingbuf(32, 1), RangeError)
  assert.throws(() => new RingReader(new SharedArrayBuffer(1024)), RangeError)
})
