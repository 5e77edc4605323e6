/** `blocked_queries` and `limited_queries`: which queries they refuse, and what they say. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { compressSync } from 'snappy'
import { querierConfigOf } from '../../../src/actors/querier/client.js'
import type { QuerierQuery } from '../../../src/actors/querier/contract.js'
import { Querier } from '../../../src/actors/querier/querier.js'
import { defaultConfig, EMPTY_RUNTIME } from '../../../src/shared/config/index.js'
import { createFrequencyCells, limitsDataOf } from '../../../src/shared/limits/index.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { headModule } from '../../support/head-source.js'
import { createTestQuerier, TestShard, taskOf, textOf } from '../../support/querier.js'

const HOUR = 3_600_000

function instant(text: string): QuerierQuery {
  return { kind: 'query', text, atMs: HOUR, lookbackMs: 0, limit: 0 }
}

function range(text: string, startMs: number, endMs: number, stepMs: number): QuerierQuery {
  return { kind: 'query-range', text, startMs, endMs, stepMs, lookbackMs: 0, limit: 0 }
}

/** Reads `{__name__="x",job="a"}`. */
function remoteRead(startMs: number, endMs: number): QuerierQuery {
  const field = (tag: number, bytes: Buffer) => Buffer.concat([Buffer.of(tag, bytes.length), bytes])
  const matcher = (name: string, value: string) =>
    field(0x1a, Buffer.concat([field(0x12, Buffer.from(name)), field(0x1a, Buffer.from(value))]))
  const varint = (n: number): number[] => (n < 128 ? [n] : [(n % 128) | 128, ...varint(n >>> 7)])
  const times = Buffer.from([0x08, ...varint(startMs), 0x10, ...varint(endMs)])
  const query = Buffer.concat([times, matcher('__name__', 'x'), matcher('job', 'a')])
  return { kind: 'remote-read', body: compressSync(field(0x0a, query)) }
}

const SUM = 'sum(rate(x[5m]))'
const BRACES = '{__name__="x",job="a"}'
const FEDERATED: QuerierQuery = { kind: 'federate', matchers: ['y', ' x{job="a"}'], atMs: HOUR }
const EXEMPLARS: QuerierQuery = { kind: 'exemplars', text: SUM, mint: 0, maxt: HOUR }

/** Rules of blocked_queries, a query, and whether it is refused. */
const CASES: readonly (readonly [string, object, QuerierQuery, boolean])[] = [
  ['the text as sent', { pattern: SUM }, instant(SUM), true],
  ['with other blanks', { pattern: SUM }, instant('sum( rate (x [5m]) )'), true],
  ['another text', { pattern: SUM }, instant('sum(x)'), false],
  ['no pattern in the middle', { pattern: 'rate(x[5m])' }, instant(SUM), false],
  ['a regular expression', { pattern: '.*rate.*', regex: true }, instant(SUM), true],
  ['all of it', { pattern: 'rate', regex: 'true' }, instant(SUM), false],
  ['not as one', { pattern: '.*rate.*' }, instant(SUM), false],
  ['unaligned', { unaligned_range_queries: true }, range('x', 1, 60_001, 60_000), true],
  ['aligned', { unaligned_range_queries: true }, range('x', 0, 60_000, 60_000), false],
  ['long', { time_range_longer_than: '30m' }, range('x', 0, HOUR, 60_000), true],
  ['not so long', { time_range_longer_than: '1h' }, range('x', 0, HOUR, 60_000), false],
  ['no range', { time_range_longer_than: '1h' }, instant('x'), false],
  ['a small step', { step_size_shorter_than: '1m' }, range('x', 0, HOUR, 59_999), true],
  ['no small step', { step_size_shorter_than: '1m' }, range('x', 0, HOUR, 60_000), false],
  ['both', { pattern: 'x', step_size_shorter_than: '1m' }, range('x', 0, HOUR, 1_000), true],
  ['a remote read', { pattern: BRACES }, remoteRead(0, HOUR), true],
  ['a remote read by its name', { pattern: 'x{job="a"}' }, remoteRead(0, HOUR), true],
  ['another remote read', { pattern: 'x' }, remoteRead(0, HOUR), false],
  ['a long remote read', { time_range_longer_than: '30m' }, remoteRead(0, HOUR), true],
  ['a remote read has no steps', { unaligned_range_queries: true }, remoteRead(1, HOUR), false],
  ['nor small ones', { step_size_shorter_than: '1m' }, remoteRead(1, HOUR), false],
  ['a federated selector', { pattern: 'x{job="a"}' }, FEDERATED, true],
  ['in braces', { pattern: BRACES }, FEDERATED, true],
  ['other federated selectors', { pattern: 'x' }, FEDERATED, false],
  ['exemplars', { pattern: SUM }, EXEMPLARS, true],
  ['exemplars of others', { pattern: 'x' }, EXEMPLARS, false],
  ['one of two', { pattern: 'y', step_size_shorter_than: '1m' }, range('x', 0, HOUR, 1_000), false],
]

