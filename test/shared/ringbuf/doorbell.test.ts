import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import {
  createRingbuf,
  Doorbell,
  RingReader,
  RingWriter,
} from '../../../src/shared/ringbuf/index.js'

function link(): { writer: RingWriter; reader: RingReader; port: EventEmitter } {
  const buffer = createRingbuf(128, 1)
  const port = new EventEmitter()
  const writer = new RingWriter(buffer, () => port.emit('message', 0))
  return { writer, reader: new RingReader(buffer), port }
}

function put(writer: RingWriter): void {
  assert.ok(writer.reserve(1, 4) >= 0)
  writer.commit()
}

async function isPending(wait: Promise<void>): Promise<boolean> {
  const late = Symbol('late')
  const first = await Promise.race([wait, new Promise((resolve) => setImmediate(resolve, late))])
  return first === late
}

test('waits until any of its readers has frames', async () => {
  const one = link()
  const two = link()
  const doorbell = new Doorbell()
  doorbell.add(one.reader, one.port)
  doorbell.add(two.reader, two.port)
  await doorbell.wait() // the news of the added readers
  const wait = doorbell.wait()
  assert.equal(await isPending(wait), true)
  put(two.writer)
  assert.equal(await isPending(wait), false)
  // Frames left unread: no sleep.
  assert.equal(doorbell.isReady(), true)
  assert.equal(await isPending(doorbell.wait()), false)
  assert.ok(two.reader.next())
  two.reader.release()
  assert.equal(doorbell.isReady(), false)
})

test('a poke ends this wait or the next one', async () => {
  const doorbell = new Doorbell()
  doorbell.poke()
  assert.equal(await isPending(doorbell.wait()), false)
  const wait = doorbell.wait()
  assert.equal(await isPending(wait), true)
  doorbell.poke()
  assert.equal(await isPending(wait), false)
  assert.equal(doorbell.isReady(), false)
})

test('does not wait for a paused reader, nor wake for it', async () => {
  const one = link()
  const doorbell = new Doorbell()
  doorbell.add(one.reader, one.port)
  await doorbell.wait()
  put(one.writer)
  one.reader.isPaused = true
  assert.equal(doorbell.isReady(), false)
  const wait = doorbell.wait()
  put(one.writer)
  assert.equal(await isPending(wait), true)
  doorbell.poke()
  await wait
  one.reader.isPaused = false
  assert.equal(await isPending(doorbell.wait()), false)
})

test('a removed reader wakes nobody; one added while waiting does', async () => {
  const one = link()
  const two = link()
  const doorbell = new Doorbell()
  doorbell.add(one.reader, one.port)
  await doorbell.wait()
  const wait = doorbell.wait()
  doorbell.remove(one.reader)
  put(one.writer)
  assert.equal(await isPending(wait), true)
  doorbell.add(two.reader, two.port)
  assert.equal(await isPending(wait), false)
})
