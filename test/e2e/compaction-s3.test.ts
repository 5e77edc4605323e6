/**
 * Compaction over S3 (moto): two compactors take a day of two-hour blocks out of the bucket and put one
 * block of the day into it, while every answer has every sample once; a start with nothing but the
 * bucket answers the same.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import {
  CreateBucketCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { ulidOf } from '../../src/shared/base/ulid.js'
import { nodeDisk } from '../../src/shared/env/node-disk.js'
import { writeBlock } from '../../src/shared/tsdb/index.js'
import { gridSeries, scratchFolder } from '../support/blocks.js'
import { hasComponent, once, startMoto } from '../support/object-servers.js'
import { callApi, seriesOf } from '../support/prom-api.js'
import { startSystem, type TestSystem } from '../support/system.js'

const HOUR = 3_600_000
const DAY = Date.UTC(2025, 9, 9)
const TENANT = 'days'
const SERIES = 20
const SAMPLES = 120
const WHOLE = SERIES * SAMPLES * 12

const moto = once(startMoto)

async function fill(s3: S3Client, folder: string): Promise<void> {
  for (let hour = 0; hour < 24; hour += 2) {
    const minTime = DAY + hour * HOUR
    const ulid = ulidOf(minTime, new Uint8Array(10))
    const series = gridSeries({ series: SERIES, from: minTime, stepMs: 60_000, samples: SAMPLES })
    const compaction = { level: 1, sources: [ulid] }
    const maxTime = minTime + 2 * HOUR
    await writeBlock(nodeDisk(), folder, { ulid, minTime, maxTime, compaction, series })
  }
  for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue
    const path = join(file.parentPath, file.name)
    const Key = `${TENANT}/${relative(folder, path)}`
    await s3.send(new PutObjectCommand({ Bucket: 'days', Key, Body: readFileSync(path) }))
  }
}

async function count(system: TestSystem): Promise<number> {
  const query = 'sum(count_over_time({__name__=~"metric.+"}[24h]))'
  const time = (DAY + 24 * HOUR) / 1000 - 1
  const answer = await callApi(system.queryUrl, 'query', { query, time }, { tenant: TENANT })
  assert.equal(answer.status, 'success', answer.error)
  return Number([...seriesOf(answer.data).values()].flatMap((points) => [...points.values()])[0])
}

test('a day of blocks becomes one in S3, and every answer is whole', async (t) => {
  if (!hasComponent(t, 'moto')) return
  const { host, url } = await moto()
  const credentials = { accessKeyId: 'any', secretAccessKey: 'any' }
  const s3 = new S3Client({ region: 'us-east-1', endpoint: url, forcePathStyle: true, credentials })
  await s3.send(new CreateBucketCommand({ Bucket: 'days' }))
  const folder = scratchFolder()
  await fill(s3, join(folder, 'made'))
  const config = {
    'blocks_storage.backend': 's3',
    'blocks_storage.s3.endpoint': host,
    'blocks_storage.s3.insecure': true,
    'blocks_storage.s3.bucket_name': 'days',
    'blocks_storage.s3.access_key_id': 'any',
    'blocks_storage.s3.secret_access_key': 'any',
    'compactor.first_level_compaction_wait_period': 0,
    'actors.compactors': 2,
  } as const
  const data = join(folder, 'nilo')
  let system = await startSystem(data, config)
  t.after(() => system.stop())
  const compactions = async (what: string): Promise<number> =>
    (await system.metric(`cortex_compactor_group_compactions_${what}total`)) ?? 0
  while ((await compactions('')) < 3) assert.equal(await count(system), WHOLE)
  assert.equal(await count(system), WHOLE)
  assert.equal(await compactions('failures_'), 0)
  await system.stop()
  const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket: 'days' }))
  const keys = (Contents ?? []).map(({ Key }) => Key!)
  const blocks = keys.filter((key) => /^days\/01[^/]+\/meta\.json$/.test(key))
  const marks = keys.filter((key) => /^days\/01[^/]+\/deletion-mark\.json$/.test(key))
  assert.equal(blocks.length, 12 + 2 + 1)
  assert.equal(marks.length, 12 + 2)
  rmSync(data, { recursive: true })
  system = await startSystem(data, { ...config, 'compactor.disabled_tenants': [TENANT] })
  assert.equal(await count(system), WHOLE)
})