describe('blocked_queries', () => {
  for (const [name, rule, query, isBlocked] of CASES) {
    test(name, async () => {
      const rules = [
        { pattern: 'never', reason: 'no' },
        { ...rule, reason: 'too dear' },
      ]
      const changes = { 'limits.blocked_queries': rules }
      const querier = createTestQuerier(createFakeEnv(), [new TestShard()], changes)
      const running = querier.run(taskOf('t', query))
      if (!isBlocked) await running
      else {
        await assert.rejects(running, {
          id: 'err-mimir-query-blocked',
          message:
            'the query has been blocked by the cluster administrator: too dear (err-mimir-query-blocked)',
        })
        if (query.kind !== 'query' && query.kind !== 'query-range') return
        const explained = { kind: 'explain', of: query, isRun: true, asText: false } as QuerierQuery
        await assert.rejects(querier.run(taskOf('t', explained)), { id: 'err-mimir-query-blocked' })
      }
    })
  }

  test('of several tenants at once those of each', async () => {
    const whole = defaultConfig({ 'limits.blocked_queries': [{ pattern: 'x' }] })
    const overrides = new Map([['b', { blocked_queries: [{ pattern: 'y' }] }]])
    const limits = limitsDataOf(whole, { ...EMPTY_RUNTIME, overrides })
    const boot = { config: querierConfigOf(whole), limits, shardCount: 1, kernel: headModule() }
    const querier = new Querier(createFakeEnv(), boot)
    querier.link(0, new TestShard())
    for (const text of ['x', 'y']) {
      await assert.rejects(querier.run(taskOf('a|b', instant(text))), {
        id: 'err-mimir-query-blocked',
      })
    }
    await querier.run(taskOf('b', instant('x')))
  })

  test('what is no rule is refused with the configuration', () => {
    for (const [rules, text] of [
      ['x', /blocked_queries: expected a list/],
      [[{ reason: 'x' }], /would block everything/],
      [[{ patern: 'x' }], /no such key: patern/],
      [[{ pattern: '(', regex: true }], /error parsing regexp/],
      [[{ pattern: 'x', time_range_longer_than: 'long' }], /expected a duration/],
    ] as const) {
      const config = defaultConfig({ 'limits.blocked_queries': rules })
      assert.throws(() => limitsDataOf(config, EMPTY_RUNTIME), {
        id: 'config-invalid',
        message: text,
      })
    }
  })
})

test('limited_queries run once in a while, whichever thread runs them', async () => {
  const env = createFakeEnv()
  const whole = defaultConfig({
    'limits.limited_queries': [{ query: SUM, allowed_frequency: '1m' }],
  })
  const boot = {
    config: querierConfigOf(whole),
    limits: limitsDataOf(whole, EMPTY_RUNTIME),
    queryRuns: createFrequencyCells(),
    shardCount: 1,
    kernel: headModule(),
  }
  const queriers = [0, 1].map((seat) => {
    const querier = new Querier(env, boot, seat)
    querier.link(0, new TestShard())
    return querier
  })
  const run = (at: number, tenant: string, text: string) =>
    queriers[at]!.run(taskOf(tenant, instant(text)))
  const refused = { id: 'err-mimir-query-limited', message: /once in 1m/ }
  await run(0, 't', SUM)
  await assert.rejects(run(1, 't', SUM), refused)
  await assert.rejects(run(0, 't', 'sum(rate(x[5m]) )'), refused)
  await run(1, 'other', SUM)
  await run(1, 't', 'x')
  await env.timers.advance(59_999)
  await assert.rejects(run(0, 't', SUM), refused)
  await env.timers.advance(1)
  await run(1, 't', SUM)
  await assert.rejects(run(0, 't', SUM), refused)
})

test('align_queries_with_step moves ranges onto multiples of the step', async () => {
  const query = range('time()', 61_000, 185_000, 60_000)
  for (const [isAligned, times] of [
    [true, [60, 120, 180]],
    [false, [61, 121, 181]],
  ] as const) {
    const changes = { 'limits.align_queries_with_step': isAligned }
    const querier = createTestQuerier(createFakeEnv(), [new TestShard()], changes)
    const answer = JSON.parse(textOf(await querier.run(taskOf('t', query))))
    const [{ values }] = answer.data.result as [{ values: [number, string][] }]
    assert.deepEqual(
      values,
      times.map((time) => [time, String(time)]),
    )
  }
})
