/**
 * Requests of the query API that have an answer without any data, most of them wrong in some way:
 * status and body must be those of a real Prometheus, to the letter.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startFront } from '../http/support.js'
import { findComponent, startPrometheus } from '../support/components.js'
import { createFakeEnv } from '../support/fake-env.js'
import { createTestQuerier, poolOf, TestShard } from '../support/querier.js'

const RANGE = 'start=0&end=60&step=15'

/** Paths below /api/v1, with parameters not yet encoded. */
const REQUESTS: readonly string[] = [
  'query?query=1&time=0',
  'query?query=1e-7&time=1.5',
  'query?query=-0&time=1.001',
  'query?query=1e21&time=1435781451.781',
  'query?query=NaN&time=2015-07-01T20:10:51.781Z',
  'query?query=Inf&time=2015-07-01T20:10:51.781+02:00',
  'query?query="a\\n😀<>&"&time=12.345',
  'query?query=up&time=1',
  'query?query=up[5m]&time=1',
  'query?query=vector(1e-7)&time=1.5',
  'query?query=vector(1e21)&time=1.05',
  'query?query=vector(0.1)&time=-1.5',
  'query?query=time()&time=1e9',
  'query?query=absent(up{a="<b>"})&time=1',
  'query?query=up&time=abc',
  'query?query=up&time=1:2',
  'query?query=up&time=2015-07-01T20:10:51',
  'query?query=up&time=2015-02-30T20:10:51Z',
  'query?query=up&timeout=x',
  'query?query=up&timeout=-1s',
  'query?query=up&time=1&timeout=1m',
  'query?query=up&limit=-1',
  'query?query=up&limit=x',
  'query?query=up&limit=1.5',
  'query?query=vector(1) or label_replace(vector(2),"a","b","","")&time=1&limit=1',
  'query?query=up&lookback_delta=x',
  'query?query=up&time=1&lookback_delta=10m',
  'query',
  'query?query=',
  'query?query=1+',
  'query?query=sum(up',
  'query?query=up{',
  'query?query=up{a=~"("}',
  'query?query=nope(up<1>&)',
  'query?query=nope(up)',
  'query?query=vector(1) > 2&time=1',
  'query?query=vector(1) or vector(2) < 1&time=1',
  'query?query=rate(up)',
  'query?query=sum by (job) (up) by (x)',
  'query?query={}',
  'query?query=label_replace(up,"a","b","c","(")&time=1',
  'query?query=label_replace(vector(1),"a","b","c","(")&time=1',
  'query?query=count_values("a-\\xff", vector(1))&time=1',
  `query_range?query=1&${RANGE}`,
  `query_range?query=vector(time())/3&${RANGE}`,
  `query_range?query=up&${RANGE}`,
  'query_range?query=time()&start=0.5&end=2&step=0.25',
  'query_range?query=time()&start=1970-01-01T00:00:00Z&end=1970-01-01T00:01:00Z&step=30s',
  `query_range?query=up[5m]&${RANGE}`,
  `query_range?query="x"&${RANGE}`,
  `query_range?query=1+&${RANGE}`,
  'query_range?query=up&end=2&step=1',
  'query_range?query=up&start=1&step=1',
  'query_range?query=up&start=1&end=2015-13-01T00:00:00Z&step=1',
  'query_range?query=up&start=2&end=1&step=1',
  'query_range?query=up&start=1&end=2',
  'query_range?query=up&start=1&end=2&step=x',
  'query_range?query=up&start=1&end=2&step=1e20',
  'query_range?query=up&start=1&end=2&step=0',
  'query_range?query=up&start=1&end=2&step=-1',
  'query_range?query=up&start=0&end=11000&step=1',
  'query_range?query=up&start=0&end=11001&step=1',
  'query_range?query=up&start=0&end=11000.5&step=1',
  'query_range?query=vector(1) or label_replace(vector(2),"a","b","","")&start=0&end=1&step=1&limit=1',
  'series',
  'series?match[]=',
  'series?match[]={}',
  'series?match[]={a=""}',
  'series?match[]=up{',
  'series?match[]=up&match[]={a=~".*"}',
  'series?match[]=up&start=x',
  'series?match[]=up&end=x',
  'series?match[]=up&limit=x',
  'series?match[]=up',
  'labels?match[]=up{',
  'labels?match[]={a=~".*"}',
  'labels?start=x',
  'labels?end=x',
  'labels?limit=-1',
  'labels',
  'label/job/values?match[]=up{',
  'label/job/values?match[]={}',
  'label/job/values?start=x&limit=-1',
  'label/job/values',
  'label/a.b/values',
  'label/U__a_2e_b/values',
  'metadata',
  'metadata?limit=x',
  'metadata?limit=0',
  'metadata?limit_per_metric=x',
  'metadata?metric=nope',
  'parse_query?query=1+',
  'query_exemplars',
  'query_exemplars?query=up',
  'query_exemplars?query=1',
  'query_exemplars?query=up&start=2&end=1',
  'query_exemplars?query=up&start=x',
  'query_exemplars?query=up{',
  'format_query',
  'format_query?query=1+',
  'format_query?query=sum(rate(foo{a="b"}[5m]))by(job)',
  'format_query?query=(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa+bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb)/2',
]

test('the query API answers like Prometheus where no data is needed', async (t) => {
  const binary = findComponent(t, 'prometheus')
  if (binary === undefined) return
  const folder = mkdtempSync(join(tmpdir(), 'nilo-parity-'))
  const prometheus = await startPrometheus({ binary, folder, config: () => 'scrape_configs: []\n' })
  t.after(async () => {
    await prometheus.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  const querier = createTestQuerier(createFakeEnv(), [new TestShard()])
  const front = await startFront({}, poolOf(querier))
  t.after(() => front.server.drain())
  const differences: object[] = []
  for (const request of REQUESTS) {
    const [path, search = ''] = request.split(/\?(.*)/s)
    const params = search.split(/&(?=[a-z_[\]]+=)/).map((part) => {
      const at = part.indexOf('=')
      return `${part.slice(0, at)}=${encodeURIComponent(part.slice(at + 1))}`
    })
    const target = `/api/v1/${path}${search === '' ? '' : `?${params.join('&')}`}`
    const theirs = await answerTo(prometheus.url + target)
    const ours = await answerTo(`http://127.0.0.1:${front.port}/prometheus${target}`)
    if (theirs !== ours) differences.push({ request, theirs, ours })
  }
  assert.deepEqual(differences, [])
})

async function answerTo(url: string): Promise<string> {
  const response = await fetch(url)
  return `${response.status} ${await response.text()}`
}
