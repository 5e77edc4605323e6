/** Times of what comes in as text, as protobufjs reads the request that is made of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import protobuf from 'protobufjs'
import { SeededPrng } from '../../../../src/shared/base/prng.js'
import { RequestEncoder } from '../../../../src/shared/wire/remote-write/encode.js'

const { root } = protobuf.parse(
  `syntax = "proto3";
  message WriteRequest { repeated TimeSeries timeseries = 1; }
  message TimeSeries { repeated bytes labels = 1; repeated Sample samples = 2; }
  message Sample { double value = 1; int64 timestamp = 2; }`,
)
const Message = root.lookupType('WriteRequest')

test('times before and after 1970 come as they are', () => {
  const random = new SeededPrng(5)
  const times = [
    0,
    -1,
    1,
    127,
    128,
    -128,
    2 ** 31,
    2 ** 32,
    -(2 ** 32),
    2 ** 32 - 1,
    8.64e15,
    -8.64e15,
  ]
  for (let i = 0; i < 5_000; i++) {
    const sign = random.nextU32() % 2 === 0 ? 1 : -1
    times.push(sign * Math.floor((random.nextU32() * 2 ** 21) / 2 ** (random.nextU32() % 53)))
  }
  const encoder = new RequestEncoder(1 << 20)
  for (const [i, time] of times.entries()) encoder.sample(['__name__', 'm'], time + 0.25, i)
  const { pieces, items } = encoder.take()
  assert.equal(items, times.length)
  const read = pieces.flatMap((piece) => {
    const { timeseries } = Message.toObject(Message.decode(piece), { longs: Number }) as {
      timeseries: { samples: [{ value?: number; timestamp?: number }] }[]
    }
    return timeseries.map(({ samples: [{ value = 0, timestamp = 0 }] }) => [value, timestamp])
  })
  assert.deepEqual(
    read,
    times.map((time, i) => [i, Math.trunc(time + 0.25) + 0]),
  )
})

test('a body of very many short lines is refused before it takes long', () => {
  const encoder = new RequestEncoder(1 << 30)
  for (let i = 0; i < 2_000_000; i++) encoder.sample([], i, 0)
  assert.throws(() => encoder.sample([], 0, 0), { id: 'bad-data' })
})
