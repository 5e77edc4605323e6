import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  CANCEL_CLIENT,
  CANCEL_TIMEOUT,
  type QuerierQuery,
} from '../../../src/actors/querier/contract.js'
import type { Querier } from '../../../src/actors/querier/querier.js'
import { AppError, fail } from '../../../src/shared/errors/index.js'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { retireHead } from '../../../src/shared/tsdb/index.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { createTestQuerier, TestShard, taskOf, textOf } from '../../support/querier.js'

const TENANT = 'anonymous'
const ALL = { mint: 0, maxt: 1e12, limit: 0 }
const CUT = ['results truncated due to limit']

function instant(text: string, atMs = 60_000, limit = 0): QuerierQuery {
  return { kind: 'query', text, atMs, lookbackMs: 0, limit }
}

function rangeOver(text: string, startMs: number, endMs: number, stepMs: number): QuerierQuery {
  return { kind: 'query-range', text, startMs, endMs, stepMs, lookbackMs: 0, limit: 0 }
}

/** Two jobs, one with a second instance, values at 0 s, 15 s … 60 s. */
function filled(): TestShard {
  const shard = new TestShard()
  for (const [job, instance, slope] of [
    ['b', '1', 1],
    ['a', '1', 2],
    ['a', '2', 3],
  ] as const) {
    const labels = labelsOf({ __name__: 'up_total', job, instance })
    for (let i = 0; i <= 4; i++) shard.append(TENANT, labels, [i * 15_000, i * slope * 1.5])
  }
  shard.append('other', labelsOf({ __name__: 'secret' }), [0, 1])
  return shard
}

async function ask(querier: Querier, query: QuerierQuery): Promise<unknown> {
  return JSON.parse(textOf(await querier.run(taskOf(TENANT, query))))
}

describe('Querier: answers', () => {
  const points = Array.from({ length: 30 }, (_, i) => {
    const ms = 15_000 + i * 500
    return `[${ms % 1000 === 0 ? ms / 1000 : (ms / 1000).toFixed(3)},"1.5e-07"]`
  })
  const cases: [QuerierQuery, string][] = [
    [instant('1 + 1', 1500), '{"resultType":"scalar","result":[1.5,"2"]}'],
    [instant('"x\\ny"', 1000), '{"resultType":"string","result":[1,"x\\ny"]}'],
    [
      instant('sum by (job) (up_total{job="a"})'),
      '{"resultType":"vector","result":[{"metric":{"job":"a"},"value":[60,"30"]}]}',
    ],
    [
      instant('up_total{job="b"}[20s]'),
      '{"resultType":"matrix","result":[{"metric":{"__name__":"up_total","instance":"1","job":"b"},"values":[[45,"4.5"],[60,"6"]]}]}',
    ],
    [
      rangeOver('up_total{job="b"} * 1e-7', 14_500, 30_500, 500),
      `{"resultType":"matrix","result":[{"metric":{"instance":"1","job":"b"},"values":[[14.500,"0"],${points.join(',')},[30,"3e-07"],[30.500,"3e-07"]]}]}`,
    ],
    [
      rangeOver('sum(rate(up_total[1m]))', 60_000, 60_000, 1000),
      '{"resultType":"matrix","result":[{"metric":{},"values":[[60,"0.6"]]}]}',
    ],
    [instant('nothing'), '{"resultType":"vector","result":[]}'],
    [instant('secret'), '{"resultType":"vector","result":[]}'],
  ]
  for (const [query, data] of cases) {
    test(`${query.kind} ${'text' in query ? query.text : ''}`, async () => {
      const querier = createTestQuerier(createFakeEnv(), [filled()])
      const answer = await querier.run(taskOf(TENANT, query))
      assert.equal(textOf(answer), `{"status":"success","data":${data}}`)
    })
  }

  test('samples and series that came in since the last query are in the next answer', async () => {
    const shard = filled()
    const querier = createTestQuerier(createFakeEnv(), [shard])
    assert.match(JSON.stringify(await ask(querier, instant('count(up_total)'))), /"3"/)
    shard.append(TENANT, labelsOf({ __name__: 'up_total', job: 'c' }), [60_000, 7])
    assert.match(JSON.stringify(await ask(querier, instant('count(up_total)'))), /"4"/)
  })

  test('an answer is cut at its limit, with a warning', async () => {
    const querier = createTestQuerier(createFakeEnv(), [filled()])
    const cut = await ask(querier, instant('up_total', 60_000, 2))
    const { data, warnings } = cut as { data: { result: unknown[] }; warnings: string[] }
    assert.equal(data.result.length, 2)
    assert.deepEqual(warnings, CUT)
    const whole = await ask(querier, instant('up_total', 60_000, 3))
    assert.equal(Object.hasOwn(whole as object, 'warnings'), false)
  })
})

