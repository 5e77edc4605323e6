/**
 * Blocks on their way to S3 while the server is killed and the network cuts, hangs and throttles: in
 * the end the bucket has every block once and whole, and a server with nothing but the bucket answers
 * all that was ever acknowledged.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { SeededPrng } from '../../src/shared/base/prng.js'
import { type Fault, startFaultProxy } from '../support/fault-proxy.js'
import { type Nilo, startNilo } from '../support/nilo.js'
import { hasComponent, once, startMoto } from '../support/object-servers.js'
import { callApi, seriesOf } from '../support/prom-api.js'
import { push } from '../support/remote-write.js'

const moto = once(startMoto)
const SERIES = 20
const KILLS = 3
const SEED = 11
const SETTLE_MS = 60_000

const FAULTS: readonly Fault[] = [
  { kind: 'status', status: 503 },
  { kind: 'refuse' },
  { kind: 'lose-answer' },
  { kind: 'cut', afterBytes: 10 },
  { kind: 'delay', ms: 150 },
]

/** Values of all series at a time. */
async function valuesAt(server: Nilo, time: number): Promise<string[]> {
  const answer = await callApi(server.queryUrl, 'query', { query: 'shipped', time })
  if (answer.status !== 'success') return []
  return [...seriesOf(answer.data).values()].map((points) => [...points.values()][0]!).sort()
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + SETTLE_MS
  while (!(await isSo())) {
    assert.ok(Date.now() < deadline, `${what}: not within ${SETTLE_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

test('kills and faults on the way to S3 lose and double nothing', async (t) => {
  if (!hasComponent(t, 'moto')) return
  const { host, url } = await moto()
  const folder = mkdtempSync(join(tmpdir(), 'nilo-shipping-'))
  const servers: Nilo[] = []
  t.after(async () => {
    for (const server of servers) await server.stop('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  const s3 = new S3Client({ region: 'us-east-1', endpoint: url, forcePathStyle: true, credentials })
  await s3.send(new CreateBucketCommand({ Bucket: 'metrics' }))
  const proxy = await startFaultProxy(t, host)
  const start = async (data: string): Promise<Nilo> => {
    const flags = [
      '-blocks-storage.backend=s3',
      `-blocks-storage.s3.endpoint=${proxy.host}`,
      '-blocks-storage.s3.insecure=true',
      '-blocks-storage.s3.bucket-name=metrics',
      '-blocks-storage.s3.access-key-id=test',
      '-blocks-storage.s3.secret-access-key=test',
      '-blocks-storage.tsdb.ship-interval=1s',
      '-wal.fsync=always',
    ]
    const server = await startNilo(join(folder, data), flags)
    servers.push(server)
    return server
  }
  const blocks = async (): Promise<Map<string, string[]>> => {
    const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket: 'metrics' }))
    const found = new Map<string, string[]>()
    for (const { Key } of Contents ?? []) {
      const [, ulid, file] = /^anonymous\/(01[^/]+)\/(.+)$/.exec(Key!) ?? []
      if (ulid !== undefined) found.set(ulid, [...(found.get(ulid) ?? []), file!])
    }
    return found
  }

  const prng = new SeededPrng(SEED)
  const base = Math.floor(Date.now() / 1000) - 3 * 3600
  for (let round = 0; round < KILLS; round++) {
    const server = await start('data')
    const time = (base + round * 60) * 1000
    const samples = Array.from({ length: SERIES }, (_, i) => ({
      labels: { __name__: 'shipped', series: String(i) },
      samples: [[time, round * 1000 + i]] as const,
    }))
    const pushed = await push(server.pushUrl, samples)
    assert.equal(pushed.status, 200, pushed.text)
    // The upload hangs at some request of its own: the kill finds it in the middle.
    let left = prng.below(6)
    proxy.decide = ({ method }) => {
      if (method === 'PUT' && left-- <= 0) return { kind: 'hang' }
      return prng.below(3) === 0 ? FAULTS[prng.below(FAULTS.length)] : undefined
    }
    await fetch(`${server.url}/ingester/flush?wait=true`, { method: 'POST' })
    await new Promise((resolve) => setTimeout(resolve, 300 + prng.below(500)))
    await server.stop('SIGKILL')
  }
  proxy.decide = () => (prng.below(8) === 0 ? FAULTS[prng.below(FAULTS.length)] : undefined)
  const wanted = (round: number) =>
    Array.from({ length: SERIES }, (_, i) => String(round * 1000 + i)).sort()
  const isComplete = async (server: Nilo): Promise<boolean> => {
    for (let round = 0; round < KILLS; round++) {
      const found = await valuesAt(server, base + round * 60)
      if (found.length === 0) return false
      // Once a time is answered, it is answered in full.
      assert.deepEqual(found, wanted(round), `round ${round}`)
    }
    return true
  }
  const last = await start('data')
  await until('answers after the kills', () => isComplete(last))
  await fetch(`${last.url}/ingester/flush?wait=true`, { method: 'POST' })
  await until('all blocks in S3', async () => {
    const metric = await (await fetch(`${last.url}/metrics`)).text()
    const isShipped = /^cortex_ingester_oldest_unshipped_block_timestamp_seconds 0$/m.test(metric)
    return isShipped && (await blocks()).size > 0
  })
  for (const [ulid, files] of await blocks()) {
    assert.deepEqual(files.sort(), ['chunks/000001', 'index', 'meta.json'], ulid)
  }
  await last.stop('SIGTERM')
  const fresh = await start('nothing-but-the-bucket')
  await until('answers from the bucket alone', () => isComplete(fresh))
})
