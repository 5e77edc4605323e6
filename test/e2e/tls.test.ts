/** The built server with TLS: client certificates as credentials, a certificate changed while it runs. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { connect } from 'node:tls'
import { askTls, type SecureNilo, startSecureNilo, tlsFile } from '../support/nilo.js'
import { waitFor } from '../support/processes.js'

describe('TLS', () => {
  let folder: string
  let nilo: SecureNilo

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nilo-tls-'))
    writeFileSync(join(folder, 'access'), 'edge-1 write,read team-a certificate\n')
    nilo = await startSecureNilo(folder, [
      `-server.http-tls-ca-path=${tlsFile('ca.pem')}`,
      '-server.http-tls-client-auth=VerifyClientCertIfGiven',
      `-access.file=${join(folder, 'access')}`,
      '-access.reload-period=100ms',
      '-server.tls-cipher-suites=ECDHE-ECDSA-AES256-GCM-SHA384',
    ])
  })
  after(async () => {
    await nilo.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const statusOf = async (path: string, client?: string, body?: string): Promise<number> => {
    const options = { ...(client ? { client } : {}), ...(body ? { body } : {}) }
    return (await askTls(nilo.port, path, options)).status
  }

  test('a client certificate that the authority signed is a credential', async () => {
    const text = '/api/v1/import/prometheus'
    assert.equal(await statusOf(text, undefined, 'up 1\n'), 401)
    assert.equal(await statusOf(text, 'edge-1', 'up 1\n'), 204)
    assert.equal(await statusOf('/prometheus/api/v1/query?query=up', 'edge-1'), 200)
    assert.equal(await statusOf('/config', 'edge-1'), 403)
  })

  test('one that nobody signed is turned away', async () => {
    await assert.rejects(statusOf('/ready', 'stranger'))
  })

  test('a new certificate is taken while connections come in', async () => {
    assert.equal((await askTls(nilo.port, '/ready')).server, 'server-1')
    copyFileSync(tlsFile('server-2-key.pem'), join(folder, 'key.pem'))
    copyFileSync(tlsFile('server-2.pem'), join(folder, 'cert.pem'))
    const later = new Date(Date.now() + 5_000)
    utimesSync(join(folder, 'cert.pem'), later, later)
    await waitFor('the new certificate', nilo, async () => {
      const { server } = await askTls(nilo.port, '/ready')
      return server === 'server-2' ? true : undefined
    })
    await assert.rejects(greet('ECDHE-ECDSA-AES128-GCM-SHA256'), 'ciphers stay what they were')
    await greet('ECDHE-ECDSA-AES256-GCM-SHA384')
  })

  /** A connection by a cipher of TLS 1.2. */
  const greet = (ciphers: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const options = { port: nilo.port, host: '127.0.0.1', ciphers, rejectUnauthorized: false }
      const socket = connect({ ...options, maxVersion: 'TLSv1.2' }, () => {
        socket.destroy()
        resolve()
      })
      socket.on('error', reject)
    })
})
