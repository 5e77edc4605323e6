/** What threads share about tenants. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTenantCells, TenantCells, TokenBucket } from '../../../src/shared/limits/index.js'

const NOW = 1_700_000_000_000

test('a bucket gives its burst at once, then its rate, whoever takes', () => {
  const cells = createTenantCells(2)
  const [one, other] = [new TenantCells(cells), new TenantCells(cells)]
  const row = one.rowOf('acme')
  assert.deepEqual(other.rowOf('acme'), row)
  const size = { rate: 3, burst: 10 }
  for (let i = 0; i < 10; i++) {
    assert.equal((i % 2 === 0 ? one : other).tryTake(row, 1, size, NOW), true, String(i))
  }
  assert.equal(one.tryTake(row, 1, size, NOW), false)
  assert.equal(one.tryTake(row, 1, size, NOW + 300), false)
  assert.equal(one.tryTake(row, 1, size, NOW + 334), true)
  assert.equal(one.tryTake(row, 1, size, NOW + 335), false)
  assert.equal(one.tryTake(row, 10, size, NOW + 10_000), true)
  assert.equal(one.tryTake(row, 11, size, NOW + 100_000), false, 'more than ever fits')
  assert.equal(one.tryTake(one.rowOf('other'), 10, size, NOW), true, 'a bucket of its own')
})

test('a clock that goes back empties a bucket at most', () => {
  const cells = new TenantCells()
  const row = cells.rowOf('acme')
  const size = { rate: 10, burst: 10 }
  assert.equal(cells.tryTake(row, 10, size, NOW + 3_600_000), true)
  assert.equal(cells.tryTake(row, 1, size, NOW), false)
  assert.equal(cells.tryTake(row, 10, size, NOW + 1_000), true)
})

test('series are summed over shards, each of which sets its own', () => {
  const cells = new TenantCells(createTenantCells(3))
  const row = cells.rowOf('acme')
  cells.setSeries(row, 0, 5)
  cells.setSeries(row, 2, 7)
  cells.setSeries(row, 0, 4)
  assert.equal(cells.series(row), 11)
  assert.equal(cells.seriesOf('acme', { from: 0, to: 2 }), 4)
  assert.equal(cells.seriesOf('other', { from: 0, to: 3 }), 0)
  assert.equal(cells.series(cells.rowOf('other')), 0)
})

test('those that were refused are tried again when room was made, and only then', () => {
  const cells = new TenantCells()
  const row = cells.rowOf('acme')
  const before = cells.retries(row)
  cells.allowRetry(row)
  assert.equal(cells.retries(row), before)
  cells.noteRefused(row)
  cells.allowRetry(row)
  const after = cells.retries(row)
  assert.notEqual(after, before)
  cells.allowRetry(row)
  assert.equal(cells.retries(row), after)
})

test('tenants beyond the rows share the last one', () => {
  const cells = new TenantCells(createTenantCells(1, 4))
  const rows = Array.from({ length: 20 }, (_, i) => cells.rowOf(`t${i}`))
  assert.deepEqual([...new Set(rows.map(({ at }) => at))].sort(), [0, 1, 2, 3])
  assert.deepEqual(cells.rowOf('t0'), rows[0])
  assert.equal(cells.holds('t0', 0), true, 'whose counts they are cannot be told any more')
})

test('rows of tenants that are gone serve others, and those who come back find theirs', () => {
  const shared = createTenantCells(1, 9)
  const [cells, other] = [new TenantCells(shared), new TenantCells(shared)]
  const names = (round: number) => Array.from({ length: 8 }, (_, i) => `t${round}-${i}`)
  const size = { rate: 1, burst: 1 }
  const held = other.rowOf('t0-0')
  for (let round = 0; round < 50; round++) {
    const rows = names(round).map((name) => cells.rowOf(name))
    for (const [i, row] of rows.entries()) cells.setSeries(row, 0, 100 + i)
    cells.noteCounted(0)
    for (const [i, name] of names(round).entries()) {
      assert.equal(cells.series(cells.rowOf(name)), 100 + i)
      assert.equal(cells.holds(name, 0), true)
    }
    assert.equal(cells.holds('nobody', 0), false, 'all found rows of their own')
    for (const row of rows) cells.setSeries(row, 0, 0)
    cells.sweep(NOW)
    cells.sweep(NOW + 60_000)
  }
  // Its row has been another tenant's many times since.
  assert.equal(other.tryTake(held, 1, size, NOW), true)
  assert.equal(other.tryTake(held, 1, size, NOW), false)
  assert.equal(other.series(held), 0)
})

test('a row is kept that says anything, or is used between two sweeps', () => {
  const cells = new TenantCells(createTenantCells(1))
  const [counted, refused, taken, used] = ['a', 'b', 'c', 'd'].map((name) => cells.rowOf(name))
  cells.setSeries(counted!, 0, 7)
  cells.noteRefused(refused!)
  assert.equal(cells.tryTake(taken!, 1, { rate: 1, burst: 1 }, NOW), true)
  const retries = [counted, refused, taken, used].map((row) => cells.retries(row!))
  for (let minute = 0; minute < 5; minute++) {
    cells.sweep(NOW + minute * 60_000)
    assert.equal(cells.retries(used!), retries[3])
  }
  const now = [counted, refused, taken, used].map((row) => cells.retries(row!))
  assert.deepEqual(now, retries, 'rows that are given anew have another number')
  assert.equal(cells.seriesOf('a', { from: 0, to: 1 }), 7)
  cells.sweep(NOW + 6 * 60_000)
  cells.sweep(NOW + 7 * 60_000)
  assert.notEqual(cells.retries(used!), retries[3], 'nobody used it between these two')
})

test('a bucket of one thread keeps to its rate', () => {
  const bucket = new TokenBucket()
  const size = { rate: 2, burst: 3 }
  const taken = [0, 0, 0, 0, 499, 500, 500].map((now) => bucket.tryTake(1, size, now))
  assert.deepEqual(taken, [true, true, true, false, false, true, false])
})
