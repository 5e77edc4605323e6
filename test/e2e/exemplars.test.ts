/** Exemplars pushed to the server and to a real Prometheus: what both answer, to the letter. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { findComponent, startPrometheus } from '../support/components.js'
import { startNilo } from '../support/nilo.js'
import { type PushedSeries, push } from '../support/remote-write.js'

/** Two metrics of two jobs; the last exemplars are of one time, and not all of them are kept. */
function seriesAt(now: number): PushedSeries[] {
  return ['requests_total', 'errors_total'].flatMap((name) =>
    ['a', 'b<>&"'].map((job, index) => ({
      labels: { __name__: name, job, zone: 'x' },
      samples: [[now - 60_000, 1] as const, [now, 2] as const],
      exemplars: [
        { labels: { trace_id: `${name}-1` }, value: 0.25, t: now - 60_000 },
        { labels: { span: '3' }, value: 1e-9 * (index + 1), t: now - 30_500 },
        { labels: { trace_id: 'é"\\', span: '7' }, value: 1e21, t: now - 1 },
        { labels: { trace_id: 'bucket-2' }, value: 3e21, t: now - 1 },
        { labels: { trace_id: 'too small' }, value: 2e21, t: now - 1 },
        { labels: { trace_id: 'bucket-2' }, value: 3e21, t: now - 1 },
        { labels: { trace_id: 'bucket-3' }, value: 4e21, t: now - 1 },
        { labels: { trace_id: 'late' }, value: 5e21, t: now - 2 },
      ],
    })),
  )
}

test('query_exemplars answers as Prometheus does', async (t) => {
  const binary = findComponent(t, 'prometheus')
  if (binary === undefined) return
  const folder = mkdtempSync(join(tmpdir(), 'nilo-exemplars-'))
  const prometheus = await startPrometheus({
    binary,
    folder: join(folder, 'prometheus'),
    config: () => 'scrape_configs: []\n',
    features: ['exemplar-storage'],
  })
  const nilo = await startNilo(join(folder, 'data'), [
    '-ingester.max-global-exemplars-per-user=100',
  ])
  t.after(async () => {
    await Promise.all([prometheus.stop('SIGKILL'), nilo.stop('SIGKILL')])
    rmSync(folder, { recursive: true, force: true })
  })
  const now = Math.floor(Date.now() / 1000) * 1000
  const series = seriesAt(now)
  assert.ok((await push(`${prometheus.url}/api/v1/write`, series)).status < 300)
  assert.equal((await push(nilo.pushUrl, series)).status, 200)
  const range = { start: now / 1000 - 90, end: now / 1000 }
  const requests: Record<string, string | number>[] = [
    { query: 'requests_total' },
    { query: 'rate(requests_total{job="a"}[5m]) / sum(errors_total)', ...range },
    { query: '{__name__=~".+"}', ...range },
    { query: 'topk(scalar(requests_total{job="a"}), errors_total{zone=~"x|y"}[5m:1m])', ...range },
    { query: 'requests_total', start: now / 1000 - 31, end: now / 1000 - 30 },
    { query: 'requests_total', start: now / 1000 + 1, end: now / 1000 + 2 },
    { query: 'nothing or 1', ...range },
    { query: '1', ...range },
  ]
  let told = 0
  for (const request of requests) {
    const form = new URLSearchParams()
    for (const [name, value] of Object.entries(request)) form.set(name, String(value))
    const theirs = await textOf(`${prometheus.url}/api/v1/query_exemplars?${form}`)
    const ours = await textOf(`${nilo.queryUrl}/api/v1/query_exemplars?${form}`)
    assert.equal(ours, theirs, request['query'] as string)
    told += theirs.split('"timestamp"').length - 1
  }
  assert.ok(told > 40, `${told} exemplars in all`)
  const other = await fetch(`${nilo.queryUrl}/api/v1/query_exemplars?query=requests_total`, {
    headers: { 'X-Scope-OrgID': 'other' },
  })
  assert.equal(await other.text(), '{"status":"success","data":[]}')
})

async function textOf(url: string): Promise<string> {
  const response = await fetch(url)
  return `${response.status} ${await response.text()}`
}
