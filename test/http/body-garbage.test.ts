/** What push bodies leave behind is freed as they are answered. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BodyGarbage } from '../../src/http/body-garbage.js'

const PIECE_BYTES = 64 << 10
const MIB = 1 << 20

test('frees the buffers of bodies long before the heap fills', () => {
  const garbage = new BodyGarbage()
  const before = process.memoryUsage().arrayBuffers
  let most = 0
  for (let piece = 0; piece < 1024; piece++) {
    new Uint8Array(PIECE_BYTES).fill(piece)
    garbage.letGo(PIECE_BYTES)
    most = Math.max(most, process.memoryUsage().arrayBuffers - before)
  }
  assert.ok(most < 16 * MIB, `${most} bytes were held of 64 MiB`)
})

test('collects once in 4 MiB', () => {
  let collections = 0
  const garbage = new BodyGarbage(() => collections++)
  for (let piece = 0; piece < 64 * 3; piece++) garbage.letGo(PIECE_BYTES)
  assert.equal(collections, 3)
})
