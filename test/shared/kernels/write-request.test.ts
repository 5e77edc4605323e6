/** The walk and the lookup of the write-request kernel, against the readable decoder. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import * as layout from '../../../src/shared/kernels/assembly/write-request-layout.js'
import {
  decodeWriteRequest,
  type WriteRequest,
} from '../../../src/shared/wire/remote-write/index.js'
import {
  below,
  field,
  Harness,
  labelField,
  mutate,
  randomRequest,
  type Seen,
  sampleField,
  varint,
} from './write-request-harness.js'

const SEED = Number(process.env['SEED'] ?? 1)
const TIME = 1_700_000_000_000

/** What the kernel should make of a request. */
function expected(request: WriteRequest): Omit<Seen, 'chunks' | 'series'> & { series: unknown[] } {
  let duplicates = 0
  const series = request.series
    .filter((one) => one.times.length > 0)
    .map((one) => {
      const times: number[] = []
      const values: bigint[] = []
      for (const [index, time] of one.times.entries()) {
        if (times.slice(-64).includes(time) && time <= times.at(-1)!) duplicates++
        else {
          times.push(time)
          values.push(one.values[index]!)
        }
      }
      return { labels: one.labels, times, values }
    })
  const sum = (pick: (one: WriteRequest['series'][number]) => number): number =>
    request.series.reduce((total, one) => total + pick(one), 0)
  return {
    series,
    metadata: request.metadata.length,
    histograms: sum((one) => one.histogramCount),
    exemplars: sum((one) => one.exemplarCount),
    duplicates,
  }
}

function readable(seen: Seen): unknown {
  const { chunks: _, ...rest } = seen
  return { ...rest, series: seen.series.map(({ id: _id, ...one }) => one) }
}

function decoded(body: Uint8Array): WriteRequest | undefined {
  try {
    return decodeWriteRequest(body)
  } catch {
    return undefined
  }
}

test(`sees what the readable decoder sees, in requests of any shape (seed ${SEED})`, () => {
  const random = new SeededPrng(SEED)
  const harness = new Harness()
  for (let round = 0; round < 400; round++) {
    const body = randomRequest(random, below(random, 30))
    const seen = harness.walk(body)
    assert.ok(seen !== undefined, `round ${round} is well formed`)
    assert.deepEqual(readable(seen), expected(decodeWriteRequest(body)), `round ${round}`)
  }
})

test(`agrees with the readable decoder about damaged requests (seed ${SEED})`, () => {
  const random = new SeededPrng(SEED + 1)
  const harness = new Harness()
  const { kernel } = harness
  const untouched = [kernel.attention, kernel.routes + 60_000, kernel.scratch + 900_000]
  for (const at of untouched) kernel.bytes.fill(0xa5, at, at + 4_096)
  let malformed = 0
  for (let round = 0; round < 6_000; round++) {
    const body = mutate(random, randomRequest(random, 1 + below(random, 6)))
    const want = decoded(body)
    // What an earlier body left behind the end must not matter.
    const seen = harness.walk(body)
    assert.equal(seen === undefined, want === undefined, `round ${round}: ${hex(body)}`)
    if (want === undefined) malformed++
    else assert.deepEqual(readable(seen!), expected(want), `round ${round}: ${hex(body)}`)
  }
  assert.ok(malformed > 500 && malformed < 5_500, `${malformed} malformed`)
  for (const at of untouched) {
    assert.ok(kernel.bytes.subarray(at, at + 4_096).every((byte) => byte === 0xa5))
  }
})

test('checks ahead what the walk would refuse later', () => {
  const random = new SeededPrng(SEED + 2)
  const harness = new Harness()
  const { kernel } = harness
  for (let round = 0; round < 4_000; round++) {
    const body = mutate(random, randomRequest(random, 1 + below(random, 6)))
    // Metadata is framed only; its inside is read by the host.
    const verdict = withoutMetadata(body)
    kernel.bytes.set(body, kernel.body)
    const code = kernel.exports.verify(kernel.body, kernel.body + body.length)
    if (verdict !== undefined) assert.equal(code < 0, !verdict, `round ${round}: ${hex(body)}`)
  }
})

/** Whether a body is sound; undefined when only a metadata record's inside is at fault. */
function withoutMetadata(body: Uint8Array): boolean | undefined {
  try {
    decodeWriteRequest(body)
    return true
  } catch (error) {
    const stack = (error as Error).stack ?? ''
    return stack.includes('decodeMetadata') ? undefined : false
  }
}

test('gives a series one id, whatever comes between', () => {
  const harness = new Harness()
  const random = new SeededPrng(SEED + 3)
  const ids = new Map<string, number>()
  const names = new Map<number, string>()
  for (let round = 0; round < 200; round++) {
    for (const { id, labels } of harness.walk(randomRequest(random, 40))!.series) {
      const name = JSON.stringify(labels)
      assert.ok(id > 0)
      assert.equal(ids.get(name) ?? id, id)
      assert.equal(names.get(id) ?? name, name)
      ids.set(name, id)
      names.set(id, name)
    }
  }
  assert.ok(ids.size > 500)
})

