/** Rows of tenants, and how they change. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Limits } from '../../../src/shared/limits/index.js'
import { testLimits } from '../../support/limits.js'

test('a tenant has the defaults, or its own row over them', () => {
  const limits = new Limits(testLimits({ request_rate: 5 }, { a: { ingestion_rate: 7 } }))
  assert.equal(limits.of('a').ingestion_rate, 7)
  assert.equal(limits.of('a').request_rate, 5)
  assert.equal(limits.of('b'), limits.defaults())
  assert.equal(limits.of('b').ingestion_rate, 0)
  assert.ok(Object.isFrozen(limits.of('a')) && Object.isFrozen(limits.of('b')))
})

test('newer data changes rows; those that stay the same stay the same object', () => {
  const limits = new Limits(testLimits({}, { a: { ingestion_rate: 7 }, b: { request_rate: 1 } }))
  const before = { a: limits.of('a'), b: limits.of('b'), other: limits.of('other') }
  const overrides = { a: { ingestion_rate: 8 }, b: { request_rate: 1 } }
  assert.equal(limits.take(testLimits({}, overrides, 2)), true)
  assert.notEqual(limits.of('a'), before.a)
  assert.equal(limits.of('a').ingestion_rate, 8)
  assert.equal(limits.of('b'), before.b)
  assert.equal(limits.of('other'), before.other)
  assert.equal(limits.version(), 2)
  assert.equal(limits.take(testLimits({ request_rate: 9 }, {}, 2)), false, 'not newer')
  assert.equal(limits.of('other').request_rate, 0)
})

test('data survives being posted to a thread', () => {
  const data = structuredClone(testLimits({}, { a: { ingestion_rate: 7 } }))
  assert.equal(new Limits(data).of('a').ingestion_rate, 7)
})
