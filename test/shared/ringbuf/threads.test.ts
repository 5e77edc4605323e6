/** The ring between two real threads, the reader asleep as often as not. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { createRingbuf, RingWriter, ringStats } from '../../../src/shared/ringbuf/index.js'

test('a reader thread takes every frame of a writer thread and never misses a wake-up', async () => {
  const buffer = createRingbuf(4096, 1)
  const { port1, port2 } = new MessageChannel()
  const count = 30_000
  const worker = new Worker(new URL('./ring-reader-thread.js', import.meta.url), {
    workerData: { buffer, port: port2, count },
    transferList: [port2],
  })
  const ended = once(worker, 'message')
  const writer = new RingWriter(buffer, () => port1.postMessage(0))
  let expected = 0
  for (let at = 0; at < count; at++) {
    const bytes = (at * 7) % 400
    let offset = writer.reserve(at, bytes)
    while (offset < 0) {
      await new Promise((resolve) => setImmediate(resolve))
      offset = writer.reserve(at, bytes)
    }
    writer.data.fill(at & 255, offset, offset + bytes)
    expected = (expected + bytes * (at & 255) + at) | 0
    writer.commit()
    // Pauses of all kinds, so that the reader falls asleep in between.
    if (at % 97 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  const [sum] = (await ended) as [number]
  assert.equal(sum, expected)
  const stats = ringStats(buffer)
  assert.equal(stats.frames, count)
  assert.ok(stats.sleeps > 0 && stats.wakes > 0 && stats.wakes <= stats.sleeps)
  port1.close()
  await worker.terminate()
})
