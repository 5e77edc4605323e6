/**
 * Blocks that a real Prometheus wrote, in S3 (moto): the whole system, threads and all, starts with
 * nothing but the bucket and answers as a Prometheus on the same blocks; store-gateways and queriers
 * are killed under queries. What it asks of the bucket is counted.
 */
import assert from 'node:assert/strict'
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { blockDifferences } from '../support/block-queries.js'
import { fixtureBlocks, scratchFolder } from '../support/blocks.js'
import { findComponent, startPrometheus } from '../support/components.js'
import { hasComponent, once, startMoto } from '../support/object-servers.js'
import { callApi, differenceOf } from '../support/prom-api.js'
import { startSystem } from '../support/system.js'

const TENANT = 'fixtures'
const BUCKET = 'blocks'
const START = Date.parse('2025-10-09T10:00:00Z') / 1000
const END = Date.parse('2025-10-09T13:00:00Z') / 1000

const moto = once(startMoto)

/** Puts a block into S3 by a client of the test's own. */
async function upload(s3: S3Client, folder: string): Promise<void> {
  const ulid = folder.split('/').at(-1)!
  for (const name of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!name.isFile()) continue
    const path = join(name.parentPath, name.name)
    const Key = `${TENANT}/${ulid}/${path.slice(folder.length + 1)}`
    await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: readFileSync(path) }))
  }
}

test('with nothing but a bucket in S3: answers of Prometheus, few requests, killed threads', async (t) => {
  const prometheus = findComponent(t, 'prometheus')
  // Of different series: where two blocks have other values at one time, either may stay.
  const blocks = fixtureBlocks(t).filter((folder) =>
    /openmetrics-basic|out-of-order|head-snapshot/.test(folder),
  )
  if (prometheus === undefined || blocks.length === 0 || !hasComponent(t, 'moto')) return
  const { host } = await moto()
  const folder = scratchFolder()
  const s3 = new S3Client({
    region: 'us-east-1',
    endpoint: `http://${host}`,
    forcePathStyle: true,
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
  })
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET }))
  for (const block of blocks) {
    await upload(s3, block)
    const copy = join(folder, 'prometheus/data', block.split('/').at(-1)!)
    cpSync(block, copy, { recursive: true })
  }
  const server = await startPrometheus({
    binary: prometheus,
    folder: join(folder, 'prometheus'),
    config: () => '',
  })
  t.after(() => server.stop())
  const config = {
    'blocks_storage.backend': 's3',
    'blocks_storage.s3.endpoint': host,
    'blocks_storage.s3.insecure': true,
    'blocks_storage.s3.bucket_name': BUCKET,
    'blocks_storage.s3.access_key_id': 'any',
    'blocks_storage.s3.secret_access_key': 'any',
  } as const
  for (const life of [1, 2]) {
    // The second one has index-headers of the first, or nothing at all.
    const data = join(folder, 'nilo')
    if (life === 2) rmSync(data, { recursive: true })
    const nilo = await startSystem(data, config)
    try {
      const ours = { url: nilo.queryUrl, tenant: TENANT }
      const { differences, nonEmpty } = await blockDifferences(server, ours, {
        start: START,
        end: END,
      })
      assert.deepEqual(differences, [])
      assert.ok(nonEmpty > 50, `${nonEmpty} answers had something in them`)
      const gets = (await nilo.metric('nilo_store_gateway_gets_total')) ?? 0
      assert.ok(gets > 0 && gets <= blocks.length * 8, `${gets} ranges for ${blocks.length} blocks`)
      t.diagnostic(`${gets} ranges of ${blocks.length} blocks`)
      if (life === 2) await killUnderQueries(nilo, server.url)
    } finally {
      await nilo.stop()
    }
  }
})

/** Every answer is Prometheus' or an error that may be retried, and at last they are answers again. */
async function killUnderQueries(
  nilo: Awaited<ReturnType<typeof startSystem>>,
  prometheus: string,
): Promise<void> {
  const text = 'sum by (__name__) (last_over_time({__name__=~".+"}[10m]))'
  const query = { query: text, start: START, end: END, step: 300 }
  const wanted = await callApi(prometheus, 'query_range', query)
  assert.equal(wanted.status, 'success')
  let isOver = false
  let good = 0
  let refused = 0
  const ask = async (): Promise<boolean> => {
    const got = await callApi(nilo.queryUrl, 'query_range', query, { tenant: TENANT })
    if (got.status === 'success') {
      assert.equal(differenceOf(wanted.data, got.data), '')
      good++
      return true
    }
    assert.equal(got.httpStatus, 503, got.error)
    refused++
    return false
  }
  const asking = Promise.all(
    [0, 1].map(async () => {
      while (!isOver) await ask()
    }),
  )
  for (let round = 0; round < 6; round++) {
    const before = good
    await nilo.system.kill(round % 3 === 2 ? 'querier/0' : 'store-gateway/0')
    const deadline = Date.now() + 20_000
    while (good < before + 3) {
      assert.ok(Date.now() < deadline, `no answers after a kill (${good} good, ${refused} refused)`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  isOver = true
  await asking
  assert.ok(await ask())
}
