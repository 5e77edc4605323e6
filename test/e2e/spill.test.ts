/** Chunk files in the whole server: queries over what is in them, and a start after kill -9. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Nilo, startNilo } from '../support/nilo.js'
import { waitFor } from '../support/processes.js'
import { callApi } from '../support/prom-api.js'
import { type PushedSeries, push } from '../support/remote-write.js'

const FLAGS = ['-head.spill-bytes=1', '-head.spill-after=1m']
const SERIES = 20
const SAMPLES = 600
const STEP_MS = 5_000

function seriesOf(end: number): PushedSeries[] {
  return Array.from({ length: SERIES }, (_, n) => ({
    labels: { __name__: 'spilled', n: `${n}` },
    samples: Array.from(
      { length: SAMPLES },
      (_, i) => [end - (SAMPLES - 1 - i) * STEP_MS, n + Math.sin(i)] as const,
    ),
  }))
}

/** Answers with their rows in an order of their own: heads and blocks have each another. */
async function answers(nilo: Nilo, end: number): Promise<string> {
  const queries = ['spilled[1h]', 'sum by (n) (sum_over_time(spilled[50m]))', 'spilled offset 40m']
  const all = queries.map(async (query) => {
    const { status, data } = await callApi(nilo.queryUrl, 'query', { query, time: end / 1000 })
    const rows = (data as { result: unknown[] }).result.map((row) => JSON.stringify(row))
    return [status, ...rows.sort()]
  })
  return JSON.stringify(await Promise.all(all))
}

async function spilledChunks(nilo: Nilo): Promise<number | undefined> {
  const text = await (await fetch(`${nilo.url}/metrics`)).text()
  const found = /^nilo_ingester_chunks_spilled_total\{[^}]*\} (\d+)/m.exec(text)
  return found === null || found[1] === '0' ? undefined : Number(found[1])
}

/** Cuts the chunk files: a query that needs them fails, the page says what it is, and the shard starts anew. */
async function assertDamageIsMended(nilo: Nilo, folder: string, end: number): Promise<void> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    truncateSync(path, Math.min(32, statSync(path).size))
  }
  const time = end / 1000
  const query = 'sum(max_over_time(spilled[44m] offset 4m))'
  const failed = await callApi(nilo.queryUrl, 'query', { query, time })
  assert.equal(failed.httpStatus, 500)
  assert.match(JSON.stringify(failed), /is damaged at/)
  const listed = async (): Promise<Record<string, string>[] | undefined> => {
    const page = await (await fetch(`${nilo.url}/debug/damage`)).json()
    const list = (page as { damage: Record<string, string>[] }).damage
    return list.length === 0 ? undefined : list
  }
  const damage = await waitFor('damage', nilo, listed)
  assert.equal(damage[0]!['reason'], 'chunk-file')
  assert.equal(damage[0]!['tenants'], 'anonymous')
  await waitFor('its count', nilo, async () => {
    const { data } = await callApi(nilo.queryUrl, 'status/runtimeinfo')
    return (data as { corruptionCount: number }).corruptionCount > 0 ? true : undefined
  })
  assert.ok(Date.parse(damage[0]!['to']!) <= end)
  await waitFor('an answer of the next life', nilo, async () => {
    const answer = await callApi(nilo.queryUrl, 'query', { query, time })
    return answer.status === 'success' ? true : undefined
  })
  // A shard that is busy may not say how it is in time.
  const still = await waitFor('damage of the last life', nilo, listed)
  assert.deepEqual(still[0], damage[0])
}

test('queries read chunk files as they read memory, and a start needs none of them', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-spill-'))
  let nilo = await startNilo(folder, FLAGS)
  t.after(async () => {
    await nilo.stop('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  const end = Math.floor(Date.now() / STEP_MS) * STEP_MS
  assert.equal((await push(nilo.pushUrl, seriesOf(end))).status, 200)
  const wanted = await answers(nilo, end)
  const [status, ...rows] = (JSON.parse(wanted) as string[][])[0]!
  assert.equal(status, 'success')
  assert.deepEqual(
    rows.map((row) => (JSON.parse(row) as { values: unknown[] }).values.length),
    Array<number>(SERIES).fill(SAMPLES),
  )
  const chunks = await waitFor('spilled chunks', nilo, () => spilledChunks(nilo))
  assert.ok(chunks >= 3 * SERIES, `${chunks} chunks`)
  // Another range, so that what is read was not read before.
  assert.equal(await answers(nilo, end), wanted)
  const { data } = await callApi(nilo.queryUrl, 'query', {
    query: 'sum(count_over_time(spilled[45m] offset 3m))',
    time: end / 1000,
  })
  const { result } = data as { result: { value: [number, string] }[] }
  assert.equal(result[0]!.value[1], String(SERIES * 540))
  await nilo.stop('SIGKILL')
  nilo = await startNilo(folder, FLAGS)
  assert.equal(await answers(nilo, end), wanted)
  assert.ok(readdirSync(join(folder, 'ingester-0')).includes('wal'))
  await nilo.stop('SIGKILL')
  nilo = await startNilo(folder, FLAGS)
  await waitFor('spilled chunks', nilo, () => spilledChunks(nilo))
  await assertDamageIsMended(nilo, join(folder, 'ingester-0', 'chunks'), end)
  assert.equal(await answers(nilo, end), wanted)
  const flushed = await fetch(`${nilo.url}/ingester/flush?wait=true`, { method: 'POST' })
  assert.equal(flushed.status, 204, await flushed.text())
  assert.equal(await answers(nilo, end), wanted)
})
