/**
 * The built server on a bucket of two-hour blocks: it makes days of them by itself, and every answer
 * meanwhile has every sample once. A damaged block is named, kept out, and the rest goes on.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { runBlock } from '../../src/commands/block.js'
import { ulidOf } from '../../src/shared/base/ulid.js'
import { nodeDisk } from '../../src/shared/env/node-disk.js'
import { writeBlock } from '../../src/shared/tsdb/index.js'
import { gridSeries, scratchFolder } from '../support/blocks.js'
import { startNilo } from '../support/nilo.js'
import { waitFor } from '../support/processes.js'

const DAY = Date.UTC(2025, 9, 9)
const HOUR = 3_600_000
const SERIES = 50
const SAMPLES = 120

interface Compactions {
  readonly jobs: readonly { readonly state: string; readonly sources: readonly string[] }[]
  readonly damaged: readonly { readonly block: string; readonly tenant: string }[]
}

async function writeDay(folder: string): Promise<string[]> {
  const ulids: string[] = []
  for (let hour = 0; hour < 24; hour += 2) {
    const minTime = DAY + hour * HOUR
    const ulid = ulidOf(minTime, new Uint8Array(10))
    const series = gridSeries({ series: SERIES, from: minTime, stepMs: 60_000, samples: SAMPLES })
    const compaction = { level: 1, sources: [ulid] }
    const maxTime = minTime + 2 * HOUR
    await writeBlock(nodeDisk(), folder, { ulid, minTime, maxTime, compaction, series })
    ulids.push(ulid)
  }
  return ulids
}

test('compacts a bucket while every answer is whole', async (t) => {
  const folder = scratchFolder()
  const tenant = join(folder, 'blocks', 'demo')
  const ulids = await writeDay(tenant)
  const bad = ulids[3]!
  const path = join(tenant, bad, 'chunks/000001')
  const bytes = readFileSync(path)
  bytes[bytes.length - 20]! ^= 1
  writeFileSync(path, bytes)
  const nilo = await startNilo(folder, ['-compactor.first-level-compaction-wait-period=0s'])
  t.after(() => nilo.stop())
  const headers = { 'X-Scope-OrgID': 'demo' }
  // The damaged block's two hours are left out: a query of them fails rather than being wrong.
  const spans = [
    { from: DAY, to: DAY + 6 * HOUR },
    { from: DAY + 8 * HOUR, to: DAY + 24 * HOUR },
  ]
  let queries = 0
  await waitFor('the compactions', nilo, async () => {
    for (const { from, to } of spans) {
      const range = (to - from) / 1000
      const query = encodeURIComponent(`sum(count_over_time({shard=~".+"}[${range}s]))`)
      const url = `${nilo.queryUrl}/api/v1/query?query=${query}&time=${(to - 1) / 1000}`
      const answer = (await (await fetch(url, { headers })).json()) as {
        data: { result: { value: [number, string] }[] }
      }
      const expected = SERIES * (range / 60)
      assert.equal(Number(answer.data.result[0]?.value[1]), expected, JSON.stringify(answer))
      queries++
    }
    const { jobs, damaged } = await compactions(nilo.url)
    const isQuiet = jobs.length > 0 && jobs.every(({ state }) => state !== 'running')
    const done = jobs.filter(({ state }) => state === 'done')
    return isQuiet && damaged.length === 1 && done.length >= 3 ? true : undefined
  })
  assert.ok(queries > 2)
  const { damaged } = await compactions(nilo.url)
  assert.deepEqual([damaged[0]?.block, damaged[0]?.tenant], [bad, 'demo'])
  const page = await (await fetch(`${nilo.url}/debug/damage`)).text()
  assert.ok(page.includes(bad), page)
  const planned = await fetch(`${nilo.url}/compactor/tenant/demo/planned_jobs`)
  assert.deepEqual(await planned.json(), { tenant: 'demo', jobs: [] })
  const marked = new Set(readdirSync(join(tenant, 'markers')).map((name) => name.slice(0, 26)))
  const live = readdirSync(tenant).filter((name) => name.length === 26 && !marked.has(name))
  assert.equal(live.length, 1, 'one block of the day')
  await runBlock(['verify', join(tenant, live[0]!)], () => {})
  assert.match(
    await (await fetch(`${nilo.url}/metrics`)).text(),
    /cortex_compactor_runs_completed_total\S* 1/,
  )
})

async function compactions(url: string): Promise<Compactions> {
  return (await (await fetch(`${url}/debug/compactions`)).json()) as Compactions
}
