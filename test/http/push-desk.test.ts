/** Rates of pushes, and what is kept of refusals. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PushDesk, SmoothRate } from '../../src/http/push-desk.js'
import { Limits } from '../../src/shared/limits/index.js'
import { createFakeEnv } from '../support/fake-env.js'
import { testLimits } from '../support/limits.js'

function deskOf(ingestionRateMax = 0) {
  const env = createFakeEnv()
  const overrides = { slow: { request_rate: 2, request_burst_size: 3 } }
  const limits = new Limits(testLimits({}, overrides))
  const desk = new PushDesk({
    env,
    limits,
    ingestionRateMax,
    ratePeriodMs: 1_000,
    isReadOnly: () => false,
  })
  let answer = { status: 200, text: '', retryable: false }
  const sink = desk.over({ push: async () => ({ ...answer, written: { ...WRITTEN } }) })
  const push = async (tenant: string, status = 200, text = ''): Promise<void> => {
    answer = { status, text, retryable: false }
    await sink.push(tenant, [], 0)
  }
  return { env, desk, limits, push }
}
const WRITTEN = { samples: 90, histograms: 10, exemplars: 5 }

test('a rate follows what came in whole intervals, and fades', () => {
  const rate = new SmoothRate(1_000)
  rate.add(50, 0)
  rate.add(50, 900)
  assert.equal(rate.value(999), 0)
  assert.equal(rate.value(1_000), 100)
  rate.add(200, 1_500)
  assert.equal(rate.value(2_000), 120)
  assert.ok(Math.abs(rate.value(4_000) - 120 * 0.8 * 0.8) < 1e-9)
})

test("requests over a tenant's rate are refused, counted and remembered", async () => {
  const { env, desk } = deskOf()
  for (let i = 0; i < 3; i++) desk.check('slow')
  const refusal = { id: 'err-mimir-tenant-max-request-rate' }
  assert.throws(() => desk.check('slow'), refusal)
  desk.check('free')
  await env.timers.advance(500)
  desk.check('slow')
  assert.throws(() => desk.check('slow'), refusal)
  assert.equal(env.metrics.value('cortex_discarded_requests_total', 'rate_limited', 'slow'), 2)
  const [kept] = desk.rejections('slow')
  assert.deepEqual([kept?.id, kept?.status, kept?.count], [refusal.id, 429, 2])
})

test('refusals are kept by reason, with or without an id, and not without end', async () => {
  const { env, desk, push } = deskOf()
  const texts = [
    'ingester-0: user=a: label is bad (err-mimir-label-invalid). series {x="1"}',
    'snappy: corrupt input',
    'line 2: not a value: "q"; 1 line is left out (text_parse_error), the others are taken',
    'line 7: no metric name; 3 lines are left out (text_parse_error), the others are taken',
    'byte 5 of "a\\"b" is wrong in {a="1", b="2"}',
    'byte 61 of "c is wrong in {}',
  ]
  for (const text of texts) {
    await env.timers.advance(1)
    await push('a', 400, text)
  }
  assert.deepEqual(
    desk
      .rejections('a')
      .map(({ id, reason, count, text }) => [id, reason, count, texts.indexOf(text)]),
    [
      ['', 'byte … of …', 1, 5],
      ['', 'byte … of … is wrong in …', 1, 4],
      ['', 'text_parse_error', 2, 3],
      ['', 'snappy: corrupt input', 1, 1],
      ['err-mimir-label-invalid', 'label_invalid', 1, 0],
    ],
  )
  for (let i = 0; i < 200; i++) await push('a', 400, `other ${String.fromCharCode(0x100 + i)} text`)
  const kept = desk.rejections('a').map(({ reason }) => reason)
  assert.equal(kept.length, 22)
  assert.ok(kept.includes('label_invalid') && kept.includes('text_parse_error'))
})

test('the whole instance takes so many samples a second, also by the runtime file', async () => {
  const { env, desk, limits, push } = deskOf(150)
  await push('a')
  await push('b')
  desk.check('a')
  await env.timers.advance(1_000)
  assert.throws(() => desk.check('a'), { id: 'err-mimir-distributor-max-ingestion-rate' })
  limits.take({ ...testLimits({}, {}, 2), distributorLimits: { max_ingestion_rate: 500 } })
  desk.check('a')
  assert.equal(desk.rate('a'), 100)
})

test('keeps the newest text of each reason', async () => {
  const { env, desk, push } = deskOf()
  await push('a', 400, 'first (err-mimir-label-invalid)')
  await env.timers.advance(10)
  await push('a', 400, 'too long (err-mimir-label-name-too-long)')
  await env.timers.advance(10)
  await push('a', 400, 'second (err-mimir-label-invalid)')
  await push('a', 503, 'ingester 0 is not running')
  const kept = desk.rejections('a').map(({ id, text, count }) => [id, text, count])
  assert.deepEqual(kept, [
    ['err-mimir-label-invalid', 'second (err-mimir-label-invalid)', 2],
    ['err-mimir-label-name-too-long', 'too long (err-mimir-label-name-too-long)', 1],
  ])
  assert.deepEqual(desk.rejections('b'), [])
})
