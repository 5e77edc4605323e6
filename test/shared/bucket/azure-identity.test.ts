/**
 * Azure without keys: tokens from fakes of the metadata and the log-in service on loopback (there is no
 * real one outside of Azure), blobs from azurite, which checks what a token says but not who signed it.
 */
import assert from 'node:assert/strict'
import dns from 'node:dns'
import { once as event } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import type { AzureIdentity } from '../../../src/shared/bucket/azure-identity.js'
import { AzureIdentityTokens } from '../../../src/shared/bucket/azure-identity.js'
import { readHttpBlock } from '../../../src/shared/bucket/http-options.js'
import { azureEnvironment } from '../../../src/shared/config/index.js'
import { NODE_CLOCK, nodeDisk } from '../../../src/shared/env/index.js'
import { AZURITE, hasComponent, once, startAzurite } from '../../support/object-servers.js'
import { rejects, testBucketContract, text } from './contract.js'
import { openConfigured } from './open.js'

const NONE = azureEnvironment({})
const HOUR_S = 3600

interface Asked {
  readonly method: string
  readonly url: URL
  readonly metadata: string | undefined
  readonly form: URLSearchParams
}

/** A service that hands out tokens; `answer` says what comes next. */
async function startTokens(t: Pick<TestContext, 'after'>) {
  const asked: Asked[] = []
  const service = {
    asked,
    url: '',
    answer: (): { status: number; body: unknown } => ({ status: 200, body: tokenBody(HOUR_S) }),
  }
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const part of request) body += String(part)
    const metadata = request.headers['metadata'] as string | undefined
    const url = new URL(request.url!, 'http://x')
    asked.push({ method: request.method!, url, metadata, form: new URLSearchParams(body) })
    const { status, body: told } = service.answer()
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(told))
  })
  server.listen(0, '127.0.0.1')
  await event(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  service.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return service
}

/** As the metadata service answers: numbers as texts. */
function tokenBody(seconds: number) {
  const now = Math.floor(Date.now() / 1000)
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = {
    aud: 'https://storage.azure.com',
    iss: 'https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/',
    nbf: now - 60,
    iat: now - 60,
    exp: now + HOUR_S,
  }
  const token = `${part({ typ: 'JWT', alg: 'RS256' })}.${part(claims)}.c2lnbmF0dXJl`
  const expires = { expires_in: String(seconds), expires_on: String(now + seconds) }
  return { access_token: token, token_type: 'Bearer', ...expires }
}

function tokensOf(identity: Partial<AzureIdentity>, userAssignedId = ''): AzureIdentityTokens {
  const http = readHttpBlock(undefined, 'azure.http', nodeDisk())
  const env = { disk: nodeDisk(), clock: NODE_CLOCK }
  return new AzureIdentityTokens({ userAssignedId, identity: { ...NONE, ...identity }, http, env })
}

test('asks the metadata service for a managed identity, its own or a named one', async (t) => {
  const service = await startTokens(t)
  const found = await tokensOf({ metadataHost: service.url }).getToken([])
  assert.equal(found.token, tokenBody(HOUR_S).access_token)
  assert.ok(Math.abs(found.expiresOnTimestamp - Date.now() - HOUR_S * 1000) < 60_000)
  await tokensOf({ metadataHost: service.url }, 'the-id').getToken([])
  const [own, named] = service.asked
  assert.equal(own!.metadata, 'true')
  assert.equal(own!.url.pathname, '/metadata/identity/oauth2/token')
  assert.equal(own!.url.searchParams.get('resource'), 'https://storage.azure.com')
  assert.equal(own!.url.searchParams.get('client_id'), null)
  assert.equal(named!.url.searchParams.get('client_id'), 'the-id')
})

