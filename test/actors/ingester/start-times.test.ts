/** Starts: zeros where counting began, taken when nothing newer is there, never refused aloud. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ACK_OK, ACK_REJECTED } from '../../../src/shared/wire/frames/index.js'
import { FakeDisk } from '../../support/fake-disk.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { Shard, type ShardOptions } from './harness.js'

const NOW = 1_700_000_000_000
const MINUTE = 60_000
const HOUR = 60 * MINUTE
/** What a distributor sends for a start. */
const start = (t: number): number => t + 0.5

function createShard(disk = new FakeDisk(), options: ShardOptions = {}): Shard {
  return new Shard(createFakeEnv({ disk }), options)
}

test('a start is stored once, ahead of the samples of its series, and outlives a restart', async () => {
  const disk = new FakeDisk()
  const shard = createShard(disk)
  const begin = NOW - MINUTE
  const first = shard.push('t', [
    ['x', start(begin), 0],
    ['x', NOW, 5],
    ['y', NOW, 1],
  ])
  assert.deepEqual([first.status, first.counts], [ACK_OK, {}])
  // Said again with each sample; and by a series that had samples before.
  const second = shard.push('t', [
    ['x', start(begin), 0],
    ['x', NOW + 1, 6],
    ['y', start(begin), 0],
    ['y', NOW + 1, 2],
  ])
  assert.deepEqual([second.status, second.counts, second.text], [ACK_OK, {}, ''])
  // The counter begins anew.
  shard.push('t', [
    ['x', start(NOW + 5), 0],
    ['x', NOW + 9, 1],
  ])
  const x = [
    [begin, 0],
    [NOW, 5],
    [NOW + 1, 6],
    [NOW + 5, 0],
    [NOW + 9, 1],
  ]
  const y = [
    [NOW, 1],
    [NOW + 1, 2],
  ]
  for (const each of [shard, createShard(disk)]) {
    assert.deepEqual(await each.read('t', 'x'), x)
    assert.deepEqual(await each.read('t', 'y'), y)
  }
})

test('a start that is too old, or out of order within the window, is left out without a word', async () => {
  const limits = { out_of_order_time_window: 3 * HOUR }
  const shard = createShard(new FakeDisk(), { limits })
  // Of a tenant without samples: measured from its own.
  const first = shard.push('t', [
    ['w', start(NOW - HOUR - 1), 0],
    ['w', NOW, 1],
    ['x', start(NOW - HOUR), 0],
    ['x', NOW, 1],
  ])
  assert.deepEqual([first.status, first.counts], [ACK_OK, {}])
  const second = shard.push('t', [
    ['y', start(NOW - HOUR - 1), 0],
    ['y', NOW, 1],
    ['x', start(NOW - MINUTE), 0],
    ['x', NOW + 1, 1],
    ['x', NOW - MINUTE, 7],
  ])
  assert.deepEqual([second.status, second.counts], [ACK_OK, {}])
  assert.deepEqual(await shard.read('t', 'w'), [[NOW, 1]])
  assert.deepEqual(await shard.read('t', 'y'), [[NOW, 1]])
  const x = [
    [NOW - HOUR, 0],
    [NOW - MINUTE, 7],
    [NOW, 1],
    [NOW + 1, 1],
  ]
  assert.deepEqual(await shard.read('t', 'x'), x)
})

test('a sample that is refused is refused with a start as without', () => {
  const shard = createShard()
  shard.push('t', [['x', NOW, 1]])
  const ack = shard.push('t', [
    ['x', start(NOW - MINUTE), 0],
    ['x', NOW - 1, 1],
  ])
  assert.deepEqual([ack.status, ack.counts], [ACK_REJECTED, { sample_out_of_order: 1 }])
})
