/** Who is believed of a pair. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHaCells, HaCells } from '../../../src/shared/limits/index.js'

const NOW = 1_700_000_000_000
const claim = (replica: string, now: number, more = {}) => ({
  replica,
  now,
  failoverMs: 30_000,
  sampleMs: now,
  sampleFailoverMs: 0,
  ...more,
})

test('the first replica is believed, the other after its silence, whichever thread asks', () => {
  const cells = createHaCells()
  const [one, other] = [new HaCells(cells), new HaCells(cells)]
  const row = one.rowOf('t', 'c', 0)
  assert.equal(other.rowOf('t', 'c', 0), row)
  assert.equal(one.claim(row, claim('a', NOW)), 'changed')
  assert.equal(other.claim(row, claim('b', NOW + 1)), 'other')
  assert.equal(other.claim(row, claim('a', NOW + 15_000)), 'elected')
  assert.equal(one.claim(row, claim('b', NOW + 45_000)), 'other', 'not beyond the timeout')
  assert.equal(one.claim(row, claim('b', NOW + 45_001)), 'changed')
  assert.equal(other.claim(row, claim('a', NOW + 45_002)), 'other')
  assert.equal(other.replicaOf(row), 'b')
  const [entry] = one.list()
  assert.deepEqual(entry, {
    tenant: 't',
    cluster: 'c',
    replica: 'b',
    heardAt: NOW + 45_001,
    electedAt: NOW + 45_001,
    elections: 2,
  })
})

test('a failover may need samples that are ahead', () => {
  const cells = new HaCells()
  const row = cells.rowOf('t', 'c', 0)
  const options = { sampleFailoverMs: 10_000 }
  assert.equal(cells.claim(row, claim('a', NOW, { ...options, sampleMs: NOW })), 'changed')
  const late = { ...options, sampleMs: NOW + 9_999 }
  assert.equal(cells.claim(row, claim('b', NOW + 60_000, late)), 'other')
  const ahead = { ...options, sampleMs: NOW + 10_000 }
  assert.equal(cells.claim(row, claim('b', NOW + 60_000, ahead)), 'changed')
})

test('a tenant has as many clusters as it may, and silent ones are forgotten', () => {
  const cells = new HaCells(createHaCells(8))
  for (const cluster of ['c1', 'c2']) {
    cells.claim(cells.rowOf('t', cluster, 2), claim('a', NOW))
  }
  assert.equal(cells.rowOf('t', 'c3', 2), -1)
  assert.ok(cells.rowOf('t', 'c1', 2) >= 0, 'known ones go on')
  assert.ok(cells.rowOf('other', 'c3', 2) >= 0)
  cells.claim(cells.rowOf('t', 'c2', 2), claim('a', NOW + 10_000))
  cells.sweep(NOW + 5_000)
  assert.deepEqual(
    cells.list().map(({ tenant, cluster }) => `${tenant} ${cluster}`),
    ['t c2'],
  )
  assert.ok(cells.rowOf('t', 'c3', 2) >= 0)
  assert.equal(cells.claim(cells.rowOf('t', 'c3', 2), claim('b', NOW)), 'changed')
})

test('what was kept over a restart is believed as before', () => {
  const before = new HaCells()
  before.claim(before.rowOf('t', 'c', 0), claim('a', NOW))
  const after = new HaCells()
  after.restore(before.list())
  assert.deepEqual(after.list(), before.list())
  const row = after.rowOf('t', 'c', 0)
  assert.equal(after.claim(row, claim('b', NOW + 10_000)), 'other')
  assert.equal(after.claim(row, claim('a', NOW + 10_000)), 'elected')
})

test('a cluster that was asked for last is looked for again when it was forgotten', () => {
  const cells = new HaCells(createHaCells(8))
  const row = cells.rowOf('t', 'c', 1)
  cells.claim(row, claim('a', NOW))
  assert.equal(cells.rowOf('t', 'c', 1), row)
  cells.sweep(NOW + 1)
  assert.deepEqual(cells.list(), [])
  assert.ok(cells.rowOf('t', 'other', 1) >= 0)
  assert.equal(cells.rowOf('t', 'c', 1), -1, 'and the tenant has one cluster')
})
