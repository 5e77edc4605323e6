/**
 * The tutorial's configuration as it stands, with bucket and endpoint filled in: what is pushed lands
 * in S3 and comes back, from a server that has nothing but the bucket.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { type Nilo, startNilo } from '../support/nilo.js'
import { hasComponent, once, startMoto } from '../support/object-servers.js'
import { callApi, seriesOf } from '../support/prom-api.js'
import { push } from '../support/remote-write.js'
import { sharedPath } from '../support/shared-material.js'

const moto = once(startMoto)

async function valueAt(server: Nilo, time: number): Promise<string | undefined> {
  const answer = await callApi(server.queryUrl, 'query', { query: 'kept', time })
  assert.equal(answer.status, 'success', answer.error)
  const [points] = seriesOf(answer.data).values()
  return points === undefined ? undefined : [...points.values()][0]
}

test("the tutorial's configuration loads unchanged, and data comes back from S3", async (t) => {
  const file = sharedPath('conformance/config/structured-config.yaml', t)
  if (file === undefined || !hasComponent(t, 'moto')) return
  const { host, url } = await moto()
  const folder = mkdtempSync(join(tmpdir(), 'nilo-structured-'))
  const servers: Nilo[] = []
  t.after(async () => {
    for (const server of servers) await server.stop('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  const text = readFileSync(file, 'utf8')
    .replace('BUCKET', 'metrics')
    .replace('s3.REGION.amazonaws.com', host)
    .replaceAll('REGION', 'eu-central-1')
  writeFileSync(join(folder, 'config.yaml'), text)
  // The tutorial's credentials come from the environment; its server speaks TLS, moto does not.
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  const variables = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' }
  Object.assign(process.env, variables)
  const s3 = new S3Client({ region: 'us-east-1', endpoint: url, forcePathStyle: true, credentials })
  await s3.send(new CreateBucketCommand({ Bucket: 'metrics' }))
  const start = async (data: string): Promise<Nilo> => {
    const args = [`-config.file=${join(folder, 'config.yaml')}`, '-blocks-storage.s3.insecure=true']
    const server = await startNilo(join(folder, data), args)
    servers.push(server)
    return server
  }
  const objects = async (): Promise<string[]> => {
    const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket: 'metrics' }))
    return (Contents ?? []).map(({ Key }) => Key!)
  }

  const first = await start('one')
  const time = Math.floor(Date.now() / 1000) - 3600
  const labels = { __name__: 'kept', job: 'tutorial' }
  const pushed = await push(first.pushUrl, [{ labels, samples: [[time * 1000, 4.25]] }])
  assert.equal(pushed.status, 200, pushed.text)
  const flushed = await fetch(`${first.url}/ingester/flush?wait=true`, { method: 'POST' })
  assert.ok(flushed.ok, await flushed.text())
  while (!(await objects()).some((key) => /^anonymous\/01[^/]+\/meta\.json$/.test(key))) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.equal(await valueAt(first, time), '4.25')
  await first.stop('SIGTERM')

  const second = await start('two')
  const deadline = Date.now() + 30_000
  while ((await valueAt(second, time)) !== '4.25') {
    assert.ok(Date.now() < deadline, 'what was shipped does not come back')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
})