test('an answer has ten warnings at most, and says how many more there are', async () => {
  const querier = createTestQuerier(createFakeEnv(), [filled()])
  const query = rangeOver('quantile_over_time(time(), up_total[1m])', 30_000, 60_000, 2_000)
  const { warnings } = (await ask(querier, query)) as { warnings: string[] }
  assert.equal(warnings.length, 11)
  assert.match(warnings[9] ?? '', /quantile value should be between 0 and 1/)
  assert.equal(warnings[10], '6 more warning annotations omitted')
})

describe('Querier: experimental syntax by the switches of its configuration', () => {
  const off: [string, string][] = [
    ['sort_by_label(up_total, "job")', '1:1: parse error: function "sort_by_label" is not enabled'],
    [
      'limitk(1, up_total)',
      '1:1: parse error: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions',
    ],
    [
      'rate(up_total[1m] anchored)',
      '1:6: parse error: anchored modifier is experimental and not enabled',
    ],
    ['up_total[1m * 2]', '1:10: parse error: experimental duration expression is not enabled'],
    [
      'up_total + fill(0) up_total',
      '1:1: parse error: binop fill modifiers are experimental and not enabled',
    ],
  ]
  const switches = {
    'limits.enabled_promql_experimental_functions': ['all'],
    'limits.enabled_promql_extended_range_selectors': ['all'],
    'limits.enabled_promql_duration_expressions': true,
    'limits.enabled_promql_fill_modifiers': true,
  }
  for (const [text, message] of off) {
    test(text, async () => {
      const plain = createTestQuerier(createFakeEnv(), [filled()])
      await assert.rejects(ask(plain, instant(text)), {
        message: `invalid parameter "query": ${message}`,
      })
      const able = createTestQuerier(createFakeEnv(), [filled()], switches)
      const answer = JSON.parse(textOf(await able.run(taskOf(TENANT, instant(text)))))
      assert.equal(answer.status, 'success')
      assert.ok(answer.data.result.length > 0)
    })
  }

  test('functions and modes may be named one by one', async () => {
    const querier = createTestQuerier(createFakeEnv(), [filled()], {
      'limits.enabled_promql_experimental_functions': ['limitk', 'sort_by_label'],
      'limits.enabled_promql_extended_range_selectors': ['smoothed'],
    })
    await ask(querier, instant('limitk(1, sort_by_label(up_total smoothed, "job"))'))
    for (const text of ['limit_ratio(1, up_total)', 'info(up_total)', 'up_total[1m] anchored']) {
      await assert.rejects(ask(querier, instant(text)), /not enabled|must be enabled/, text)
    }
  })
})

describe('Querier: what is wrong with a query, in the words of Prometheus', () => {
  const selecting = { ...ALL, matchers: ['up{'] }
  const unexpected = '1:4: parse error: unexpected end of input inside braces'
  const badQuery = 'invalid parameter "query": '
  const cases: [QuerierQuery, string, string][] = [
    [instant('1+'), 'query-parse', `${badQuery}1:3: parse error: unexpected end of input`],
    [
      instant(''),
      'query-parse',
      `${badQuery}unknown position: parse error: no expression found in input`,
    ],
    [
      rangeOver('up_total[5m]', 0, 1000, 1000),
      'query-parse',
      `${badQuery}invalid expression type "range vector" for range query, must be Scalar or instant Vector`,
    ],
    [
      { kind: 'format-query', text: '1+' },
      'query-parse',
      `${badQuery}1:3: parse error: unexpected end of input`,
    ],
    [{ kind: 'series', ...selecting }, 'query-parse', `invalid parameter "match[]": ${unexpected}`],
    [{ kind: 'label-names', ...selecting }, 'query-parse', unexpected],
    [
      { kind: 'label-values', name: 'a', ...ALL, matchers: ['{a=~".*"}'] },
      'bad-data',
      'match[] must contain at least one non-empty matcher',
    ],
    [
      instant('up_total + on (instance) up_total'),
      'query-execution',
      'found duplicate series for the match group {instance="1"} on the right hand-side of the operation: [{__name__="up_total", instance="1", job="a"}, {__name__="up_total", instance="1", job="b"}];many-to-many matching not allowed: matching labels must be unique on one side',
    ],
  ]
  for (const [query, id, message] of cases) {
    test(`${query.kind} ${'text' in query ? query.text : ''} → ${id}`, async () => {
      const querier = createTestQuerier(createFakeEnv(), [filled()])
      await assert.rejects(querier.run(taskOf(TENANT, query)), { id, message })
    })
  }
})

