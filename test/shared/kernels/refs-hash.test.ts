/**
 * The hash of references is what decision 0026 proves things of: made here once more from its
 * definition, with Node's own ChaCha20, and compared with the fingerprints that the kernel keeps.
 */
import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { test } from 'node:test'
import * as layout from '../../../src/shared/kernels/assembly/write-request-layout.js'
import { Limits } from '../../../src/shared/limits/index.js'
import { testLimits } from '../../support/limits.js'
import { hashOfBytes } from './byte-hash.js'
import { field, Harness, varint } from './write-request-harness.js'

const WORD = 1n << 64n

const { kernel, cache } = new Harness()
const tenant = cache.open('acme', new Limits(testLimits()).defaults())

/** A 128-bit hash: the low half and the high one. */
type Hash = readonly [bigint, bigint]

/** NH, each word plus one of the key, words 0 × 2 and 1 × 3 of each 16 bytes. */
function nh(text: Buffer, key: Buffer): bigint {
  let sum = 0n
  for (let at = 0; at < text.length; at += 16) {
    const word = (i: number) =>
      BigInt((text.readUInt32LE(at + 4 * i) + key.readUInt32LE(at + 4 * i)) >>> 0)
    sum += word(0) * word(2) + word(1) * word(3)
  }
  return sum % WORD
}

function keyAt(pointer: number, from: number, length: number): Buffer {
  const at = kernel.get(pointer) + from
  return Buffer.from(kernel.bytes.slice(at, at + length))
}

/** Up to 32 bytes NH twice, else the hash of bytes; and the length. */
function hashOfSymbol(symbol: string): Hash {
  const text = Buffer.from(symbol)
  const key = keyAt(layout.HASH_KEY, 0, text.length + layout.KEY_SLACK_BYTES)
  const padded = Buffer.concat([text, Buffer.alloc(32)]).subarray(0, 32)
  const hash =
    text.length > 32
      ? hashOfBytes(text, key)
      : bytesOf([nh(padded, key), nh(padded, key.subarray(16))])
  const lengths = keyAt(layout.REFS_KEY, layout.KEY_LENGTHS, 32)
  const half = (i: number): bigint =>
    hash.readBigUInt64LE(8 * i) +
    lengths.readBigUInt64LE(16 + 8 * i) * BigInt(text.length) +
    lengths.readBigUInt64LE(8 * i)
  return [half(0) % WORD, half(1) % WORD]
}

function bytesOf([low, high]: Hash): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.writeBigUInt64LE(low)
  bytes.writeBigUInt64LE(high, 8)
  return bytes
}

function hashOfLabel(name: string, value: string): Hash {
  const secret = keyAt(layout.REFS_KEY, layout.KEY_NAMES, 32)
  const stream = createCipheriv('chacha20', secret, bytesOf(hashOfSymbol(name)))
  const block = stream.update(Buffer.alloc(64))
  const text = bytesOf(hashOfSymbol(value))
  const half = (i: number): bigint =>
    nh(text, block.subarray(16 + 16 * i, 32 + 16 * i)) + block.readBigUInt64LE(8 * i)
  return [half(0) % WORD, half(1) % WORD]
}

function request(symbols: readonly string[], series: readonly (readonly number[])[]): Buffer {
  const time = Buffer.concat([Buffer.from([16]), varint(1_700_000_000_000)])
  const rows = series.map((refs) =>
    field(5, Buffer.concat([field(1, Buffer.concat(refs.map(varint))), field(2, time)])),
  )
  return Buffer.concat([...symbols.map((text) => field(4, Buffer.from(text))), ...rows])
}

/** Fingerprints of the series of a body, in its order. */
function walk(body: Buffer): Hash[] {
  kernel.bytes.set(body, kernel.body)
  kernel.beginBody(body.length)
  kernel.set(layout.TENANT, tenant.record)
  assert.equal(kernel.exports.symbols(kernel.context), layout.WALK_DONE)
  kernel.beginChunk()
  let code = kernel.exports.walkV2(kernel.context)
  while (code === layout.WALK_ROOM) {
    cache.makeRoom(tenant)
    code = kernel.exports.walkV2(kernel.context)
  }
  assert.equal(code, layout.WALK_DONE)
  const ids = kernel.get(layout.COLUMN_IDS) >>> 2
  return Array.from({ length: kernel.get(layout.SAMPLE_COUNT) }, (_, i) => {
    const at = kernel.get(layout.ID_FINGERPRINT) + kernel.words[ids + i]! * 16
    const bytes = Buffer.from(kernel.bytes.slice(at, at + 16))
    return [bytes.readBigUInt64LE(0), bytes.readBigUInt64LE(8)] as const
  })
}

test('the hash of a series is the sum that its definition says, for texts of any length', () => {
  const lengths = [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 128, 200, 5_000]
  const values = lengths.map((length) => String.fromCharCode(97 + (length % 23)).repeat(length))
  const names = ['__name__', 'job', 'a_name_of_more_than_sixteen_bytes', 'n'.repeat(70)]
  const symbols = ['', ...names, ...values]
  const first = 1 + names.length
  // Every value under every name, and a value under three names of one series.
  const series = values.flatMap((_, i) => [
    [1, first + i, 2, first + ((i + 1) % values.length)],
    [1, first, 2, first + i, 3, first + i, 4, first + i],
  ])
  const expected = series.map((refs) => {
    let [low, high] = [0n, 0n]
    for (let i = 0; i < refs.length; i += 2) {
      const label = hashOfLabel(symbols[refs[i]!]!, symbols[refs[i + 1]!]!)
      low += label[0]
      high += label[1]
    }
    return [low % WORD, high % WORD] as const
  })
  assert.deepEqual(walk(request(symbols, series)), expected)
  // With references of two bytes and of three; and the keys of names kept from the body before.
  for (const unused of [200, 20_000]) {
    const texts = [...symbols.slice(1)]
    const padding = Array.from({ length: unused }, (_, i) => `unused ${i}`)
    const moved = series.map((refs) => refs.map((ref) => ref + unused))
    assert.deepEqual(walk(request(['', ...padding, ...texts], moved)), expected)
  }
})
