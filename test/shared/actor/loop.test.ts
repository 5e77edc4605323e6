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
  const loop = runLoop(
    () => work[turns++] ?? false,
    doorbell,
    time,
    () => isStopped,
  )
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

test('frames that no turn takes do not keep timers and messages out', async () => {
  const time = new FakeTime(0)
  const doorbell = new Doorbell()
  const buffer = createRingbuf(64, 1)
  const writer = new RingWriter(buffer, () => doorbell.poke())
  writer.reserve(1, 1)
  writer.commit()
  doorbell.add(new RingReader(buffer))
  let isStopped = false
  const loop = runLoop(
    () => false,
    doorbell,
    time,
    () => isStopped,
  )
  await time.yieldNow()
  await time.yieldNow()
  isStopped = true
  await loop
})

test('an error in a turn ends the loop with it', async () => {
  const loop = runLoop(
    () => {
      throw new Error('broken turn')
    },
    new Doorbell(),
    new FakeTime(0),
    () => false,
  )
  await assert.rejects(loop, /broken turn/)
})
