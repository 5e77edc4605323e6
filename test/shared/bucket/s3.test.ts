import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { CreateBucketCommand, GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import type { RetryPolicy } from '../../../src/shared/bucket/retrying.js'
import type { Config } from '../../../src/shared/config/index.js'
import { startFaultProxy } from '../../support/fault-proxy.js'
import { hasComponent, once, SWIFT, startMoto, startSwift } from '../../support/object-servers.js'
import { random, rejects, testBucketContract, text } from './contract.js'
import { testBucketFaults } from './faults.js'
import { openConfigured } from './open.js'

const moto = once(startMoto)
const swift = once(startSwift)
const KEYS = { moto: { user: 'any', key: 'any' }, swift: SWIFT } as const
let buckets = 0

function clientOf(host: string, who: { user: string; key: string }): S3Client {
  return new S3Client({
    region: 'us-east-1',
    endpoint: `http://${host}`,
    forcePathStyle: true,
    credentials: { accessKeyId: who.user, secretAccessKey: who.key },
  })
}

async function freshBucket(host: string, who: { user: string; key: string }): Promise<string> {
  const Bucket = `bucket-${++buckets}`
  await clientOf(host, who).send(new CreateBucketCommand({ Bucket }))
  return Bucket
}

function s3Config(host: string, bucket: string, who: { user: string; key: string }) {
  return {
    'blocks_storage.backend': 's3',
    'blocks_storage.s3.endpoint': host,
    'blocks_storage.s3.insecure': true,
    'blocks_storage.s3.bucket_name': bucket,
    'blocks_storage.s3.access_key_id': who.user,
    'blocks_storage.s3.secret_access_key': who.key,
  } as const
}

for (const [kind, server, canPutIfAbsent] of [
  ['moto', moto, true],
  ['swift', swift, false],
] as const) {
  const who = KEYS[kind]
  const target = async (t: TestContext) =>
    hasComponent(t, kind) ? (await server()).host : undefined
  testBucketContract({
    name: `s3 (${kind})`,
    canPutIfAbsent,
    open: async (t) => {
      const host = await target(t)
      if (host === undefined) return undefined
      return openConfigured(s3Config(host, await freshBucket(host, who), who), { pageEntries: 100 })
    },
  })
  testBucketFaults({
    name: `s3 (${kind})`,
    canPutIfAbsent,
    target,
    open: async (host, policy) => {
      const direct = (await server()).host
      return openConfigured(s3Config(host, await freshBucket(direct, who), who), policy)
    },
  })
}

test('keeps its objects below the prefix', async (t) => {
  if (!hasComponent(t, 'moto')) return
  const { host } = await moto()
  const name = await freshBucket(host, KEYS.moto)
  const config = s3Config(host, name, KEYS.moto)
  const bucket = await openConfigured({ ...config, 'blocks_storage.storage_prefix': 'mimir' })
  const whole = await openConfigured(config)
  await bucket.put('t/a', Buffer.from('x'))
  assert.equal(text(await whole.get('mimir/t/a')), 'x')
  for await (const { key } of bucket.list('', '/')) assert.equal(key, 't/')
})

test('sends encryption, storage class and checksums as configured', async (t) => {
  if (!hasComponent(t, 'moto')) return
  const { host } = await moto()
  const name = await freshBucket(host, KEYS.moto)
  const bucket = await openConfigured({
    ...s3Config(host, name, KEYS.moto),
    'blocks_storage.s3.sse.type': 'SSE-KMS',
    'blocks_storage.s3.sse.kms_key_id': 'key-1',
    'blocks_storage.s3.sse.kms_encryption_context': '{"team": "a"}',
    'blocks_storage.s3.storage_class': 'STANDARD_IA',
    'blocks_storage.s3.send_content_md5': true,
  })
  await bucket.put('a', Buffer.from('x'))
  const command = new GetObjectCommand({ Bucket: name, Key: 'a' })
  const answer = await clientOf(host, KEYS.moto).send(command)
  assert.equal(answer.ServerSideEncryption, 'aws:kms')
  assert.equal(answer.SSEKMSKeyId, 'key-1')
  assert.equal(answer.StorageClass, 'STANDARD_IA')
})

test('needs no more than to list, get, put and delete', async (t) => {
  if (!hasComponent(t, 'moto')) return
  const { host } = await moto()
  const name = await freshBucket(host, KEYS.moto)
  const proxy = await startFaultProxy(t, host)
  const bucket = await openConfigured(s3Config(proxy.host, name, KEYS.moto))
  await bucket.put('t/a', Buffer.from('x'))
  await bucket.put('t/b', Buffer.from('x'))
  await bucket.get('t/a')
  await bucket.getRange('t/a', 0, 1)
  await bucket.attributes('t/a')
  for await (const _ of bucket.list('t/', '/'));
  await bucket.delete(['t/a'])
  await bucket.delete(['t/a', 't/b'])
  const seen = new Set(proxy.requests.map(({ method, path }) => kindOf(method, path)))
  assert.deepEqual([...seen].sort(), ['DELETE', 'GET', 'GET list', 'HEAD', 'POST delete', 'PUT'])
})

/** PUT and GET of parts, of ACLs, of locations and so on would show as other names. */
function kindOf(method: string, path: string): string {
  const query = new URL(path, 'http://x').searchParams
  const names = [...query.keys()].filter((name) => name !== 'x-id')
  if (names.includes('list-type')) return `${method} list`
  return [method, ...names].join(' ')
}

/** A bucket that takes parts of 5 MiB, behind a proxy, and a file of 12 MiB. */
async function partsBucket(t: TestContext, policy: Partial<RetryPolicy> = {}) {
  const { host } = await moto()
  const name = await freshBucket(host, KEYS.moto)
  const proxy = await startFaultProxy(t, host)
  const parts = { 'blocks_storage.s3.part_size': 5 << 20 }
  const bucket = await openConfigured(
    { ...s3Config(proxy.host, name, KEYS.moto), ...parts },
    policy,
  )
  const folder = mkdtempSync(join(tmpdir(), 'nilo-parts-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const bytes = Buffer.from(random(12 << 20))
  const path = join(folder, 'file')
  writeFileSync(path, bytes)
  const kinds = () => proxy.requests.map(({ method, path }) => kindOf(method, path))
  return { bucket, proxy, bytes, path, kinds }
}

const PART = 'PUT partNumber uploadId'

test('sends a large file in parts, and again only those that failed', async (t) => {
  if (!hasComponent(t, 'moto')) return
  const { bucket, proxy, bytes, path, kinds } = await partsBucket(t, { backoffMs: 1 })
  let faults = 2
  proxy.decide = ({ method, path }) =>
    kindOf(method, path) === PART && faults-- > 0 ? { kind: 'status', status: 503 } : undefined
  await bucket.put('t/a', { path })
  assert.equal(Buffer.compare(Buffer.from(await bucket.get('t/a')), bytes), 0)
  assert.equal(kinds().filter((kind) => kind === PART).length, 5)
  assert.deepEqual(
    kinds().filter((kind) => kind !== PART),
    ['POST uploads', 'POST uploadId', 'GET'],
  )
})

test('what is in parts is there when the answer to the last call is lost', async (t) => {
  if (!hasComponent(t, 'moto')) return
  const { bucket, proxy, bytes, path, kinds } = await partsBucket(t, { backoffMs: 1 })
  let faults = 1
  proxy.decide = ({ method, path }) =>
    kindOf(method, path) === 'POST uploadId' && faults-- > 0 ? { kind: 'lose-answer' } : undefined
  await bucket.put('t/a', { path })
  assert.equal(kinds().filter((kind) => kind === 'POST uploadId').length, 2)
  assert.equal(Buffer.compare(Buffer.from(await bucket.get('t/a')), bytes), 0)
})

test('gives parts up when one fails for good, also where that is forbidden', async (t) => {
  if (!hasComponent(t, 'moto')) return
  for (const isForbidden of [false, true]) {
    const { bucket, proxy, path, kinds } = await partsBucket(t, { triesMax: 2, backoffMs: 1 })
    proxy.decide = ({ method, path }) => {
      const number = new URL(path, 'http://x').searchParams.get('partNumber')
      if (number === '2') return { kind: 'status', status: 500 }
      return isForbidden && method === 'DELETE' ? { kind: 'status', status: 403 } : undefined
    }
    await rejects(bucket.put('t/a', { path }), 'bucket-unavailable')
    assert.equal(kinds().at(-1), 'DELETE uploadId')
    assert.ok(!kinds().includes('POST uploadId'))
    await rejects(bucket.get('t/a'), 'bucket-not-found')
  }
})

test('finds keys in the environment, a profile and a web identity', async (t) => {
  if (!hasComponent(t, 'moto')) return
  const { host, url } = await moto()
  const folder = mkdtempSync(join(tmpdir(), 'nilo-aws-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'token'), 'the-token')
  writeFileSync(
    join(folder, 'credentials'),
    '[metrics]\naws_access_key_id = FROMPROFILE\naws_secret_access_key = s\n',
  )
  const proxy = await startFaultProxy(t, host)
  const cases = [
    { AWS_ACCESS_KEY_ID: 'FROMENV', AWS_SECRET_ACCESS_KEY: 's' },
    { AWS_PROFILE: 'metrics', AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials') },
    {
      AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/metrics',
      AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'),
    },
  ]
  for (const variables of cases) {
    const before = { ...process.env }
    for (const name of Object.keys(process.env)) {
      if (name.startsWith('AWS_')) delete process.env[name]
    }
    Object.assign(process.env, { AWS_EC2_METADATA_DISABLED: 'true', ...variables })
    try {
      const name = await freshBucket(host, KEYS.moto)
      const bucket = await openConfigured({
        ...s3Config(proxy.host, name, { user: '', key: '' }),
        'blocks_storage.s3.sts_endpoint': 'AWS_ROLE_ARN' in variables ? url : '',
      })
      await bucket.put('a', Buffer.from('x'))
      assert.equal(text(await bucket.get('a')), 'x')
    } finally {
      process.env = before
    }
  }
})

test('names what is wrong with the configuration or the bucket', async (t) => {
  await rejects(openConfigured({ 'blocks_storage.backend': 's3' }), 'config-invalid')
  const base = s3Config('127.0.0.1:1', 'b', KEYS.moto)
  for (const changes of [
    { 'blocks_storage.s3.secret_access_key': '' },
    { 'blocks_storage.s3.sse.type': 'AES' },
    { 'blocks_storage.s3.part_size': 1024 },
    { 'blocks_storage.s3.sse.type': 'SSE-KMS' },
    { 'blocks_storage.s3.http': { no_such: 1 } },
    { 'blocks_storage.s3.http': { idle_conn_timeout: 'soon' } },
    { 'blocks_storage.storage_prefix': 'a/b' },
  ] as Partial<Config>[]) {
    await rejects(openConfigured({ ...base, ...changes }), 'config-invalid')
  }
  await rejects(
    (await openConfigured(base, { triesMax: 2, backoffMs: 1 })).get('a'),
    'bucket-unavailable',
  )
  if (!hasComponent(t, 'moto')) return
  const { host } = await moto()
  const absent = await openConfigured(s3Config(host, 'never-made', KEYS.moto))
  await rejects(absent.get('a'), 'bucket-refused')
  await rejects(absent.put('a', new Uint8Array(1)), 'bucket-refused')
})

test('a wrong key is refused at once', async (t) => {
  if (!hasComponent(t, 'swift')) return
  const { host } = await swift()
  const name = await freshBucket(host, SWIFT)
  const proxy = await startFaultProxy(t, host)
  const bucket = await openConfigured(s3Config(proxy.host, name, { ...SWIFT, key: 'wrong' }))
  await rejects(bucket.get('a'), 'bucket-refused')
  assert.equal(proxy.requests.length, 1)
})