describe('Querier: series, labels, metadata', () => {
  const series = (job: string, instance: string) => ({ __name__: 'up_total', instance, job })
  const both = ['{job="a"}', '{instance="1"}']
  const three = [series('a', '1'), series('b', '1'), series('a', '2')]
  const names = ['__name__', 'instance', 'job']
  const cases: [string, QuerierQuery, unknown[], boolean][] = [
    ['series of two selectors', { kind: 'series', ...ALL, matchers: both }, three, false],
    ['series, cut', { kind: 'series', ...ALL, matchers: both, limit: 1 }, [series('a', '1')], true],
    ['series later', { kind: 'series', ...ALL, matchers: ['up_total'], mint: 61_000 }, [], false],
    ['all names', { kind: 'label-names', ...ALL, matchers: [] }, names, false],
    [
      'names, cut',
      { kind: 'label-names', ...ALL, matchers: [], limit: 2 },
      names.slice(0, 2),
      true,
    ],
    ['names of a selector', { kind: 'label-names', ...ALL, matchers: ['up_total'] }, names, false],
    ['all values', { kind: 'label-values', name: 'job', ...ALL, matchers: [] }, ['a', 'b'], false],
    [
      'values, cut',
      { kind: 'label-values', name: 'job', ...ALL, matchers: [], limit: 1 },
      ['a'],
      true,
    ],
    [
      'values of a selector',
      { kind: 'label-values', name: 'instance', ...ALL, matchers: ['{job="b"}'] },
      ['1'],
      false,
    ],
    ['no values', { kind: 'label-values', name: 'none', ...ALL, matchers: [] }, [], false],
  ]
  for (const [name, query, data, isCut] of cases) {
    test(`${name}: sorted, each once`, async () => {
      const querier = createTestQuerier(createFakeEnv(), [filled(), filled()])
      const warnings = isCut ? { warnings: CUT } : {}
      assert.deepEqual(await ask(querier, query), { status: 'success', data, ...warnings })
    })
  }

  test('metadata by metric, each entry once', async () => {
    const [one, two] = [new TestShard(), new TestShard()]
    const entry = (metric: string, help: string) => ({ metric, type: 'counter', help, unit: '' })
    one.metadata.push(entry('b', 'x'), entry('a', 'x'))
    two.metadata.push(entry('a', 'x'), entry('a', 'y'))
    const querier = createTestQuerier(createFakeEnv(), [one, two])
    const of = (help: string) => ({ type: 'counter', help, unit: '' })
    const query = { kind: 'metadata', metric: '', limit: -1, limitPerMetric: -1 } as const
    const dataOf = async (changes: object) =>
      ((await ask(querier, { ...query, ...changes })) as { data: unknown }).data
    assert.deepEqual(await dataOf({}), { a: [of('x'), of('y')], b: [of('x')] })
    assert.deepEqual(await dataOf({ metric: 'b' }), { b: [of('x')] })
    assert.deepEqual(await dataOf({ limit: 1, limitPerMetric: 1 }), { a: [of('x')] })
    assert.deepEqual(await dataOf({ limit: 0 }), {})
  })

  test('a query, formatted', async () => {
    const querier = createTestQuerier(createFakeEnv(), [filled()])
    const answer = await ask(querier, { kind: 'format-query', text: 'sum(foo)by(a)' })
    assert.deepEqual(answer, { status: 'success', data: 'sum by (a) (foo)' })
  })
})

