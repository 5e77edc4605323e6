import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { BlobServiceClient } from '@azure/storage-blob'
import { AZURITE, hasComponent, once, startAzurite } from '../../support/object-servers.js'
import { rejects, testBucketContract } from './contract.js'
import { testBucketFaults } from './faults.js'
import { openConfigured } from './open.js'

const azurite = once(startAzurite)
let containers = 0

function connection(host: string): string {
  const endpoint = `BlobEndpoint=http://${host}/${AZURITE.account};`
  return `DefaultEndpointsProtocol=http;AccountName=${AZURITE.account};AccountKey=${AZURITE.key};${endpoint}`
}

async function freshContainer(): Promise<string> {
  const name = `container-${++containers}`
  const { host } = await azurite()
  await BlobServiceClient.fromConnectionString(connection(host)).createContainer(name)
  return name
}

function config(host: string, container: string) {
  return {
    'blocks_storage.backend': 'azure',
    'blocks_storage.azure.connection_string': connection(host),
    'blocks_storage.azure.container_name': container,
  } as const
}

async function target(t: TestContext): Promise<string | undefined> {
  return hasComponent(t, 'azurite') ? (await azurite()).host : undefined
}

testBucketContract({
  name: 'azure (azurite)',
  open: async (t) => {
    const host = await target(t)
    if (host === undefined) return undefined
    return openConfigured(config(host, await freshContainer()), { pageEntries: 100 })
  },
})
testBucketFaults({
  name: 'azure (azurite)',
  target,
  open: async (host, policy) => openConfigured(config(host, await freshContainer()), policy),
})

test('names what is wrong with the configuration or the container', async (t) => {
  const backend = { 'blocks_storage.backend': 'azure' } as const
  await rejects(openConfigured(backend), 'config-invalid')
  const container = { ...backend, 'blocks_storage.azure.container_name': 'c' }
  await rejects(openConfigured(container), 'config-invalid')
  const text = { 'blocks_storage.azure.connection_string': 'nonsense' }
  await rejects(openConfigured({ ...container, ...text }), 'config-invalid')
  const host = await target(t)
  if (host === undefined) return
  const absent = await openConfigured(config(host, 'never-made'))
  await rejects(absent.get('a'), 'bucket-refused')
  await rejects(absent.put('a', new Uint8Array(1)), 'bucket-refused')
})
