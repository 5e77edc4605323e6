/**
 * What the server tells of its queries: statistics as a real Prometheus counts them, plans and their
 * costs, log lines, slow queries, and the ending of a query that runs.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { findComponent, startPrometheus } from '../support/components.js'
import { type Nilo, startNilo } from '../support/nilo.js'
import { waitFor } from '../support/processes.js'
import { callApi } from '../support/prom-api.js'
import { type PushedSeries, push } from '../support/remote-write.js'

const STEP_MS = 15_000
const SAMPLES = 60

/** Three series with gaps, ending now. */
function seriesAt(end: number): PushedSeries[] {
  return ['a', 'b', 'c'].map((job, index) => ({
    labels: { __name__: 'walked_total', job },
    samples: Array.from({ length: SAMPLES }, (_, i) => i)
      .filter((i) => i % 20 < 18 - index * 5)
      .map((i) => [end - (SAMPLES - i) * STEP_MS, i * (index + 1)] as const),
  }))
}

function place(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-stats-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

interface Stats {
  readonly timings: Readonly<Record<string, number>>
  readonly samples: {
    readonly totalQueryableSamples: number
    readonly totalQueryableSamplesPerStep?: readonly (readonly [number, number])[]
    readonly peakSamples: number
  }
}

const QUERIES = [
  'walked_total',
  'walked_total{job="a"} offset 1m',
  'rate(walked_total[1m])',
  'sum by (job) (rate(walked_total[3m])) / sum(walked_total)',
  'walked_total @ start() + walked_total',
  'max_over_time(rate(walked_total[1m])[5m:30s])',
  'sum_over_time(walked_total[2m] @ end())',
  'absent_over_time(walked_total{job="a"}[1m])',
  'timestamp(walked_total)',
  'quantile_over_time(0.5, walked_total[90s]) > 3',
  'absent(nothing)',
  'topk(1, walked_total) or vector(1)',
]

test('statistics count samples as Prometheus does', async (t) => {
  const binary = findComponent(t, 'prometheus')
  if (binary === undefined) return
  const folder = place(t)
  const features = ['promql-per-step-stats']
  const config = () => 'scrape_configs: []\n'
  const own = join(folder, 'prometheus')
  const prometheus = await startPrometheus({ binary, folder: own, config, features })
  const nilo = await startNilo(join(folder, 'data'))
  t.after(() => Promise.all([prometheus.stop('SIGKILL'), nilo.stop('SIGKILL')]))
  const end = Math.floor(Date.now() / STEP_MS) * STEP_MS
  assert.ok((await push(`${prometheus.url}/api/v1/write`, seriesAt(end))).status < 300)
  assert.equal((await push(nilo.pushUrl, seriesAt(end))).status, 200)
  const at = { time: end / 1000 - 120 }
  const over = { start: end / 1000 - 700, end: end / 1000 + 400, step: 20 }
  for (const query of QUERIES) {
    for (const [path, times] of [
      ['query', at],
      ['query_range', over],
    ] as const) {
      for (const stats of ['all', 'true']) {
        const params = { query, stats, ...times }
        const wanted = statsOf(await callApi(prometheus.url, path, params))
        const got = statsOf(await callApi(nilo.queryUrl, path, params))
        assert.deepEqual(Object.keys(got.timings), Object.keys(wanted.timings))
        const { totalQueryableSamplesPerStep: steps, totalQueryableSamples } = got.samples
        assert.equal(totalQueryableSamples, wanted.samples.totalQueryableSamples, query)
        assert.equal(steps === undefined, stats !== 'all')
        if (stats === 'all') {
          assert.deepEqual(steps, wanted.samples.totalQueryableSamplesPerStep, `${path} ${query}`)
        }
      }
    }
  }
  const without = await callApi(nilo.queryUrl, 'query', { query: 'walked_total' })
  assert.equal((without.data as { stats?: unknown }).stats, undefined)
})

function statsOf(answer: { readonly data?: unknown; readonly error?: string }): Stats {
  assert.equal(answer.error, undefined)
  return (answer.data as { stats: Stats }).stats
}

async function filled(t: TestContext, args: readonly string[] = []): Promise<Nilo> {
  const nilo = await startNilo(join(place(t), 'data'), args)
  t.after(() => nilo.stop('SIGKILL'))
  const end = Math.floor(Date.now() / STEP_MS) * STEP_MS
  assert.equal((await push(nilo.pushUrl, seriesAt(end))).status, 200)
  return nilo
}

interface Node {
  readonly node: string
  readonly expr: string
  readonly cost?: Readonly<Record<string, number>>
  readonly select?: { readonly matchers: readonly string[] }
  readonly inputs: readonly Node[]
}

test('explain gives the plan, analyze what its nodes cost', async (t) => {
  const nilo = await filled(t)
  const end = Date.now() / 1000
  const range = { start: end - 600, end, step: 60 }
  const query = 'sum by (job) (rate(walked_total[5m])) * 2'
  const planned = await callApi(nilo.queryUrl, 'explain', { query, ...range })
  const { plan } = planned.data as { plan: Node }
  assert.equal(plan.node, 'scalar-binary')
  const names = (node: Node): string[] => [node.node, ...node.inputs.flatMap(names)]
  assert.deepEqual(names(plan), ['scalar-binary', 'aggregate', 'range-call', 'range', 'number'])
  const run = await callApi(nilo.queryUrl, 'analyze', { query, ...range }, { method: 'POST' })
  const data = run.data as { plan: Node; samplesRead: number; responseSeries: number }
  assert.equal(data.responseSeries, 3)
  const selector = data.plan.inputs[0]!.inputs[0]!.inputs[0]!
  assert.deepEqual(selector.select?.matchers, ['__name__="walked_total"'])
  assert.equal(selector.cost?.['series'], 3)
  assert.equal(selector.cost?.['samples'], data.samplesRead)
  assert.ok(data.samplesRead > 50)
  const unprefixed = await callApi(nilo.url, 'analyze', { query, ...range }, { method: 'POST' })
  assert.equal((unprefixed.data as typeof data).samplesRead, data.samplesRead)
  const text = await fetch(
    `${nilo.queryUrl}/api/v1/analyze?format=text&query=${encodeURIComponent(query)}`,
  )
  assert.match(text.headers.get('content-type') ?? '', /^text\/plain/)
  const lines = (await text.text()).split('\n')
  assert.match(lines[0]!, /^scalar-binary {2}sum by \(job\) \(rate\(walked_total\[5m\]\)\) \* 2/)
  assert.ok(lines.some((line) => /^ +range {2}walked_total\[5m\]/.test(line)))
  assert.ok(lines.some((line) => /ms \(.* with inputs\), 3 series/.test(line)))
  const bad = await callApi(nilo.queryUrl, 'explain', { query: 'sum(' })
  assert.deepEqual([bad.httpStatus, bad.errorType], [400, 'bad_data'])
  const matrix = await callApi(nilo.queryUrl, 'explain', { query: 'walked_total[5m]', ...range })
  assert.equal(matrix.httpStatus, 400)
})

test('each query leaves a line in the log, a slow one two, and is remembered', async (t) => {
  const nilo = await filled(t, ['-query-frontend.log-queries-longer-than=1ms'])
  const query = 'sum(rate(walked_total[5m])) # a comment'
  const headers = { 'user-agent': 'tester', 'x-mimir-response-query-stats': 'true' }
  const url = `${nilo.queryUrl}/api/v1/query?query=${encodeURIComponent(query)}`
  const answer = await fetch(url, { headers })
  await answer.text()
  const timing = answer.headers.get('server-timing') ?? ''
  for (const name of ['querier_wall_time;dur=', 'fetched_series_count;val=3', 'queue_time;dur=']) {
    assert.ok(timing.includes(name), timing)
  }
  await fetch(`${nilo.queryUrl}/api/v1/query?query=sum(`)
  const stats = await waitFor('the lines', nilo, async () => {
    const lines = nilo.output().split('\n')
    const found = lines.filter((line) => line.includes('msg="query stats"'))
    return found.length >= 2 ? found : undefined
  })
  assert.match(stats[0]!, /route_name=prometheus_api_v1_query user_agent=tester status_code=200/)
  assert.match(stats[0]!, / fetched_series_count=3 .* status=success .*param_query="sum\(rate/)
  assert.match(stats[1]!, /status_code=400 .*status=failed err="invalid parameter/)
  assert.match(nilo.output(), /msg="slow query detected"/)
  const slow = (await (await fetch(`${nilo.url}/debug/slow-queries`)).json()) as {
    queries: { text: string; status: string }[]
  }
  assert.deepEqual(
    slow.queries.map(({ text }) => text).filter((text) => text === query),
    [query],
  )
})
