/** Sockets read into one buffer: every byte as it was sent, and a stream again when given back. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { readShared } from '../../src/http/socket-reads.js'
import { until } from './support.js'

/** A socket's two ends. */
async function pair(t: { after(run: () => void): void }): Promise<[far: Socket, near: Socket]> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const far = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [near] = await accepted
  t.after(() => {
    far.destroy()
    near.destroy()
    server.close()
  })
  return [far, near]
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** 3 MB that differ from place to place, and from sender to sender. */
function load(seed: number): Buffer {
  return Buffer.from(
    Uint32Array.from({ length: 750_000 }, (_, i) => i * 2_654_435_761 + seed).buffer,
  )
}

test('sockets that send at once do not get into each other', async (t) => {
  const loads = [1, 2, 3, 4].map(load)
  const received = await Promise.all(
    loads.map(async (bytes) => {
      const [far, near] = await pair(t)
      const hash = createHash('sha256')
      let count = 0
      const reads = readShared(near, (came) => {
        hash.update(came)
        count += came.length
      })
      assert.equal(reads.leavesGarbage, false, 'this Node is not known to socket-reads.ts')
      far.write(bytes)
      await until(() => count === bytes.length)
      return hash.digest('hex')
    }),
  )
  assert.deepEqual(received, loads.map(digest))
})

test('a socket that is given back is a stream, with what was put back first', async (t) => {
  const [far, near] = await pair(t)
  const rest = load(5)
  const got: Buffer[] = []
  const reads = readShared(near, (came) => {
    near.pause()
    reads.giveBack()
    near.unshift(Buffer.from(came))
    near.on('data', (piece) => got.push(piece))
    near.resume()
  })
  far.write('head')
  await until(() => got.length > 0)
  far.end(rest)
  await once(near, 'end')
  assert.equal(digest(Buffer.concat(got)), digest(Buffer.concat([Buffer.from('head'), rest])))
})

test('the end of what is sent is heard, and nothing comes while the socket is paused', async (t) => {
  const [far, near] = await pair(t)
  let came = 0
  readShared(near, (bytes) => {
    came += bytes.length
    near.pause()
  })
  far.write(load(6))
  await until(() => came > 0)
  const before = came
  await once(near.setTimeout(20), 'timeout')
  assert.equal(came, before)
  near.removeAllListeners('timeout').setTimeout(0)
  const ended = once(near, 'end')
  const timer = setInterval(() => near.resume(), 1)
  far.end()
  await ended
  clearInterval(timer)
  assert.equal(came, 3_000_000)
})