test('finds 20,000 series again in any order', () => {
  const harness = new Harness()
  const random = new SeededPrng(SEED + 4)
  const order = Array.from({ length: 20_000 }, (_, index) => index)
  const ids = new Map<number, number>()
  for (let round = 0; round < 4; round++) {
    for (let from = 0; from < order.length; from += 500) {
      const part = order.slice(from, from + 500)
      const seen = harness.walk(Buffer.concat(part.map((index) => plainSeries(index))))!
      for (const [i, index] of part.entries()) {
        const { id } = seen.series[i]!
        assert.equal(ids.get(index) ?? id, id)
        ids.set(index, id)
      }
    }
    // The same order, then reversed, then shuffled.
    if (round === 1) order.reverse()
    if (round === 2) order.sort(() => below(random, 3) - 1)
  }
  assert.equal(new Set(ids.values()).size, 20_000)
})

test('starts a tenant anew when ids run out, and goes on', () => {
  const harness = new Harness({ seriesIdsMax: 512 })
  for (let from = 0; from < 2_000; from += 100) {
    const part = Array.from({ length: 100 }, (_, i) => plainSeries(from + i))
    const seen = harness.walk(Buffer.concat(part))!
    assert.equal(seen.series.length, 100)
    assert.equal(new Set(seen.series.map((one) => one.id)).size, 100)
  }
  assert.ok(harness.evictions > 2)
})

test('keeps tenants apart', () => {
  const harness = new Harness()
  const body = Buffer.concat([plainSeries(1), plainSeries(2)])
  const first = harness.walk(body, 'a')!.series.map((one) => one.id)
  const second = harness.walk(body, 'b')!.series.map((one) => one.id)
  assert.equal(new Set([...first, ...second]).size, 4)
  assert.deepEqual(
    harness.walk(body, 'a')!.series.map((one) => one.id),
    first,
  )
})

test('goes on in the next chunk with a series that has more samples than a chunk', () => {
  const harness = new Harness({ samplesMax: 100 })
  const samples = Array.from({ length: 1_050 }, (_, i) => sampleField(TIME + i, i))
  const long = field(1, Buffer.concat([labelField('__name__', 'long'), ...samples]))
  const seen = harness.walk(Buffer.concat([plainSeries(1), long, plainSeries(2)]))!
  assert.equal(seen.chunks, 11)
  const parts = seen.series.filter((one) => one.labels[0]!.value === 'long')
  assert.equal(new Set(parts.map((one) => one.id)).size, 1)
  assert.deepEqual(
    parts.flatMap((one) => one.times),
    Array.from({ length: 1_050 }, (_, i) => TIME + i),
  )
})

test('keeps the labels of a cut series that were apart', () => {
  const harness = new Harness({ samplesMax: 10 })
  const samples = Array.from({ length: 25 }, (_, i) => sampleField(TIME + i, 1))
  const apart = (name: string): Buffer =>
    field(
      1,
      Buffer.concat([labelField('__name__', name), ...samples, labelField('x', 'y'.repeat(50))]),
    )
  const seen = harness.walk(Buffer.concat([apart('one'), apart('two')]))!
  for (const { labels } of seen.series) assert.equal(labels[1]?.value, 'y'.repeat(50))
  const names = seen.series.map((one) => one.labels[0]!.value)
  assert.deepEqual([...new Set(names)], ['one', 'two'])
})

test('gives no id to a label set over the bound', () => {
  const harness = new Harness()
  const huge = field(
    1,
    Buffer.concat([labelField('__name__', 'x'.repeat(300_000)), sampleField(TIME, 1)]),
  )
  const seen = harness.walk(Buffer.concat([plainSeries(1), huge, plainSeries(2)]))!
  assert.deepEqual(
    seen.series.map((one) => one.id),
    [1, 0, 2],
  )
  assert.equal(harness.kernel.bytes[harness.kernel.routes], 0x80 | layout.REASON_VALUE_LONG)
})

test('keeps the bits of every value', () => {
  const harness = new Harness()
  const bits = [0x7ff0000000000002n, 0x7ff8000000000001n, 0x8000000000000000n, 0xfff0000000000000n]
  const body = Buffer.concat(
    bits.map((value) => {
      const number = Buffer.alloc(8)
      number.writeBigUInt64LE(value)
      const sample = Buffer.concat([Buffer.from([9]), number, Buffer.from([16]), varint(TIME)])
      return field(1, Buffer.concat([labelField('__name__', `b${value}`), field(2, sample)]))
    }),
  )
  assert.deepEqual(
    harness.walk(body)!.series.flatMap((one) => one.values),
    bits,
  )
})

function plainSeries(index: number): Buffer {
  const labels = [labelField('__name__', 'm'), labelField('index', String(index))]
  return field(1, Buffer.concat([...labels, sampleField(TIME, index)]))
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
