/**
 * A query that runs on a thread of the built server: ended by its client's leaving, by its timeout and
 * over HTTP, while short ones are answered beside it.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Nilo, startNilo } from '../support/nilo.js'
import { waitFor } from '../support/processes.js'
import { callApi } from '../support/prom-api.js'
import { push } from '../support/remote-write.js'

/** Minutes of work: a subquery of many steps over many series. */
const LONG = 'sum(max_over_time(rate(busy_total[5m])[3d:1s]))'
/** What ending a query may take here, where other processes want the processors too, ms. */
const SOON_MS = 1_500

async function filled(t: TestContext): Promise<Nilo> {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-cancel-'))
  const nilo = await startNilo(join(folder, 'data'), ['-querier.max-samples=2000000000'])
  t.after(async () => {
    await nilo.stop('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  const end = Date.now()
  const series = Array.from({ length: 2_000 }, (_, i) => ({
    labels: { __name__: 'busy_total', i: String(i) },
    samples: Array.from({ length: 40 }, (_, n) => [end - (40 - n) * 15_000, n * i] as const),
  }))
  assert.equal((await push(nilo.pushUrl, series)).status, 200)
  return nilo
}

interface Listed {
  readonly id: number
  readonly text: string
  readonly state: string
}

async function listed(nilo: Nilo): Promise<readonly Listed[]> {
  const { data } = await callApi(nilo.queryUrl, 'queries')
  return (data as readonly Listed[]).filter(({ text }) => text === LONG)
}

function whileListed(nilo: Nilo, isWanted: boolean): Promise<readonly Listed[]> {
  return waitFor('the list of queries', nilo, async () => {
    const queries = await listed(nilo)
    const isThere = queries.some(({ state }) => state === 'running')
    return isThere === isWanted ? queries : undefined
  })
}

test('a long query ends when its client leaves, at its timeout, and when it is told to', async (t) => {
  const nilo = await filled(t)
  const url = `${nilo.queryUrl}/api/v1/query?query=${encodeURIComponent(LONG)}`

  // The client leaves.
  const client = new AbortController()
  const left = assert.rejects(fetch(url, { signal: client.signal }))
  await whileListed(nilo, true)
  let began = performance.now()
  client.abort()
  await left
  await whileListed(nilo, false)
  assert.ok(performance.now() - began < SOON_MS)

  // It is told to end: its client hears of it, the thread is free.
  const ended = callApi(nilo.queryUrl, 'query', { query: LONG })
  const [running] = await whileListed(nilo, true)
  const other = await callApi(
    nilo.queryUrl,
    `queries/${running!.id}/cancel`,
    {},
    {
      method: 'POST',
      tenant: 'other',
    },
  )
  assert.deepEqual([other.httpStatus, other.errorType], [404, 'not_found'])
  began = performance.now()
  const told = await callApi(nilo.queryUrl, `queries/${running!.id}/cancel`, {}, { method: 'POST' })
  assert.equal(told.status, 'success')
  const answer = await ended
  assert.deepEqual([answer.httpStatus, answer.errorType], [499, 'canceled'])
  await whileListed(nilo, false)
  assert.ok(performance.now() - began < SOON_MS)

  // Its time is up.
  began = performance.now()
  const late = await callApi(nilo.queryUrl, 'query', { query: LONG, timeout: '200ms' })
  assert.deepEqual([late.httpStatus, late.errorType], [503, 'timeout'])
  assert.ok(performance.now() - began < 200 + SOON_MS)
  await whileListed(nilo, false)
})

test('short queries do not wait for a long one', async (t) => {
  const nilo = await filled(t)
  const client = new AbortController()
  const url = `${nilo.queryUrl}/api/v1/query?query=${encodeURIComponent(LONG)}`
  const long = assert.rejects(fetch(url, { signal: client.signal }))
  await whileListed(nilo, true)
  const began = performance.now()
  for (let i = 0; i < 20; i++) {
    const answer = await callApi(nilo.queryUrl, 'query', { query: `busy_total{i="${i}"}` })
    assert.equal(answer.status, 'success')
  }
  const tookMs = performance.now() - began
  assert.equal((await listed(nilo)).length, 1, 'the long one still runs')
  assert.ok(tookMs < 5_000, `${tookMs} ms for 20 short queries`)
  client.abort()
  await long
})
