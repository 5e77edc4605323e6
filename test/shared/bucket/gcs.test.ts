import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { startFakeGcs } from '../../support/fake-gcs.js'
import { once } from '../../support/object-servers.js'
import { rejects, testBucketContract } from './contract.js'
import { testBucketFaults } from './faults.js'
import { openConfigured } from './open.js'

const gcs = once(startFakeGcs)
let buckets = 0

function config(host: string) {
  return {
    'blocks_storage.backend': 'gcs',
    'blocks_storage.gcs.bucket_name': `bucket-${++buckets}`,
    'blocks_storage.gcs.endpoint': `http://${host}`,
  } as const
}

testBucketContract({
  name: 'gcs (fake)',
  open: async () => openConfigured(config((await gcs()).host), { pageEntries: 100 }),
})
testBucketFaults({
  name: 'gcs (fake)',
  target: async () => (await gcs()).host,
  open: async (host, policy) => openConfigured(config(host), policy),
})

test('names what is wrong with the configuration or the bucket', async () => {
  await rejects(openConfigured({ 'blocks_storage.backend': 'gcs' }), 'config-invalid')
  const { host } = await gcs()
  const account = { 'blocks_storage.gcs.service_account': '{' }
  await rejects(openConfigured({ ...config(host), ...account }), 'config-invalid')
  const absent = await openConfigured({
    ...config(host),
    'blocks_storage.gcs.bucket_name': 'missing',
  })
  await rejects(absent.get('a'), 'bucket-refused')
  await rejects(absent.put('a', new Uint8Array(1)), 'bucket-refused')
  await rejects(absent.list('').next(), 'bucket-refused')
})

test('a service account whose log-in fails is told as such', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { host } = await gcs()
  const account = {
    type: 'service_account',
    client_email: 'metrics@example.iam.gserviceaccount.com',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    token_uri: `http://${host}/token`,
  }
  const bucket = await openConfigured(
    { ...config(host), 'blocks_storage.gcs.service_account': JSON.stringify(account) },
    { triesMax: 2, backoffMs: 1, tryTimeoutMs: 5000 },
  )
  await rejects(bucket.get('a'), 'bucket-refused', 'bucket-unavailable')
})
