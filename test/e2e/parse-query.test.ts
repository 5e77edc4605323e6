/** The trees of parse_query beside those of a real Prometheus 3.5, for every node and modifier. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type ParseOptions, parse, treeOf } from '../../src/shared/promql/index.js'
import { findComponent, startPrometheus } from '../support/components.js'

const OPTIONS: ParseOptions = {
  enableExperimentalFunctions: true,
  experimentalDurationExpr: false,
  enableExtendedRangeSelectors: false,
  enableBinopFillModifiers: false,
}

const EXPRESSIONS = [
  '1',
  '-1.5e10',
  'Inf',
  'NaN',
  '5m',
  '"a\\nb"',
  'foo',
  '{__name__="foo", a!="b", c=~"d.*", e!~"f"}',
  'foo{a="b"} offset 5m',
  'foo offset -1h @ 1.5',
  'foo @ start()',
  'foo[5m] @ end() offset 1m',
  'rate(foo[5m])[1h:1m] offset 10m @ 100',
  'foo[1h:]',
  '(((foo)))',
  '-foo',
  '+(foo + 1)',
  'foo + bar',
  'foo == bool on (a) group_left (b, c) bar',
  'foo * ignoring (x) group_right bar',
  'foo and on () bar or baz unless foo',
  '1 < bool 2',
  'foo atan2 2 ^ 3',
  'sum(foo)',
  'sum by (b, a) (foo)',
  'topk without () (5, foo)',
  'count_values("x", foo)',
  'limitk(2, foo)',
  'quantile(0.5, foo)',
  'time()',
  'round(foo)',
  'round(foo, 5)',
  'label_join(foo, "a", ",", "b", "c")',
  'info(foo, {a="b"})',
  'histogram_quantile(0.9, sum by (le) (rate(foo_bucket[5m])))',
]

/** What has come to the tree since 3.5. */
const SINCE_3_5: ReadonlySet<string> = new Set(['anchored', 'smoothed', 'fillValues'])

test('parse_query draws the trees that Prometheus draws', async (t) => {
  const binary = findComponent(t, 'prometheus')
  if (binary === undefined) return
  const folder = mkdtempSync(join(tmpdir(), 'nilo-trees-'))
  const features = ['promql-experimental-functions']
  const prometheus = await startPrometheus({ binary, folder, config: () => '', features })
  t.after(async () => {
    await prometheus.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  for (const text of EXPRESSIONS) {
    const query = new URLSearchParams({ query: text })
    const response = await fetch(`${prometheus.url}/api/v1/parse_query?${query}`)
    const answer = (await response.json()) as { status: string; data: unknown }
    assert.equal(answer.status, 'success', text)
    const ours: unknown = JSON.parse(JSON.stringify(treeOf(parse(text, OPTIONS)), without))
    assert.deepEqual(ours, answer.data, text)
  }
})

function without(key: string, value: unknown): unknown {
  return SINCE_3_5.has(key) ? undefined : value
}
