import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runLoop } from '../../../src/shared/actor/index.js'
import {
  createRingbuf,
  Doorbell,
  RingReader,
  RingWriter,
} from '../../../src/shared/ringbuf/index.js'
import { FakeTime } from '../../support/fake-env.js'

test('turns while there is work, sleeps when there is none, wakes by frame, poke and time', async () => {
  const time = new FakeTime(0)
  const doorbell = new Doorbell()
  const work = [true, true, false]
  let turns = 0
  let isStopped = false
  const turn = () => work[turns++] ?? false
  const loop = runLoop({ turn, isStopped: () => isStopped }, doorbell, time)
  await time.yieldNow()
  await time.advance(0)
  assert.equal(turns, 3)
  doorbell.poke()
  await time.advance(0)
  assert.equal(turns, 4)
  await time.advance(249)
  assert.equal(turns, 4)
  await time.advance(1)
  assert.equal(turns, 5)
  isStopped = true
  doorbell.poke()
  await loop
  assert.equal(turns, 5)
})

test('sleeps after a turn that leaves nothing but frames to come, and takes what is there', async () => {
  const time = new FakeTime(0)
  const doorbell = new Doorbell()
  const buffer = createRingbuf(256, 1)
  const writer = new RingWriter(buffer, () => doorbell.poke())
  const reader = new RingReader(buffer)
  doorbell.add(reader)
  const put = (): void => {
    assert.ok(writer.reserve(1, 8) >= 0)
    writer.commit()
  }
  put()
  put()
  const more = [true, false, false]
  let turns = 0
  let taken = 0
  let isStopped = false
  const turn = (): boolean => {
    turns++
    if (!reader.next()) return false
    reader.release()
    taken++
    return true
  }
  const hasMore = () => more.shift() ?? false
  const loop = runLoop({ turn, hasMore, isStopped: () => isStopped }, doorbell, time)
  await time.advance(0)
  // The first had more to do, the second found none after it.
  assert.deepEqual([turns, taken], [2, 2])
  put()
  await time.advance(0)
  assert.deepEqual([turns, taken], [3, 3])
  isStopped = true
  doorbell.poke()
  await loop
})

test('frames that no turn takes do not keep timers and messages out', async () => {
  const time = new FakeTime(0)
  const doorbell = new Doorbell()
  const buffer = createRingbuf(64, 1)
  const writer = new RingWriter(buffer, () => doorbell.poke())
  writer.reserve(1, 1)
  writer.commit()
  doorbell.add(new RingReader(buffer))
  let isStopped = false
  const parts = { turn: () => false, isStopped: () => isStopped }
  const loop = runLoop(parts, doorbell, time)
  await time.yieldNow()
  await time.yieldNow()
  isStopped = true
  await loop
})

test('an error in a turn ends the loop with it', async () => {
  const turn = (): boolean => {
    throw new Error('broken turn')
  }
  const loop = runLoop({ turn, isStopped: () => false }, new Doorbell(), new FakeTime(0))
  await assert.rejects(loop, /broken turn/)
})
