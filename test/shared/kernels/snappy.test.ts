/** Decompression in the kernel, against the native library: same verdict, same bytes, no more. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compressSync, uncompressSync } from 'snappy'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import { below, Harness, mutate } from './write-request-harness.js'

const SEED = Number(process.env['SEED'] ?? 1)
const MAX = 200_000
const GUARD = 4_096
const UNTOUCHED = Buffer.alloc(GUARD, 0x5a)

const harness = new Harness()
const { kernel } = harness

/** Decompresses; undefined when refused. Checks that nothing past the slack was written. */
function decompress(body: Uint8Array, max = MAX): Uint8Array | undefined {
  const guard = kernel.body + max + 64
  kernel.bytes.fill(0x5a, guard, guard + GUARD)
  kernel.bytes.set(body, kernel.source)
  const length = kernel.exports.snappyDecompress(kernel.source, body.length, kernel.body, max)
  const after = Buffer.from(kernel.bytes.buffer, guard, GUARD)
  assert.ok(after.equals(UNTOUCHED), 'guard bytes')
  return length < 0 ? undefined : kernel.bytes.slice(kernel.body, kernel.body + length)
}

function native(body: Uint8Array): Uint8Array | undefined {
  try {
    return uncompressSync(Buffer.from(body)) as Uint8Array
  } catch {
    return undefined
  }
}

function randomText(random: SeededPrng): Buffer {
  const bytes = Buffer.alloc(below(random, 20_000))
  const kinds = 1 + below(random, 250)
  for (let i = 0; i < bytes.length; i++) bytes[i] = below(random, kinds)
  // Repeats at all distances.
  for (let i = 0; i < 50 && bytes.length > 100; i++) {
    const from = below(random, bytes.length - 80)
    bytes.copy(bytes, below(random, bytes.length - 80), from, from + below(random, 80))
  }
  return bytes
}

test(`gives back what was compressed (seed ${SEED})`, () => {
  const random = new SeededPrng(SEED)
  for (let round = 0; round < 200; round++) {
    const text = randomText(random)
    assert.deepEqual(decompress(compressSync(text)), new Uint8Array(text))
  }
})

test(`agrees with the native library about damaged bodies (seed ${SEED})`, () => {
  const random = new SeededPrng(SEED)
  let refused = 0
  for (let round = 0; round < 3_000; round++) {
    const body = mutate(random, compressSync(randomText(random).subarray(0, 2_000)))
    if (claimed(body) > MAX) continue
    const want = native(body)
    const got = decompress(body)
    if (want === undefined) refused++
    assert.deepEqual(got, want === undefined ? undefined : new Uint8Array(want), `round ${round}`)
  }
  assert.ok(refused > 500)
})

/** Decompresses two at once, with a guard behind each. */
function decompressBoth(first: Uint8Array, second: Uint8Array): (Uint8Array | undefined)[] {
  const bodies = [kernel.body, kernel.secondBody]
  for (const at of bodies) kernel.bytes.fill(0x5a, at + MAX + 64, at + MAX + 64 + GUARD)
  assert.equal(kernel.decompressBoth(first, second, MAX), true)
  const got = bodies.map((at, index) => {
    const after = Buffer.from(kernel.bytes.buffer, at + MAX + 64, GUARD)
    assert.ok(after.equals(UNTOUCHED), 'guard bytes')
    const length = kernel.unpacked(index as 0 | 1)
    return length < 0 ? undefined : kernel.bytes.slice(at, at + length)
  })
  return got
}

test(`decompresses two at once as each alone (seed ${SEED})`, () => {
  const random = new SeededPrng(SEED)
  const bodyOf = (): Uint8Array => {
    const text = compressSync(randomText(random).subarray(0, below(random, 20_000)))
    return below(random, 3) === 0 ? mutate(random, text) : text
  }
  let refused = 0
  for (let round = 0; round < 2_000; round++) {
    const bodies = [bodyOf(), bodyOf()]
    if (bodies.some((body) => claimed(body) > MAX)) continue
    const want = bodies.map((body) => decompress(body))
    if (want.includes(undefined)) refused++
    assert.deepEqual(decompressBoth(bodies[0]!, bodies[1]!), want, `round ${round}`)
  }
  assert.ok(refused > 200)
})

function claimed(body: Uint8Array): number {
  kernel.bytes.set(body, kernel.source)
  return kernel.exports.snappyLength(kernel.source, body.length)
}

test('refuses what hostile tags try', () => {
  const cases = {
    'no header': [],
    'header without an end': [0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
    'length above 32 bits': [0xff, 0xff, 0xff, 0xff, 0x7f],
    'literal longer than the input': [0x05, 0x10, 0x61],
    'literal longer than the output': [0x01, 0x04, 0x61, 0x62],
    'literal length that wraps': [0x01, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x61],
    'literal length cut off': [0x05, 0xf4],
    'copy from before the start': [0x05, 0x00, 0x61, 0x01, 0x02],
    'copy of offset 0': [0x05, 0x00, 0x61, 0x01, 0x00],
    'copy longer than the output': [0x03, 0x00, 0x61, 0x01, 0x01],
    'copy tag cut off': [0x05, 0x00, 0x61, 0x02, 0x01],
    'far copy of offset 2^32 − 1': [0x05, 0x00, 0x61, 0x03, 0xff, 0xff, 0xff, 0xff],
    'short output': [0x05, 0x00, 0x61],
    'bytes left over': [0x01, 0x00, 0x61, 0x00, 0x61],
  }
  for (const [name, bytes] of Object.entries(cases)) {
    assert.equal(decompress(Uint8Array.from(bytes)), undefined, name)
  }
})

test('refuses what is larger than the room before it writes', () => {
  const body = compressSync(Buffer.alloc(1_000, 0x61))
  kernel.bytes.fill(0, kernel.body, kernel.body + 2_000)
  assert.equal(decompress(body, 999), undefined)
  assert.ok(kernel.bytes.subarray(kernel.body, kernel.body + 999).every((byte) => byte === 0))
  assert.equal(decompress(body, 1_000)?.length, 1_000)
})
