/** Tenants of the series cache: who is opened by turns, and who makes room. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Limits } from '../../../src/shared/limits/index.js'
import { Harness } from '../../shared/kernels/write-request-harness.js'
import { testLimits } from '../../support/limits.js'

const LIMITS = new Limits(testLimits()).defaults()

test('a tenant and its pairs are opened by turns, each as before', () => {
  const { cache } = new Harness()
  const [alone, paired] = [cache.open('acme', LIMITS), cache.open('acme', LIMITS, true)]
  assert.notEqual(alone, paired)
  const other = cache.open('other', LIMITS)
  for (let i = 0; i < 3; i++) {
    assert.equal(cache.open('acme', LIMITS), alone)
    assert.equal(cache.open('acme', LIMITS, true), paired)
  }
  assert.equal(cache.open('other', LIMITS), other)
  assert.equal(cache.size(), 3)
  const newer = new Limits(testLimits({ drop_labels: ['job'] })).defaults()
  assert.equal(cache.open('acme', newer, true).rewriter?.isNeeded(), true)
  assert.equal(cache.open('acme', LIMITS).rewriter, undefined)
  assert.equal(cache.open('acme', newer), alone)
  assert.equal(alone.rewriter?.isNeeded(), true)
})

test('those that were opened longest ago go first, and are not opened again', () => {
  const { cache } = new Harness()
  const open = (name: string, isPaired: boolean) => cache.open(name, LIMITS, isPaired)
  const [alone, paired] = [open('acme', false), open('acme', true)]
  const other = open('other', false)
  open('acme', false)
  assert.equal(open('acme', true), paired)
  cache.evict(paired)
  assert.notEqual(open('other', false), other, 'it was opened before the two')
  open('acme', true)
  open('acme', false)
  const [third, fourth] = [open('third', false), open('fourth', false)]
  for (const gone of [third, fourth]) assert.notEqual(gone, alone)
  cache.evict(fourth)
  cache.evict(fourth)
  cache.evict(fourth)
  assert.equal(cache.size(), 2)
  assert.notEqual(open('acme', true), paired)
  assert.notEqual(open('acme', false), alone)
})
