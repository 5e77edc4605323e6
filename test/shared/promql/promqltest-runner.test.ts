/** The script runner itself: what must not pass does not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SelectRequest, SeriesSource } from '../../../src/shared/promql/index.js'
import { runScript } from '../../support/promqltest/runner.js'
import { readItems } from '../../support/promqltest/series.js'
import { headStores } from '../../support/promqltest/store.js'

const makeStore = headStores()

const DATA = `
load 1m
  m{a="1"} 1+1x3
  m{a="2"} 5 _ stale
  g 1 2
`

/** Reason of the last eval; '' when it passes. */
async function reasonOf(evals: string): Promise<string> {
  const outcomes = await runScript(`${DATA}\n${evals}`, makeStore)
  const last = outcomes.at(-1)
  assert.ok(last)
  assert.equal(last.status === 'passed', last.reason === '')
  return last.reason
}

test('a right script passes', async () => {
  assert.equal(await reasonOf('eval instant at 1m m\n  m{a="1"} 2\n  m{a="2"} 5'), '')
  assert.equal(
    await reasonOf('eval range from 0 to 2m step 1m m\n  m{a="1"} 1 2 3\n  m{a="2"} 5 5 _'),
    '',
  )
  assert.equal(await reasonOf('eval instant at 1m 1 + 1\n  2'), '')
  assert.equal(await reasonOf('eval instant at 1m "a"\n  expect string "a"'), '')
  assert.equal(await reasonOf('eval instant at 1m absent(m)'), '')
})

const WRONG: readonly [string, string, RegExp][] = [
  ['a value', 'eval instant at 1m m{a="1"}\n  m{a="1"} 2.0001', /2 at 60000, expected 2.0001/],
  ['a missing series', 'eval instant at 1m m{a="1"}', /not expected/],
  ['a series too many', 'eval instant at 1m m{a="1"}\n  m{a="1"} 2\n  m 2', /is missing/],
  ['a label', 'eval instant at 1m m{a="1"}\n  {a="1"} 2', /is missing/],
  [
    'a gap',
    'eval range from 0 to 2m step 1m m{a="2"}\n  m{a="2"} 5 _ _',
    /5 at 60000 not expected/,
  ],
  ['a point', 'eval range from 0 to 2m step 1m m{a="2"}\n  m{a="2"} 5 5 5', /no value at 120000/],
  ['a scalar', 'eval instant at 1m 1 + 1\n  3', /2, expected 3/],
  ['a type', 'eval instant at 1m m{a="1"}\n  2', /not a scalar/],
  ['a string', 'eval instant at 1m "a"\n  expect string "b"', /not the string/],
  [
    'an order',
    'eval instant at 1m sort(m)\n  expect ordered\n  m{a="2"} 5\n  m{a="1"} 2',
    /not at/,
  ],
  ['an error', 'eval instant at 1m m\n  expect fail', /did not fail/],
  ['an error text', 'eval instant at 1m m +\n  expect fail msg: no', /with: /],
  ['no error', 'eval instant at 1m m +', /failed: /],
  ['a warning', 'eval instant at 1m g\n  expect warn\n  g 2', /expected warning, got none/],
  [
    'no info',
    'eval instant at 1m rate(g[2m])\n  expect no_info\n  {} 0.0166666',
    /no info expected/,
  ],
  [
    'an info',
    'eval instant at 1m rate(g[2m])\n  expect info msg: PromQL info: x\n  {} 0.0166666',
    /no info is PromQL info: x/,
  ],
]
for (const [what, script, reason] of WRONG) {
  test(`${what} that is wrong fails`, async () => {
    assert.match(await reasonOf(script), reason)
  })
}

test('an instant eval is run as written, pinned at five times, and each as a range', async () => {
  const asked: SelectRequest[] = []
  const [outcome] = await runScript('load 1m\n  m 1+1x3\n\neval instant at 2m m\n  m 3', () => {
    const store = makeStore()
    const source: SeriesSource = {
      select(request, labels) {
        asked.push(request)
        return store.source.select(request, labels)
      },
    }
    return { append: (...args) => store.append(...args), source }
  })
  assert.equal(outcome?.status, 'passed')
  assert.equal(asked.length, 12)
  const windows = new Map<string, number>()
  for (const { mint, maxt } of asked) {
    const key = `${mint} to ${maxt}`
    windows.set(key, (windows.get(key) ?? 0) + 1)
  }
  // Pinned or not, an instant looks back five minutes from 2m; the plain range begins a minute before.
  assert.deepEqual(
    [...windows],
    [
      ['-179999 to 120000', 11],
      ['-239999 to 180000', 1],
    ],
  )
})

test('histograms are compared as values, the hint only where one is written', async () => {
  const data = 'load 1m\n  h {{count:3 sum:4 buckets:[1 0 2]}}x2\n\n'
  const ask = async (expected: string): Promise<string | undefined> => {
    const outcomes = await runScript(`${data}eval instant at 1m h\n  h ${expected}`, makeStore)
    return outcomes[0]?.status
  }
  assert.equal(await ask('{{count:3 sum:4 buckets:[1 0 2]}}'), 'passed')
  assert.equal(await ask('{{count:3 sum:4 buckets:[1 0 2 0]}}'), 'passed')
  assert.equal(
    await ask('{{count:3 sum:4 buckets:[1 0 2] counter_reset_hint:not_reset}}'),
    'passed',
  )
  for (const wrong of [
    '{{count:3 sum:4 buckets:[1 0 2] counter_reset_hint:gauge}}',
    '{{count:3 sum:4 buckets:[1 0 3]}}',
    '{{count:3 sum:4 buckets:[1 2]}}',
    '{{count:3 sum:4.1 buckets:[1 0 2]}}',
    '{{count:3 sum:4 schema:1 buckets:[1 0 2]}}',
    '{{count:3 sum:4 z_bucket_w:0.1 buckets:[1 0 2]}}',
    '3',
  ]) {
    assert.equal(await ask(wrong), 'failed', wrong)
  }
})

test('sequences of histograms are spelled out', () => {
  const counts = (text: string): unknown[] =>
    readItems(text).map((item) => (typeof item === 'object' ? item.histogram.count : item))
  assert.deepEqual(counts('{{count:1 sum:2}}x1 {{}}+{{count:3}}x2'), [1, 1, 0, 3, 6])
  assert.deepEqual(counts('{{count:5}}-{{count:1}}x2 _ stale'), [5, 4, 3, undefined, 'stale'])
  assert.throws(() => readItems('{{count}}'), /not a histogram/)
  assert.throws(() => readItems('{{count:x}}'), /not a number/)
})

test('sequences of values are spelled out', () => {
  const cases: [string, unknown[]][] = [
    ['1 -2.5 1e3', [1, -2.5, 1000]],
    ['1x2', [1, 1, 1]],
    ['0x3', [0, 0, 0, 0]],
    ['1+2x2', [1, 3, 5]],
    ['1-2x2', [1, -1, -3]],
    ['_ 1 _x2', [undefined, 1, undefined, undefined]],
    ['stale NaN Inf -Inf', ['stale', Number.NaN, Infinity, -Infinity]],
  ]
  for (const [text, items] of cases) assert.deepEqual(readItems(text), items, text)
})
