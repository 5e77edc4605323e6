import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import {
  type ActorNote,
  type ActorThread,
  connect,
  makeLink,
  openLink,
  startThread,
} from '../../../src/shared/actor/index.js'
import { AppError } from '../../../src/shared/errors/index.js'
import { Doorbell } from '../../../src/shared/ringbuf/index.js'
import { createMetricBlock, MetricsRegistry } from '../../../src/shared/telemetry/index.js'
import type { EchoBoot, EchoCalls } from './echo-thread.js'

const started: ActorThread[] = []
after(() => Promise.all(started.map((thread) => thread.terminate())))

function start(mode: EchoBoot['mode'] = 'normal') {
  const notes: ActorNote[] = []
  const metricBlock = createMetricBlock()
  const thread = startThread({
    actor: 'echo/0',
    entry: new URL('./echo-thread.js', import.meta.url),
    boot: { mode } satisfies EchoBoot,
    logLevel: 'error',
    metricBlock,
    isOnPushPath: true,
    deadlineMs: 10_000,
    startMs: 10_000,
    drainMs: 10_000,
    onNote: (note) => notes.push(note),
  })
  started.push(thread)
  const client = connect<EchoCalls>(thread.open(), { actor: 'echo/0', deadlineMs: 10_000 })
  return { thread, client, notes, metricBlock }
}

const hasId = (id: string) => (error: unknown) => error instanceof AppError && error.id === id

test('a thread starts, answers, counts, drains and ends with code 0', async () => {
  const { thread, client, metricBlock } = start()
  await thread.start()
  assert.equal(await client.greet('you'), 'hello you')
  const registry = new MetricsRegistry()
  registry.attach('echo/0', metricBlock)
  assert.equal(registry.value('nilo_actor_restarts_total', 'echo'), 1)
  assert.equal((await thread.status()).readyPercent, 100)
  await thread.drain()
  await thread.terminate()
  await thread.exited
  await assert.rejects(client.greet('you'), hasId('actor-down'))
  await assert.rejects(thread.status(), hasId('actor-down'))
})

test('frames go to and fro over a link; a newer generation replaces it, an older one is let go', async () => {
  const { thread, client, notes } = start()
  await thread.start()
  const bell = new Doorbell()
  const passOver = async (generation: number, payload: number): Promise<number> => {
    const sizes = { generation, downBytes: 1024, upBytes: 1024 }
    const [mine, theirs] = makeLink({ peer: 'main', index: 0 }, { peer: 'echo', index: 0 }, sizes)
    const link = openLink(mine)
    bell.add(link.reader, link.port)
    await thread.link(theirs)
    const offset = link.writer.reserve(5, 4)
    link.writer.data[offset] = payload
    link.writer.commit()
    link.port.postMessage(new Uint8Array(generation))
    while (!link.reader.next()) await bell.wait()
    assert.equal(link.reader.kind, 5)
    const back = link.reader.data[link.reader.offset]!
    link.reader.release()
    // A message still on its way when the next generation comes goes with its port.
    let arrived = 0
    while (arrived < generation) arrived = (await client.oversize()).length
    bell.remove(link.reader)
    return back
  }
  assert.equal(await passOver(1, 41), 41)
  assert.equal(await passOver(2, 42), 42)
  assert.equal((await thread.status()).details['links'], 1)
  assert.deepEqual(await client.oversize(), ['main/0: 1', 'main/0: 2'])
  const sizes = { generation: 1, downBytes: 64, upBytes: 64 }
  const [mine, theirs] = makeLink({ peer: 'main', index: 0 }, { peer: 'echo', index: 0 }, sizes)
  const closed = new Promise((resolve) => mine.port.on('close', resolve))
  await thread.link(theirs)
  await closed
  await client.relink()
  await thread.status()
  assert.deepEqual(notes, [{ note: 'relink', peer: 'main', index: 0 }])
  await thread.terminate()
})

test('calls in flight reject when the thread is killed, even in an endless loop', async () => {
  const { thread, client } = start()
  await thread.start()
  const never = assert.rejects(client.never(), hasId('actor-down'))
  const spin = assert.rejects(client.spin(), hasId('actor-down'))
  const status = assert.rejects(thread.status(), hasId('actor-down'))
  await thread.terminate()
  await Promise.all([never, spin, status])
  assert.equal((await thread.exited).code, 1)
})

test('an error in a turn ends the thread with a code that says so', async () => {
  const { thread, client } = start()
  await thread.start()
  const never = assert.rejects(client.never(), hasId('actor-down'))
  await client.throwLater().catch(() => {})
  assert.equal((await thread.exited).code, 1)
  await never
})

test('an actor that cannot be built fails its start', async () => {
  const { thread, client } = start('fail-at-start')
  // Whichever comes first: the error itself, or the end of the thread.
  await assert.rejects(
    thread.start(),
    (error) => hasId('internal')(error) || hasId('actor-down')(error),
  )
  await assert.rejects(client.greet('you'), AppError)
  assert.equal((await thread.exited).code, 1)
})
