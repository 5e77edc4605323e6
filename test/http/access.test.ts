/** Access control: tokens, passwords, tenants, permissions, the operator's listener, reload. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { hashPassword } from '../../src/http/access/access.js'
import { parseCredentials } from '../../src/http/access/credentials.js'
import { permissionOf } from '../../src/http/access/gate.js'
import { ENDPOINTS } from '../../src/http/endpoints.js'
import { type Answer, ask, startFront, type TestFront } from './support.js'

const FILE = 'etc/access'
const sha = (token: string): string => `sha256:${createHash('sha256').update(token).digest('hex')}`
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const basic = (user: string) => ({
  authorization: `Basic ${Buffer.from(user).toString('base64')}`,
})

function push(front: TestFront, headers: Record<string, string>): Promise<Answer> {
  return ask(front.port, '/api/v1/push', { method: 'POST', headers, body: 'x' })
}

function query(front: TestFront, headers: Record<string, string>): Promise<Answer> {
  return ask(front.port, '/prometheus/api/v1/query?query=up', { headers })
}

describe('access control', () => {
  let front: TestFront
  before(async () => {
    const file = `
# name   permissions  tenants  secret
edge     write        team-a         ${sha('edge-token')}
grafana  read         team-a,team-b  ${await hashPassword('söcret')}
ops      admin,read   *              ${sha('ops-token')}
`
    const federation = { isEnabled: true, tenantsMax: 0 }
    front = await startFront({ accessFile: FILE, accessReloadMs: 1_000, federation }, undefined, {
      [FILE]: file,
    })
  })
  after(() => front.server.drain())

  test('asks who has no credential, or a wrong one, for one', async () => {
    for (const headers of [
      {},
      bearer('edge-token2'),
      bearer(''),
      basic('grafana:wrong'),
      basic('nobody:söcret'),
      basic('grafana'),
      { authorization: 'Digest x' },
      { authorization: `Bearer ${'x'.repeat(9_000)}` },
    ]) {
      const answer = await push(front, headers)
      assert.equal(answer.status, 401)
      assert.match(String(answer.headers['www-authenticate']), /^Basic realm="nilometer"/)
    }
    assert.equal(front.pushes.length, 0)
  })

  test('gives who has one tenant that one', async () => {
    assert.equal((await push(front, bearer('edge-token'))).status, 200)
    assert.equal(front.pushes.at(-1)?.tenant, 'team-a')
    const named = { ...bearer('edge-token'), 'x-scope-orgid': 'team-a' }
    assert.equal((await push(front, named)).status, 200)
    // As the password of basic auth, too.
    assert.equal((await push(front, basic('edge:edge-token'))).status, 200)
  })

  test('refuses other tenants, and what a credential does not allow', async () => {
    const other = await push(front, { ...bearer('edge-token'), 'x-scope-orgid': 'team-b' })
    assert.equal(other.status, 403)
    assert.match(other.body, /edge has no access to tenant team-b/)
    const read = await query(front, bearer('edge-token'))
    assert.equal(read.status, 403)
    assert.match(read.body, /edge lacks the permission read/)
    assert.equal((await ask(front.port, '/config', { headers: bearer('edge-token') })).status, 403)
  })

  test('lets who has several tenants name one, or some of them', async () => {
    const me = basic('grafana:söcret')
    assert.equal((await query(front, me)).status, 401)
    assert.equal((await query(front, { ...me, 'x-scope-orgid': 'team-b' })).status, 200)
    assert.equal((await query(front, { ...me, 'x-scope-orgid': 'team-a|team-b' })).status, 200)
    assert.equal((await query(front, { ...me, 'x-scope-orgid': 'team-a|team-c' })).status, 403)
  })

  test('lets the operator see pages, and probes see whether it is ready', async () => {
    assert.equal((await ask(front.port, '/config', { headers: bearer('ops-token') })).status, 200)
    assert.equal((await ask(front.port, '/metrics')).status, 401)
    assert.equal((await ask(front.port, '/ready')).status, 200)
  })

  test('takes changes of the file, and keeps the last good one', async () => {
    const write = (text: string): void => front.env.disk.replaceFile(FILE, Buffer.from(text))
    await front.env.timers.advance(10)
    write('edge write team-a sha256:short\n')
    await front.env.timers.advance(1_000)
    assert.equal((await push(front, bearer('edge-token'))).status, 200)
    assert.ok(
      front.env.log.lines.some((line) => JSON.stringify(line).includes('etc/access: line 1')),
    )
    write(`edge write team-a ${sha('new-token')}\n`)
    await front.env.timers.advance(1_000)
    assert.equal((await push(front, bearer('edge-token'))).status, 401)
    assert.equal((await push(front, bearer('new-token'))).status, 200)
  })
})

test("pages of the operator are on the operator's listener alone, if there is one", async () => {
  const front = await startFront({ adminListener: { address: '127.0.0.1', port: 0 } })
  const line = front.env.log.lines.map((one) => JSON.stringify(one)).join('\n')
  const adminPort = Number(/127\.0\.0\.1:(\d+)/.exec(line)?.[1])
  assert.equal((await ask(front.port, '/config')).status, 404)
  assert.equal((await ask(adminPort, '/config')).status, 200)
  assert.equal((await query(front, {})).status, 200)
  assert.equal((await ask(adminPort, '/prometheus/api/v1/query?query=up')).status, 404)
  for (const port of [front.port, adminPort]) assert.equal((await ask(port, '/ready')).status, 200)
  await front.server.drain()
})

test('every endpoint wants a permission, but for probes', () => {
  const open = ENDPOINTS.filter((endpoint) => permissionOf(endpoint) === 'open')
  assert.deepEqual(
    open.map(({ path }) => path),
    ['/ready'],
  )
  for (const endpoint of ENDPOINTS) {
    const permission = permissionOf(endpoint)
    const writes = /push|otlp|import/.test(endpoint.path)
    assert.equal(permission === 'write', writes, endpoint.path)
    if (!endpoint.auth && endpoint.prefix === 'none' && permission !== 'open') {
      assert.equal(permission, 'admin', endpoint.path)
    }
  }
})

const bad: [string, RegExp][] = [
  ['a write t', /line 1: expected a name/],
  ['\na push t certificate', /line 2: unknown permission push/],
  ['a write t/x certificate', /line 1: tenant ID 't\/x'/],
  ['a write t md5:abc', /line 1: not a secret/],
  ['a write t scrypt:15:8:1:AAAA:AAAAAAAAAAAAAAAAAAAAAA==', /line 1: not a secret/],
  ['a write t scrypt:1048576:8:1:AAAA:AAAAAAAAAAAAAAAAAAAAAA==', /line 1: not a secret/],
  ['a:b write t certificate', /line 1: name a:b: no colons/],
]
for (const [text, wanted] of bad) {
  test(`refuses the line ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseCredentials(text, 'f'), wanted)
  })
}
