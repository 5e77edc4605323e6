/** The built server with TLS: client certificates as credentials, a certificate changed while it runs. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { runNilo } from '../support/nilo.js'
import { type RunningProcess, waitFor } from '../support/processes.js'

const PEM = resolve('test/support/tls')
const pem = (name: string): Buffer => readFileSync(join(PEM, `${name}.pem`))

interface Asked {
  readonly status: number
  readonly server: string
}

describe('TLS', () => {
  let folder: string
  let nilo: RunningProcess
  let port: number

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nilo-tls-'))
    copyFileSync(join(PEM, 'server-1.pem'), join(folder, 'cert.pem'))
    copyFileSync(join(PEM, 'server-1-key.pem'), join(folder, 'key.pem'))
    writeFileSync(join(folder, 'access'), 'edge-1 write,read team-a certificate\n')
    nilo = runNilo([
      'serve',
      `-data.dir=${join(folder, 'data')}`,
      '-server.http-listen-port=0',
      `-server.http-tls-cert-path=${join(folder, 'cert.pem')}`,
      `-server.http-tls-key-path=${join(folder, 'key.pem')}`,
      `-server.http-tls-ca-path=${join(PEM, 'ca.pem')}`,
      '-server.http-tls-client-auth=VerifyClientCertIfGiven',
      `-access.file=${join(folder, 'access')}`,
      '-access.reload-period=100ms',
    ])
    port = await waitFor('the port', nilo, async () => {
      const found = /https:\/\/[\d.]+:(\d+)\/api/.exec(nilo.output())?.[1]
      return found === undefined ? undefined : Number(found)
    })
    await waitFor('ready', nilo, async () => {
      return (await ask('/ready').catch(() => undefined))?.status === 200 ? true : undefined
    })
  })
  after(async () => {
    await nilo.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  function ask(path: string, client?: string, body?: string): Promise<Asked> {
    const identity = client === undefined ? {} : { cert: pem(client), key: pem(`${client}-key`) }
    const method = body === undefined ? 'GET' : 'POST'
    const options = { host: '127.0.0.1', port, path, method, ca: pem('ca'), agent: false as const }
    return new Promise((done, reject) => {
      const asked = request({ ...options, ...identity }, (response) => {
        const socket = response.socket as TLSSocket
        const server = String(socket.getPeerCertificate().subject?.CN)
        response.resume().on('end', () => done({ status: response.statusCode ?? 0, server }))
      })
      asked.on('error', reject)
      asked.end(body)
    })
  }

  test('a client certificate that the authority signed is a credential', async () => {
    const text = '/api/v1/import/prometheus'
    assert.equal((await ask(text, undefined, 'up 1\n')).status, 401)
    assert.equal((await ask(text, 'edge-1', 'up 1\n')).status, 204)
    const query = '/prometheus/api/v1/query?query=up'
    assert.equal((await ask(query, 'edge-1')).status, 200)
    assert.equal((await ask('/config', 'edge-1')).status, 403)
  })

  test('one that nobody signed is turned away', async () => {
    await assert.rejects(ask('/ready', 'stranger'))
  })

  test('a new certificate is taken while connections come in', async () => {
    assert.equal((await ask('/ready')).server, 'server-1')
    copyFileSync(join(PEM, 'server-2-key.pem'), join(folder, 'key.pem'))
    copyFileSync(join(PEM, 'server-2.pem'), join(folder, 'cert.pem'))
    const later = new Date(Date.now() + 5_000)
    utimesSync(join(folder, 'cert.pem'), later, later)
    await waitFor('the new certificate', nilo, async () => {
      const { server } = await ask('/ready')
      return server === 'server-2' ? true : undefined
    })
  })
})
