/** The listener of a rehearsal asks for no credential, and is for nobody but the rehearsal. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { httpConfigOf } from '../../src/http/config.js'
import { Stage } from '../../src/http/rehearsal.js'
import { defaultConfig } from '../../src/shared/config/index.js'
import { createNodeEnv } from '../../src/shared/env/index.js'
import { openMetrics } from '../../src/shared/telemetry/index.js'

test('who else connects is cut off unread', async () => {
  const env = createNodeEnv({ actor: 'main', logLevel: 'error', metrics: openMetrics() })
  const taken: Socket[] = []
  const lane = {
    take: (socket: Socket) => void taken.push(socket.resume()),
    closeIdle: () => {},
    closeAll: () => {},
  }
  const stage = await Stage.open(env, httpConfigOf(defaultConfig({})), lane)
  const first = await stage.connect()
  const stranger = connect({ port: first.socket.remotePort!, host: '127.0.0.1' })
  stranger.on('error', () => {})
  const closed = once(stranger, 'close')
  await once(stranger, 'connect')
  stranger.write('POST /api/v1/push HTTP/1.1\r\nHost: localhost\r\n\r\n')
  let heard = ''
  stranger.on('data', (bytes) => {
    heard += bytes.toString()
  })
  const second = await stage.connect()
  // Of the hidden class of those that the real listener takes: `remotePort` leaves a property.
  for (const socket of taken) assert.ok(!Object.hasOwn(socket, '_peername'))
  assert.deepEqual(
    taken.map((socket) => socket.remotePort),
    [first.socket.localPort, second.socket.localPort],
  )
  await closed
  await stage.close()
  assert.equal(heard, '')
})
