/** `nilo bench` against the built server: what it says it sent is there, at the rate asked for. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runBench } from '../../src/commands/bench.js'
import { NODE_CLOCK, NODE_TIMERS } from '../../src/shared/env/index.js'
import { startNilo } from '../support/nilo.js'
import { callApi, parseValue, seriesOf } from '../support/prom-api.js'

async function run(
  args: readonly string[],
): Promise<{ good: boolean; table: Map<string, string> }> {
  const table = new Map<string, string>()
  const print = (line: string): void => {
    const [, name, value] = /^\| (.+?) +\| (.*) \|$/.exec(line) ?? []
    if (name !== undefined) table.set(name, value!)
  }
  const world = { clock: NODE_CLOCK, timers: NODE_TIMERS, print }
  return { good: await runBench(args, world), table }
}

function numberOf(table: Map<string, string>, name: string): number {
  return Number(table.get(name)?.replaceAll(',', ''))
}

test('sends series of several tenants at a rate, replaces some, and all of it is there', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-bench-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const nilo = await startNilo(folder)
  t.after(() => nilo.stop())
  const one = async (tenant: string, query: string): Promise<number> => {
    const params = { query, time: (Date.now() / 1000 + 1).toFixed(3) }
    const answer = await callApi(nilo.queryUrl, 'query', params, { tenant })
    assert.equal(answer.status, 'success', answer.error)
    const [points] = seriesOf(answer.data).values()
    return parseValue([...(points ?? new Map([[0, '0']])).values()][0]!)
  }
  for (const [protocol, tenant] of [
    ['1.0', 'old'],
    ['2.0', 'new'],
  ] as const) {
    const { good, table } = await run([
      `-url=${nilo.pushUrl}`,
      '-series=5000',
      '-rate=10000',
      '-duration=5s',
      '-churn=20',
      '-churn-every=1s',
      '-tenants=2',
      `-tenant=${tenant}-`,
      `-protocol=${protocol}`,
      `-pid=${nilo.pid}`,
    ])
    assert.ok(good, table.get('answers'))
    const samples = numberOf(table, 'samples')
    assert.ok(samples > 5_000 && samples <= 55_000, `${samples} samples`)
    assert.ok(numberOf(table, 'CPU seconds') > 0 && numberOf(table, 'RSS peak, MiB') > 20)
    let stored = 0
    for (const at of [1, 2]) {
      const name = `${tenant}-${at}`
      stored += await one(name, 'sum(count_over_time({__name__!=""}[5m]))')
      const series = await one(name, 'count(last_over_time({__name__!=""}[5m]))')
      assert.ok(series > 2_500 && series <= 5_800, `${series} series: 2,500 and those replaced`)
    }
    assert.equal(stored, samples)
  }
})

test('says when a server refuses, and when there is none', async () => {
  const nowhere = await run(['-url=http://127.0.0.1:9/x', '-series=10', '-duration=200ms'])
  assert.equal(nowhere.good, false)
  assert.match(nowhere.table.get('answers')!, /^none×\d+$/)
  await assert.rejects(run(['-protocol=3.0']), /-protocol is 1.0 or 2.0/)
  await assert.rejects(run(['-series=0']), /-series takes a whole number from 1 on/)
})
