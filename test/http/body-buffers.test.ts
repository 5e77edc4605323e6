import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BodyBuffers } from '../../src/http/body-buffers.js'

const KIB = 1 << 10
const MIB = 1 << 20

test('lends the same buffer again, to those that it is large enough for', () => {
  const buffers = new BodyBuffers()
  const first = buffers.take(100 * KIB)
  assert.equal(first.length, 128 * KIB)
  assert.notEqual(buffers.take(100 * KIB), first)
  buffers.give(first)
  assert.notEqual(buffers.take(129 * KIB), first)
  assert.equal(buffers.take(65 * KIB), first)
})

test('grows with what was there', () => {
  const buffers = new BodyBuffers()
  const small = buffers.take(1)
  small.fill(7)
  const larger = buffers.grow(small, small.length)
  assert.equal(larger.length, 2 * small.length)
  assert.ok(larger.subarray(0, small.length).every((byte) => byte === 7))
  assert.equal(buffers.take(1), small)
})

test('keeps neither large ones nor many', () => {
  const buffers = new BodyBuffers()
  const large = buffers.take(2 * MIB)
  buffers.give(large)
  assert.notEqual(buffers.take(2 * MIB), large)
  const many = Array.from({ length: 20 }, () => buffers.take(MIB))
  for (const one of many) buffers.give(one)
  const kept = Array.from({ length: 20 }, () => buffers.take(MIB)).filter((one) =>
    many.includes(one),
  )
  assert.equal(kept.length, 8)
})
