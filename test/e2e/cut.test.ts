/** The built server cuts blocks while it takes and answers: what is asked is the same before and after. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Nilo, startNilo } from '../support/nilo.js'
import { callApi, seriesOf } from '../support/prom-api.js'
import { push } from '../support/remote-write.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const SERIES = 200

/** What a few queries over everything answer. */
async function answers(server: Nilo, from: number, to: number): Promise<unknown[]> {
  const found: unknown[] = []
  const range = { start: from / 1000, end: to / 1000, step: 60 }
  for (const query of ['sum(cut)', 'count by (job) (cut)', 'sum(rate(cut[5m]))', 'cut{n="17"}']) {
    const answer = await callApi(server.queryUrl, 'query_range', { query, ...range })
    assert.equal(answer.status, 'success', answer.error)
    found.push([query, Object.fromEntries([...seriesOf(answer.data)].map(([k, v]) => [k, [...v]]))])
  }
  const all = { query: `sum(count_over_time(cut[${(to - from) / 1000 + 1}s]))`, time: to / 1000 }
  const count = await callApi(server.queryUrl, 'query', all)
  assert.equal(count.status, 'success', count.error)
  found.push([...seriesOf(count.data).values()].map((points) => [...points]))
  return found
}

function batch(t: number) {
  return Array.from({ length: SERIES }, (_, n) => ({
    labels: { __name__: 'cut', job: `job-${n % 3}`, n: String(n) },
    samples: [[t, n + t / MINUTE]] as const,
  }))
}

test('answers stay the same while heads become blocks, through kill -9', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-cut-'))
  const flags = ['-blocks-storage.tsdb.head-compaction-interval=1s']
  let server = await startNilo(folder, flags)
  t.after(async () => {
    await server.stop('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  const to = Math.floor(Date.now() / MINUTE) * MINUTE
  const from = to - 5 * HOUR
  for (let at = from; at <= to; at += 2 * MINUTE) {
    const pushed = await push(server.pushUrl, batch(at))
    assert.equal(pushed.status, 200, pushed.text)
  }
  const before = await answers(server, from, to)
  assert.deepEqual(before.at(-1), [[[to / 1000, String(SERIES * 151)]]])
  // The ranges that are over are cut by themselves, at any moment of these questions.
  const blocks = () => listBlocks(folder)
  const until = Date.now() + 30_000
  while (blocks().length === 0) {
    assert.ok(Date.now() < until, server.output())
    assert.deepEqual(await answers(server, from, to), before)
  }
  for (let i = 0; i < 3; i++) assert.deepEqual(await answers(server, from, to), before)
  await server.stop('SIGKILL')
  server = await startNilo(folder, flags)
  assert.deepEqual(await answers(server, from, to), before)
  // The rest on demand.
  const flushed = fetch(`${server.url}/ingester/flush?wait=true`, { method: 'POST' })
  assert.deepEqual(await answers(server, from, to), before)
  assert.equal((await flushed).status, 204)
  assert.ok(blocks().length >= 3, server.output())
  assert.deepEqual(await answers(server, from, to), before)
  const metrics = await (await fetch(`${server.url}/metrics`)).text()
  assert.match(metrics, /^cortex_ingester_memory_series 0$/m)
  assert.match(metrics, /^cortex_ingester_memory_series_removed_total\{user="anonymous"\} 200$/m)
  // Series that come again are taken again.
  const pushed = await push(server.pushUrl, batch(to + MINUTE))
  assert.equal(pushed.status, 200, pushed.text)
  assert.deepEqual(await server.stop('SIGTERM'), { code: 0, signal: null }, server.output())
  server = await startNilo(folder, flags)
  assert.deepEqual(await answers(server, from, to), before)
  const [, after] = (await answers(server, to + MINUTE, to + MINUTE)).slice(-2)
  assert.deepEqual(after, [[[to / 1000 + 60, String(SERIES)]]])
})

function listBlocks(folder: string): string[] {
  const found: string[] = []
  for (const shard of readdirSync(folder).filter((name) => name.startsWith('ingester-'))) {
    const place = join(folder, shard, 'blocks', 'anonymous')
    if (existsSync(place)) found.push(...readdirSync(place))
  }
  return found
}
