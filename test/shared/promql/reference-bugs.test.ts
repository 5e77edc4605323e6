/**
 * Where our answers are not those of Prometheus 3.5, and why (docs/promql-differences.md): the
 * smallest queries that show it, run by promtool with its engine, and by ours. When an installed
 * Prometheus has mended one, its test says so.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { findComponent } from '../../support/components.js'
import { runScript } from '../../support/promqltest/runner.js'
import { headStores } from '../../support/promqltest/store.js'

/** A query, what Prometheus 3.5 makes of it and what we do. */
interface Difference {
  readonly series: Readonly<Record<string, string>>
  readonly query: string
  readonly theirs: number
  readonly ours: number
}

const LARGE = '{{schema:0 sum:1e16 count:1 buckets:[1]}}'
const ONE = '{{schema:0 sum:1 count:1 buckets:[1]}}'
const HISTOGRAMS = { 'h{i="1"}': LARGE, 'h{i="2"}': ONE, 'h{i="3"}': ONE }
const BUCKETS = { 'x_bucket{le="0.1"}': '1', 'x_bucket{le="1"}': '3', 'x_bucket{le="+Inf"}': '4' }

const DIFFERENCES: Readonly<Record<string, Difference>> = {
  'sum of native histograms loses what is small beside the sum': {
    series: HISTOGRAMS,
    query: 'histogram_sum(sum(h)) - 1e16',
    theirs: 0,
    ours: 2,
  },
  'so does sum_over_time': {
    series: { h: `${LARGE} ${ONE} ${ONE}` },
    query: 'histogram_sum(sum_over_time(h[5m])) - 1e16',
    theirs: 0,
    ours: 2,
  },
  'the sum of floats does not, there either': {
    series: { 'f{i="1"}': '1e16', 'f{i="2"}': '1', 'f{i="3"}': '1' },
    query: 'sum(f) - 1e16',
    theirs: 2,
    ours: 2,
  },
  'histogram_fraction from within the first classic bucket is no number': {
    series: BUCKETS,
    query: 'histogram_fraction(0.05, 1, x_bucket)',
    theirs: Number.NaN,
    ours: 0.625,
  },
  'from its end it is one': {
    series: BUCKETS,
    query: 'histogram_fraction(0.1, 1, x_bucket)',
    theirs: 0.5,
    ours: 0.5,
  },
}

/** promtool adds series up in the order of a map: in one of three the small ones come first, and nothing is lost. */
const TRIES = 20

/** When the last sample of a difference was taken, in minutes. */
function endOf({ series }: Difference): number {
  const counts = Object.values(series).map((values) => values.split(' {{').length)
  return Math.max(...counts) - 1
}

for (const [name, difference] of Object.entries(DIFFERENCES)) {
  const { series, query, theirs, ours } = difference
  const minutes = endOf(difference)

  test(`Prometheus 3.5: ${name}`, (t) => {
    const promtool = findComponent(t, 'promtool')
    if (promtool === undefined) return
    const folder = mkdtempSync(join(tmpdir(), 'nilo-promtool-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    // NaN is compared with nothing: the query then tells itself whether it is one.
    const expr = Number.isNaN(theirs) ? `count(${query} != ${query})` : query
    const value = Number.isNaN(theirs) ? 1 : theirs
    const inputs = Object.entries(series).map(([name, values]) => ({ series: name, values }))
    const rules = {
      rule_files: [],
      evaluation_interval: '1m',
      tests: [
        {
          interval: '1m',
          input_series: inputs,
          promql_expr_test: [
            { expr, eval_time: `${minutes}m`, exp_samples: [{ labels: '{}', value }] },
          ],
        },
      ],
    }
    const file = join(folder, 'tests.yml')
    writeFileSync(file, JSON.stringify(rules))
    for (let tries = 1; ; tries++) {
      const { status, stderr } = spawnSync(promtool, ['test', 'rules', file], { encoding: 'utf8' })
      if (status === 0) return
      assert.ok(tries < TRIES, stderr)
    }
  })

  test(`ours: ${name}`, async () => {
    const lines = Object.entries(series).map(([name, values]) => `  ${name} ${values}`)
    const script = `load 1m\n${lines.join('\n')}\n\neval instant at ${minutes}m ${query}\n  {} ${ours}\n`
    const outcomes = await runScript(script, headStores())
    assert.ok(outcomes.length > 0)
    for (const outcome of outcomes) assert.equal(outcome.status, 'passed', JSON.stringify(outcome))
  })
}
