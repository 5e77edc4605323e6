/** Block upload and tenant deletion over HTTP: all threads, a folder as the bucket. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { uploadStep, uploadWhole, type WrittenBlock, writeUpload } from '../support/block-upload.js'
import { callApi, seriesOf } from '../support/prom-api.js'
import { push } from '../support/remote-write.js'
import { startSystem, type TestSystem } from '../support/system.js'

const HOUR = 3600_000
const FROM = Math.floor(Date.now() / HOUR) * HOUR - 30 * HOUR
const ULIDS = Array.from({ length: 8 }, (_, i) => `01M7ZZPHPZCHJZ23KFTRSA94T${i}`)
const folder = mkdtempSync(join(tmpdir(), 'nilo-blocks-'))
let running: TestSystem
let block: WrittenBlock

before(async () => {
  running = await startSystem(folder, {
    'limits.compactor_block_upload_enabled': true,
    'limits.compactor_blocks_retention_period': 40 * HOUR,
    'limits.compactor_block_upload_max_block_size_bytes': 1_000_000,
  })
  block = await writeUpload(join(folder, 'made'), ULIDS[0]!, FROM)
})
after(async () => {
  await running.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function countAt(time: number, tenant: string): Promise<string | undefined> {
  const query = { query: 'count({job=~".+"})', time: time / 1000 }
  const answer = await callApi(running.queryUrl, 'query', query, { tenant })
  const [points] = seriesOf(answer.data).values()
  return points === undefined ? undefined : [...points.values()][0]
}

test('an uploaded block is answered when finish returns, by its tenant alone', async () => {
  const { url } = running
  const check = async () => uploadStep(url, ULIDS[0]!, 'check', { tenant: 'one' })
  assert.equal((await check()).status, 404)
  await uploadWhole(url, block, 'one')
  assert.equal(await countAt(FROM + 600_000, 'one'), '20')
  assert.equal(await countAt(FROM + 600_000, 'two'), undefined)
  assert.deepEqual(await check(), { status: 200, text: '{"result":"complete"}' })
  assert.deepEqual(readdirSync(join(folder, 'blocks/one', ULIDS[0]!)).sort(), [
    'chunks',
    'index',
    'meta.json',
  ])
  for (const step of ['start', 'files?path=index', 'finish']) {
    const again = { tenant: 'one', body: JSON.stringify(block.meta) }
    assert.equal((await uploadStep(url, ULIDS[0]!, step, again)).status, 409, step)
  }
})

test('a block that is damaged is refused by finish, and check tells why', async () => {
  const { url } = running
  const made = await writeUpload(join(folder, 'damaged'), ULIDS[1]!, FROM)
  const chunks = Uint8Array.from(made.files.get('chunks/000001')!)
  chunks[500]! ^= 0xff
  const damaged = { ...made, files: new Map([...made.files, ['chunks/000001', chunks]]) }
  await assert.rejects(uploadWhole(url, damaged, 'one'))
  const { status, text } = await uploadStep(url, ULIDS[1]!, 'check', { tenant: 'one' })
  assert.equal(status, 200)
  assert.match(text, /"result":"failed","error":"the block is not valid: /)
  assert.equal(existsSync(join(folder, 'blocks/one', ULIDS[1]!, 'meta.json')), false)
  // The same upload goes on with the right file.
  const file = { tenant: 'one', body: made.files.get('chunks/000001')! }
  await uploadStep(url, ULIDS[1]!, 'files?path=chunks/000001', file)
  const finish = await uploadStep(url, ULIDS[1]!, 'finish', { tenant: 'one' })
  assert.deepEqual(finish, { status: 200, text: '' })
})

test('what start, files and finish refuse', async () => {
  const { url } = running
  const [, , ulid] = ULIDS as [string, string, string]
  const meta = { ...block.meta, ulid }
  const thanos = block.meta.thanos!
  const start = (changes: object, id = ulid) =>
    uploadStep(url, id, 'start', { body: JSON.stringify({ ...meta, ...changes }) })
  const refused: [object, number, RegExp][] = [
    [{ ulid: ULIDS[3] }, 400, /meta.json is of/],
    [{ version: 2 }, 400, /malformed meta.json/],
    [{ thanos: undefined }, 400, /missing thanos.files/],
    [{ thanos: { ...thanos, labels: { replica: 'a' } } }, 400, /unsupported external label/],
    [
      { thanos: { ...thanos, labels: { __compactor_shard_id__: '5_of_4' } } },
      400,
      /invalid __comp/,
    ],
    [{ thanos: { ...thanos, downsample: { resolution: 300 } } }, 400, /downsampled/],
    [
      { thanos: { ...thanos, files: [{ rel_path: '../x', size_bytes: 1 }] } },
      400,
      /lacks the index/,
    ],
    [{ maxTime: Date.now() + HOUR }, 400, /in the future/],
    [{ minTime: 5, maxTime: 6 }, 422, /before the retention/],
    [
      { thanos: { ...thanos, files: [{ rel_path: 'index', size_bytes: 1e6 + 1 }] } },
      413,
      /1000000/,
    ],
  ]
  for (const [changes, status, text] of refused) {
    const answer = await start(changes)
    assert.equal(answer.status, status, answer.text)
    assert.match(answer.text, text)
  }
  assert.match((await start({}, 'no-ulid')).text, /invalid block ID/)
  assert.equal((await uploadStep(url, ulid, 'files?path=index', { body: 'x' })).status, 404)
  assert.equal((await uploadStep(url, ulid, 'finish')).status, 404)
  const large = { body: 'x'.repeat(1024 * 1024 + 1) }
  assert.equal((await uploadStep(url, ulid, 'start', large)).status, 413)
  assert.deepEqual(await start({ thanos: { ...thanos, labels: { __org_id__: 'x' } } }), {
    status: 200,
    text: '',
  })
  const file = (path: string, body: string) => uploadStep(url, ulid, `files?path=${path}`, { body })
  assert.match((await file('meta.json', 'x')).text, /invalid path/)
  assert.match((await file('chunks/000009', 'x')).text, /does not list/)
  assert.match((await file('index', '')).text, /cannot be empty/)
  assert.match((await file('index', 'short')).text, /index has 5 bytes, meta.json says/)
  assert.match((await uploadStep(url, ulid, 'files', { body: 'x' })).text, /invalid file path/)
  assert.match((await uploadStep(url, ulid, 'finish')).text, /not complete: .* is missing/)
  const { text } = await uploadStep(url, ulid, 'check')
  assert.equal(text, '{"result":"uploading"}')
})

test('a deleted tenant answers nothing, from blocks and from heads, and its status says when they are gone', async () => {
  const { url, system } = running
  const made = await writeUpload(join(folder, 'going'), ULIDS[4]!, FROM)
  await uploadWhole(url, made, 'going')
  const now = Date.now()
  const pushAt = async (at: number) => {
    const series = [{ labels: { __name__: 'a', job: 'head' }, samples: [[at, 1]] as const }]
    const { status, text } = await push(running.pushUrl, series, 'going')
    assert.equal(status, 200, text)
    assert.equal(await countAt(at, 'going'), '1')
  }
  await pushAt(now)
  const headers = { 'x-scope-orgid': 'going' }
  const status = async () =>
    (await (await fetch(`${url}/compactor/delete_tenant_status`, { headers })).json()) as {
      blocks_deleted: boolean
    }
  assert.deepEqual(await status(), { tenant_id: 'going', blocks_deleted: false })
  const marked = await fetch(`${url}/compactor/delete_tenant`, { method: 'POST', headers })
  assert.equal(marked.status, 200)
  assert.equal(await countAt(now, 'going'), undefined)
  assert.equal(await countAt(FROM + 600_000, 'going'), undefined)
  while (!(await status()).blocks_deleted) await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(await countAt(FROM + 600_000, 'going'), undefined)
  assert.equal(await countAt(FROM + 600_000, 'one'), '20')
  // It may come back.
  await pushAt(now + 1)
  assert.ok(existsSync(join(folder, 'blocks/going/markers/tenant-deletion-mark.json')))
  assert.ok(system !== undefined)
})

test('uploads are refused where the tenant is not allowed them', async () => {
  const file = join(folder, 'runtime.yaml')
  writeFileSync(file, 'overrides: {closed: {compactor_block_upload_enabled: false}}\n')
  const other = await startSystem(join(folder, 'other'), {
    'limits.compactor_block_upload_enabled': true,
    'runtime_config.file': [file],
  })
  try {
    const body = JSON.stringify(block.meta)
    const closed = await uploadStep(other.url, ULIDS[0]!, 'start', { tenant: 'closed', body })
    assert.equal(closed.status, 400)
    assert.match(closed.text, /block upload is disabled/)
    assert.equal((await uploadStep(other.url, ULIDS[0]!, 'start', { body })).status, 200)
  } finally {
    await other.stop()
  }
})
