/** The head through its two faces: appending and creating, reading back, refusing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHeadMemory } from '../../../../src/shared/kernels/head.js'
import { labelsOf } from '../../../../src/shared/model/labels.js'
import { HeadReader, type ReadBuffer } from '../../../../src/shared/tsdb/index.js'
import { createTestHead, headModule } from '../../../support/head-source.js'

function emptyBuffer(): ReadBuffer {
  return { ts: new Float64Array(0), values: new Float64Array(0), count: 0 }
}

function bits(values: Float64Array, count = values.length): string[] {
  const words = new BigUint64Array(values.buffer, values.byteOffset, count)
  return Array.from(words, (word) => word.toString(16))
}

test('gives back what was appended, whatever part of it is asked for', () => {
  const head = createTestHead()
  const reader = new HeadReader(head.view.memory, headModule(), 1)
  const out = emptyBuffer()
  const ref = head.getOrCreate('t', labelsOf({ __name__: 'up', job: 'a' }))
  const times: number[] = []
  const values: number[] = []
  for (let i = 0; i < 5000; i++) {
    const t = 1_700_000_000_000 + i * 15_000 + (i % 7)
    times.push(t)
    values.push(i % 50 === 0 ? Math.PI * i : i)
    assert.equal(head.appendSample(ref, t, values[i]!), 'appended')
  }
  for (const [from, to] of [
    [0, 4999],
    [0, 0],
    [4999, 4999],
    [4980, 4995],
    [17, 3000],
    [120, 239],
    [119, 120],
  ] as const) {
    reader.read(ref, times[from]!, times[to]!, out)
    assert.equal(out.count, to - from + 1, `${from}..${to}`)
    assert.deepEqual(Array.from(out.ts.subarray(0, out.count)), times.slice(from, to + 1))
    assert.deepEqual(Array.from(out.values.subarray(0, out.count)), values.slice(from, to + 1))
  }
  reader.read(ref, times[4999]! + 1, Infinity, out)
  assert.equal(out.count, 0)
  reader.read(ref, -Infinity, times[0]! - 1, out)
  assert.equal(out.count, 0)
  reader.read(ref, times[3]! + 1, times[4]! - 1, out)
  assert.equal(out.count, 0)
})

test('keeps NaN bits and odd values, at any time from 1970 to far ahead', () => {
  const head = createTestHead()
  const reader = new HeadReader(head.view.memory, headModule(), 0)
  const words = new BigUint64Array([
    0x7ff0000000000002n,
    0x7ff8000000000001n,
    0xfff0000000000000n,
    0x8000000000000000n,
    0x0000000000000001n,
    0xffffffffffffffffn,
    0n,
  ])
  const values = new Float64Array(words.buffer)
  const times = Float64Array.of(-9e15, -1, 0, 1, 2 ** 33, 2 ** 43, 2 ** 53 - 1)
  const ref = head.getOrCreate('t', labelsOf({ __name__: 'odd' }))
  assert.equal(head.appendColumns(ref, times, values), 'appended')
  const out = emptyBuffer()
  reader.read(ref, -Infinity, Infinity, out)
  assert.deepEqual(Array.from(out.ts.subarray(0, out.count)), Array.from(times))
  assert.deepEqual(bits(out.values, out.count), bits(values))
})

test('refuses older samples and other values, takes repeated ones in silence', () => {
  const head = createTestHead()
  const ref = head.getOrCreate('t', labelsOf({ __name__: 'up' }))
  for (let i = 0; i < 40; i++) assert.equal(head.appendSample(ref, i * 10, i), 'appended')
  assert.equal(head.appendSample(ref, 390, 39), 'repeated')
  assert.equal(head.appendSample(ref, 390, 40), 'duplicate')
  assert.equal(head.appendSample(ref, 389, 39), 'out-of-order')
  assert.equal(head.appendSample(ref, 380, 38), 'repeated', 'in the tail')
  assert.equal(head.appendSample(ref, 20, 2), 'repeated', 'in the open chunk')
  assert.equal(head.appendSample(ref, 20, 3), 'out-of-order')
  assert.equal(head.appendSample(ref, 400, 40), 'appended')
})

test('keeps tenants apart', () => {
  const head = createTestHead()
  const a = head.getOrCreate('a', labelsOf({ __name__: 'up', job: 'x' }))
  const b = head.getOrCreate('b', labelsOf({ __name__: 'up', job: 'x' }))
  assert.notEqual(a, b)
  head.appendSample(a, 1, 1)
  head.appendSample(b, 1, 2)
  const matchers = [{ name: '__name__', op: '=', value: 'up' }] as const
  assert.deepEqual(Array.from(head.select('a', matchers, 0, 10)), [a])
  assert.deepEqual(Array.from(head.select('b', matchers, 0, 10)), [b])
  assert.deepEqual(Array.from(head.select('c', matchers, 0, 10)), [])
})

test('finds the same ref again, with many series and growing tables', () => {
  const head = createTestHead()
  const refs = new Map<string, number>()
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 20_000; i++) {
      const labels = labelsOf({ __name__: `m${i % 13}`, instance: `host-${i % 500}`, n: `${i}` })
      const ref = head.getOrCreate('t', labels)
      if (round === 0) refs.set(`${i}`, ref)
      else assert.equal(ref, refs.get(`${i}`))
      if (round === 0 && i % 1000 === 0) assert.deepEqual(head.view.labels(ref), labels)
    }
  }
  assert.equal(new Set(refs.values()).size, 20_000)
  assert.equal(head.seriesCount(), 20_000)
})

test('answers "full" instead of trapping when memory ends, and stays readable', () => {
  const head = createTestHead(createHeadMemory(1024))
  const reader = new HeadReader(head.view.memory, headModule(), 0)
  const refs: number[] = []
  let error: unknown
  for (let i = 0; i < 1e6 && error === undefined; i++) {
    try {
      const name = `${'x'.repeat(500)}${i}`
      refs.push(head.getOrCreate('t', labelsOf({ __name__: 'fill', name })))
      head.appendSample(refs[i]!, 1000, i)
    } catch (caught) {
      error = caught
    }
  }
  assert.equal((error as { id?: string }).id, 'overloaded')
  let t = 1000
  let isFull = false
  for (let round = 0; round < 20_000 && !isFull; round++) {
    t += 1000
    for (let i = 0; i < 500 && !isFull; i++) {
      const outcome = head.appendSample(refs[i]!, t, Math.random())
      if (outcome === 'full') isFull = true
      else assert.equal(outcome, 'appended')
    }
  }
  assert.ok(isFull)
  const out = emptyBuffer()
  for (const ref of [0, 100, 499, refs.length - 1]) {
    reader.read(refs[ref]!, -Infinity, Infinity, out)
    assert.equal(out.ts[0], 1000)
    assert.equal(out.values[0], ref)
  }
  assert.equal(
    head.getOrCreate('t', labelsOf({ __name__: 'fill', name: `${'x'.repeat(500)}7` })),
    7,
  )
})

test('a head over the memory of one before is as one over new memory', () => {
  const memory = createHeadMemory()
  const before = createTestHead(memory)
  for (let series = 0; series < 200; series++) {
    const ref = before.getOrCreate('t', labelsOf({ __name__: 'up', job: `job-${series}` }))
    for (let i = 0; i < 300; i++) before.appendSample(ref, 1_700_000_000_000 + i * 1_000, i / 7)
  }
  const after = createTestHead(memory)
  const fresh = createTestHead()
  const used = after.memoryUse().used
  assert.equal(used, fresh.memoryUse().used)
  const [one, other] = [after, fresh].map(({ view }) => Buffer.from(view.memory.buffer, 0))
  const size = 64 << 20
  assert.equal(Buffer.compare(one!.subarray(0, size), other!.subarray(0, size)), 0)
  for (const head of [after, fresh]) {
    const ref = head.getOrCreate('t', labelsOf({ __name__: 'up', job: 'job-1' }))
    assert.equal(head.appendSample(ref, 1_600_000_000_000, 1), 'appended')
    assert.equal(head.seriesCount(), 1)
  }
})
