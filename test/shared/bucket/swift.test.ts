import assert from 'node:assert/strict'
import { once as eventOnce } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { startFaultProxy } from '../../support/fault-proxy.js'
import { hasComponent, once, SWIFT, startSwift } from '../../support/object-servers.js'
import { rejects, testBucketContract, text } from './contract.js'
import { testBucketFaults } from './faults.js'
import { openConfigured } from './open.js'

const swift = once(startSwift)
let containers = 0

interface Session {
  readonly token: string
  readonly storageUrl: string
}

async function loggedIn(): Promise<Session> {
  const { url } = await swift()
  const headers = { 'x-auth-user': SWIFT.user, 'x-auth-key': SWIFT.key }
  const answer = await fetch(`${url}/auth/v1.0`, { headers })
  return {
    token: answer.headers.get('x-auth-token')!,
    storageUrl: answer.headers.get('x-storage-url')!,
  }
}

async function freshContainer(): Promise<string> {
  const name = `container-${++containers}`
  const { token, storageUrl } = await loggedIn()
  const headers = { 'x-auth-token': token }
  const made = await fetch(`${storageUrl}/${name}`, { method: 'PUT', headers })
  assert.equal(made.status, 201)
  return name
}

function config(authUrl: string, container: string, more: object = {}) {
  const login = { auth_url: authUrl, username: SWIFT.user, password: SWIFT.key }
  return {
    'blocks_storage.backend': 'swift',
    'blocks_storage.swift': { container_name: container, ...login, ...more },
  } as const
}

async function target(t: TestContext): Promise<string | undefined> {
  return hasComponent(t, 'swift') ? (await swift()).host : undefined
}

testBucketContract({
  name: 'swift',
  open: async (t) => {
    const host = await target(t)
    if (host === undefined) return undefined
    const container = await freshContainer()
    return openConfigured(config(`http://${host}/auth/v1.0`, container), { pageEntries: 100 })
  },
})

/** A Keystone that hands out tokens of the real Swift, whose objects it places behind `host`. */
async function startKeystone(t: TestContext, host: string, seen: unknown[]): Promise<string> {
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const part of request) body += part
    seen.push(JSON.parse(body))
    const { token, storageUrl } = await loggedIn()
    const place = storageUrl.replace(/127\.0\.0\.1:\d+/, host)
    response.setHeader('content-type', 'application/json')
    if (request.url === '/v3/auth/tokens') {
      const endpoints = [
        { interface: 'public', region: 'other', url: 'http://127.0.0.1:1' },
        { interface: 'internal', region: 'here', url: 'http://127.0.0.1:1' },
        { interface: 'public', region: 'here', url: place },
      ]
      response.writeHead(201, { 'x-subject-token': token })
      response.end(JSON.stringify({ token: { catalog: [{ type: 'object-store', endpoints }] } }))
      return
    }
    const endpoints = [{ region: 'here', publicURL: place }]
    const serviceCatalog = [{ type: 'object-store', endpoints }]
    response.end(JSON.stringify({ access: { token: { id: token }, serviceCatalog } }))
  })
  server.listen(0, '127.0.0.1')
  await eventOnce(server, 'listening')
  t.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('swift: logs in by Keystone v2 and v3', async (t) => {
  const host = await target(t)
  if (host === undefined) return
  const seen: { auth: Record<string, unknown> }[] = []
  const keystone = await startKeystone(t, host, seen)
  const container = await freshContainer()
  const project = { project_name: 'p', user_domain_name: 'd', region_name: 'here' }
  const credential = { application_credential_id: 'i', application_credential_secret: 's' }
  const cases = [
    config(`${keystone}/v2.0`, container, { ...project, auth_version: 2 }),
    config(`${keystone}/v3`, container, project),
    config(`${keystone}/v3`, container, { ...credential, region_name: 'here' }),
  ]
  for (const one of cases) {
    const bucket = await openConfigured(one)
    await bucket.put('a', Buffer.from('x'))
    assert.equal(text(await bucket.get('a')), 'x')
    await bucket.delete(['a'])
  }
  assert.equal(seen.length, 3)
  assert.deepEqual(seen[0]!.auth, {
    passwordCredentials: { username: SWIFT.user, password: SWIFT.key },
    tenantName: 'p',
  })
  const user = { name: SWIFT.user, domain: { name: 'd' }, password: SWIFT.key }
  assert.deepEqual(seen[1]!.auth, {
    identity: { methods: ['password'], password: { user } },
    scope: { project: { name: 'p', domain: { id: 'default' } } },
  })
  assert.deepEqual(seen[2]!.auth, {
    identity: {
      methods: ['application_credential'],
      application_credential: { id: 'i', secret: 's' },
    },
  })
})

// Swift tells where its objects are; a log-in of our own tells that they are behind the proxy.
testBucketFaults({
  name: 'swift',
  target,
  open: async (host, policy) => {
    const container = await freshContainer()
    const { token, storageUrl } = await loggedIn()
    const session = { token, storageUrl: storageUrl.replace(/127\.0\.0\.1:\d+/, host) }
    return openConfigured(config(await startLogin(session), container), policy)
  },
})

/** A v1 log-in that always gives the same answer; ends with the process. */
async function startLogin({ token, storageUrl }: Session): Promise<string> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'x-auth-token': token, 'x-storage-url': storageUrl }).end()
  })
  server.listen(0, '127.0.0.1')
  await eventOnce(server, 'listening')
  server.unref()
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
}

test('swift: logs in again when its token has run out', async (t) => {
  const host = await target(t)
  if (host === undefined) return
  const { storageUrl, token } = await loggedIn()
  const tokens = ['run-out', token]
  const server = createServer((_request, response) => {
    const headers = { 'x-auth-token': tokens.shift()!, 'x-storage-url': storageUrl }
    response.writeHead(200, headers).end()
  })
  server.listen(0, '127.0.0.1')
  await eventOnce(server, 'listening')
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  const bucket = await openConfigured(config(url, await freshContainer()), { backoffMs: 1 })
  await bucket.put('a', Buffer.from('x'))
  assert.deepEqual(tokens, [])
})

test('swift: names what is wrong with the configuration, the log-in or the container', async (t) => {
  await rejects(openConfigured({ 'blocks_storage.backend': 'swift' }), 'config-invalid')
  const known = config('http://127.0.0.1:1/v1', 'c', { no_such_key: 1 })
  await rejects(openConfigured(known), 'config-invalid')
  const host = await target(t)
  if (host === undefined) return
  const proxy = await startFaultProxy(t, host)
  const wrong = config(`http://${proxy.host}/auth/v1.0`, 'c', { password: 'wrong' })
  await rejects((await openConfigured(wrong)).get('a'), 'bucket-refused')
  assert.equal(proxy.requests.length, 1)
  const absent = await openConfigured(config(`http://${host}/auth/v1.0`, 'never-made'))
  await rejects(absent.put('a', new Uint8Array(1)), 'bucket-refused')
  await rejects(absent.list('').next(), 'bucket-refused')
})
