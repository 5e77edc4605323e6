/** Float chunks without 64-bit integers: the same bytes and samples as the readable form. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededPrng } from '../../../../src/shared/base/prng.js'
import { AppError } from '../../../../src/shared/errors/index.js'
import { decodeFloats, FloatEncoder } from '../../../../src/shared/tsdb/chunk/float-chunk.js'
import { decodeXorChunk, encodeXorChunk } from '../../../../src/shared/tsdb/chunk/xor.js'

/** Times and values of every kind: steady, jumping, repeated, random bits. */
function samples(prng: SeededPrng): { ts: Float64Array; values: Float64Array } {
  const count = 1 + (prng.nextU32() % 200)
  const ts = new Float64Array(count)
  const values = new Float64Array(count)
  const words = new Uint32Array(values.buffer)
  let t = prng.nextU32() * 500 - 1e9
  let step = 1 + (prng.nextU32() % 60_000)
  for (let i = 0; i < count; i++) {
    const kind = prng.nextU32() % 8
    if (kind === 0) step = 1 + (prng.nextU32() % 2 ** (1 + (prng.nextU32() % 31)))
    if (kind === 1) t += prng.nextU32() * 1000
    t += step
    ts[i] = t
    if (kind < 3 && i > 0) {
      words[i * 2] = words[i * 2 - 2]!
      words[i * 2 + 1] = words[i * 2 - 1]!
    } else if (kind < 5) {
      words[i * 2] = prng.nextU32()
      words[i * 2 + 1] = prng.nextU32()
    } else values[i] = Math.floor(prng.nextU32() / 1000)
  }
  return { ts, values }
}

test('encodes to the same bytes as the readable form, and decodes its bytes', () => {
  const prng = new SeededPrng(11)
  for (let round = 0; round < 300; round++) {
    const { ts, values } = samples(prng)
    const words = new Uint32Array(values.buffer)
    const expected = encodeXorChunk(ts, values)
    const encoder = new FloatEncoder()
    for (const [i, t] of ts.entries()) encoder.append(t, words[i * 2 + 1]!, words[i * 2]!)
    assert.deepEqual(Buffer.from(encoder.bytes()), Buffer.from(expected), `round ${round}`)
    assert.deepEqual([encoder.mint, encoder.maxt, encoder.size], [ts[0], ts.at(-1), ts.length])
    const decoded = decodeFloats(expected, 1)
    assert.deepEqual(decoded.ts, ts)
    assert.deepEqual(decoded.words, words)
  }
})

test('gives a typed error for damaged bytes, or the samples of the readable form', () => {
  const prng = new SeededPrng(12)
  let refused = 0
  for (let round = 0; round < 500; round++) {
    const { ts, values } = samples(prng)
    const bytes = encodeXorChunk(ts, values)
    bytes[prng.nextU32() % bytes.length]! ^= 1 << (prng.nextU32() % 8)
    const cut = bytes.subarray(
      0,
      prng.nextU32() % 3 === 0 ? prng.nextU32() % bytes.length : undefined,
    )
    try {
      const decoded = decodeFloats(cut, 1)
      const expectedTs = new Float64Array(decoded.size)
      const expected = new Float64Array(decoded.size)
      assert.equal(decodeXorChunk(cut, expectedTs, expected), decoded.size)
      assert.deepEqual(decoded.words, new Uint32Array(expected.buffer))
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      assert.equal(error.id, 'chunk-corrupt')
      refused++
    }
  }
  assert.ok(refused > 100, `${refused} refused`)
})