describe('Querier: shards', () => {
  test('are joined, and so are the halves of a series that lies in two', async () => {
    const [one, two] = [filled(), new TestShard()]
    const halved = labelsOf({ __name__: 'up_total', job: 'a', instance: '1' })
    two.append(TENANT, halved, [60_000, -1], [75_000, 100], [90_000, 200])
    two.append(TENANT, labelsOf({ __name__: 'up_total', job: 'd', instance: '1' }), [90_000, 5])
    const querier = createTestQuerier(createFakeEnv(), [one, two])
    const answer = (await ask(querier, instant('up_total{instance="1"}[5m]', 90_000))) as {
      data: { result: { metric: { job: string }; values: [number, string][] }[] }
    }
    const rows = answer.data.result.map(({ metric, values }) => [metric.job, values.length])
    const wanted = [
      ['a', 7],
      ['b', 5],
      ['d', 1],
    ]
    assert.deepEqual(rows, wanted)
    const values = answer.data.result[0]?.values.slice(3).map(([, value]) => value)
    assert.deepEqual(values, ['9', '12', '100', '200'])
    const count = await ask(querier, instant('count(up_total)', 90_000))
    assert.match(JSON.stringify(count), /"4"/)
  })

  test('one that stays away fails the query, retryably', async () => {
    const env = createFakeEnv()
    const shard = filled()
    const querier = createTestQuerier(env, [filled(), shard])
    const select = async (): Promise<never> => {
      throw fail('actor-down', { actor: 'ingester/1' })
    }
    querier.link(1, { calls: { ...shard.calls, select }, reader: shard.reader })
    const failed = assert.rejects(
      querier.run(taskOf(TENANT, instant('up_total'))),
      (error) => error instanceof AppError && error.id === 'actor-down' && error.row().retryable,
    )
    await env.timers.advance(1_000)
    await failed
    assert.equal(env.timers.pendingCount(), 0)
  })

  test('one that was restarted under the question is asked again', async () => {
    const env = createFakeEnv()
    const shard = filled()
    const querier = createTestQuerier(env, [shard])
    let isAsked = false
    const select = async (): Promise<never> => {
      isAsked = true
      throw fail('actor-down', { actor: 'ingester/0' })
    }
    querier.link(0, { calls: { ...shard.calls, select }, reader: shard.reader })
    const answer = ask(querier, instant('count(up_total)'))
    await env.timers.advance(500)
    assert.equal(isAsked, true)
    const next = filled()
    next.append(TENANT, labelsOf({ __name__: 'up_total', job: 'new' }), [60_000, 1])
    querier.link(0, next)
    assert.match(JSON.stringify(await answer), /"4"/)
  })

  test('one whose life has ended is not read any more, however late the next one is heard of', async () => {
    const env = createFakeEnv()
    const shard = filled()
    shard.head.serve()
    const querier = createTestQuerier(env, [shard])
    const select = async (): Promise<never> => {
      throw fail('actor-down', { actor: 'ingester/0' })
    }
    querier.link(0, { calls: { ...shard.calls, select }, reader: shard.reader })
    assert.match(JSON.stringify(await ask(querier, instant('count(up_total)'))), /"3"/)
    retireHead(shard.head.view.memory)
    const answer = ask(querier, instant('count(up_total)'))
    await env.timers.advance(500)
    const next = filled()
    next.append(TENANT, labelsOf({ __name__: 'up_total', job: 'new' }), [60_000, 1])
    querier.link(0, next)
    assert.match(JSON.stringify(await answer), /"4"/)
  })
})

test('a querier stops when its cell says so, and tells who said it', async () => {
  const querier = createTestQuerier(createFakeEnv(), [filled()])
  for (const [flag, id] of [
    [CANCEL_CLIENT, 'query-canceled'],
    [CANCEL_TIMEOUT, 'query-timeout'],
  ] as const) {
    const task = taskOf(TENANT, instant('up_total'))
    new Int32Array(task.cancel.cells)[0] = flag
    await assert.rejects(querier.run(task), { id })
  }
  await assert.doesNotReject(querier.run(taskOf(TENANT, instant('up_total'))))
})

test('a selector of very many matchers is not sent to a shard that cannot be read in place', async () => {
  const shard = new TestShard()
  shard.append('t', labelsOf({ __name__: 'm' }), [1_000, 1])
  const querier = createTestQuerier(createFakeEnv(), [shard])
  const query = {
    kind: 'series',
    matchers: [`m{${'a!="b",'.repeat(100_001)}}`],
    mint: 0,
    maxt: 2_000,
    limit: 0,
  } as const
  await assert.rejects(querier.run(taskOf('t', query)), { id: 'overloaded' })
  shard.head.serve()
  assert.equal((await querier.run(taskOf('t', query))).seriesRead, 1)
})