test('logs in with a federated token as it is now, or a secret', async (t) => {
  const service = await startTokens(t)
  const folder = mkdtempSync(join(tmpdir(), 'nilo-azure-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const tokenFile = join(folder, 'token')
  const who = { tenantId: 'the-tenant', clientId: 'the-client', authorityHost: `${service.url}/` }
  const federated = tokensOf({ ...who, tokenFile })
  for (const assertion of ['first', 'second']) {
    writeFileSync(tokenFile, `${assertion}\n`)
    await federated.getToken([])
    const { url, form, method } = service.asked.at(-1)!
    assert.equal(method, 'POST')
    assert.equal(url.pathname, '/the-tenant/oauth2/v2.0/token')
    assert.equal(form.get('client_assertion'), assertion)
    assert.equal(form.get('client_id'), 'the-client')
    assert.equal(form.get('scope'), 'https://storage.azure.com/.default')
  }
  await tokensOf({ ...who, clientSecret: 's' }).getToken([])
  assert.equal(service.asked.at(-1)!.form.get('client_secret'), 's')
  assert.equal(service.asked.at(-1)!.form.get('client_assertion'), null)
})

test('tells what mends itself from what does not', async (t) => {
  const service = await startTokens(t)
  const tokens = tokensOf({ metadataHost: service.url })
  for (const [status, id] of [
    [400, 'bucket-refused'],
    [401, 'bucket-refused'],
    [404, 'bucket-unavailable'],
    [429, 'bucket-unavailable'],
    [500, 'bucket-unavailable'],
  ] as const) {
    service.answer = () => ({ status, body: { error: 'invalid_request' } })
    await rejects(tokens.getToken([]), id)
  }
  service.answer = () => ({ status: 200, body: { expires_in: 5 } })
  await rejects(tokens.getToken([]), 'bucket-unavailable')
  await rejects(tokensOf({ metadataHost: 'http://127.0.0.1:1' }).getToken([]), 'bucket-unavailable')
})

const tls = (name: string): string =>
  fileURLToPath(new URL(`../../../../test/support/tls/${name}.pem`, import.meta.url))
const azurite = once((stops) =>
  startAzurite(stops, [
    '--oauth',
    'basic',
    '--cert',
    tls('server-1'),
    '--key',
    tls('server-1-key'),
  ]),
)
const DOMAIN = 'blob.example'
let containers = 0

/** Has names below DOMAIN lead to this machine, whose certificate is taken as it is. */
function reachAzurite(t: TestContext): void {
  const { lookup } = dns
  const changed = dns as { lookup: unknown }
  changed.lookup = (
    name: string,
    options: { all?: boolean },
    done: (...found: unknown[]) => void,
  ) => {
    if (!name.endsWith(DOMAIN)) return (lookup as (...args: unknown[]) => void)(name, options, done)
    if (options.all === true) return done(null, [{ address: '127.0.0.1', family: 4 }])
    return done(null, '127.0.0.1', 4)
  }
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  t.after(() => {
    changed.lookup = lookup
    delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
  })
}

/** A bucket that is reached with tokens; undefined after the test was skipped. */
async function openWithIdentity(t: TestContext) {
  if (!hasComponent(t, 'azurite')) return undefined
  reachAzurite(t)
  const port = (await azurite()).host.split(':')[1]!
  const suffix = `${DOMAIN}:${port}`
  const container = `identity-${++containers}`
  const keys = new StorageSharedKeyCredential(AZURITE.account, AZURITE.key)
  const url = `https://${AZURITE.account}.${suffix}`
  await new BlobServiceClient(url, keys).createContainer(container)
  const service = await startTokens(t)
  const config = {
    'blocks_storage.backend': 'azure',
    'blocks_storage.azure.account_name': AZURITE.account,
    'blocks_storage.azure.endpoint_suffix': suffix,
    'blocks_storage.azure.container_name': container,
  } as const
  const policy = { pageEntries: 100, backoffMs: 1 }
  const identity = { 'azure.identity': { ...NONE, metadataHost: service.url } }
  return { bucket: await openConfigured(config, policy, identity), service }
}

testBucketContract({
  name: 'azure (azurite, by an identity)',
  open: async (t) => (await openWithIdentity(t))?.bucket,
})

test('a token is kept, asked for again at its end, and tried for again', async (t) => {
  const opened = await openWithIdentity(t)
  if (opened === undefined) return
  const { bucket, service } = opened
  // Refused twice by a service that starts: the bucket's own tries get over it.
  const answers = [503, 404]
  service.answer = () => {
    const status = answers.shift() ?? 200
    return { status, body: tokenBody(HOUR_S) }
  }
  await bucket.put('a', Buffer.from('x'))
  const before = service.asked.length
  assert.equal(before, 3)
  assert.equal(text(await bucket.get('a')), 'x')
  assert.equal(service.asked.length, before)

  const short = (await openWithIdentity(t))!
  short.service.answer = () => ({ status: 200, body: tokenBody(0) })
  await short.bucket.put('a', Buffer.from('x'))
  await short.bucket.get('a')
  assert.ok(short.service.asked.length >= 2)
})
