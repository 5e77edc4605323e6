/** What threads share about tenants. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTenantCells, TenantCells, TokenBucket } from '../../../src/shared/limits/index.js'

const NOW = 1_700_000_000_000

test('a bucket gives its burst at once, then its rate, whoever takes', () => {
  const cells = createTenantCells(2)
  const [one, other] = [new TenantCells(cells), new TenantCells(cells)]
  const row = one.rowOf('acme')
  assert.equal(other.rowOf('acme'), row)
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
  assert.equal(cells.findRow('acme'), row)
  assert.equal(cells.findRow('other'), undefined, 'looking claims nothing')
  assert.equal(cells.series(cells.rowOf('other')), 0)
})

test('those that were refused are tried again when room was made, and only then', () => {
  const cells = new TenantCells()
  const row = cells.rowOf('acme')
  cells.allowRetry(row)
  assert.equal(cells.retries(row), 0)
  cells.noteRefused(row)
  cells.allowRetry(row)
  cells.allowRetry(row)
  assert.equal(cells.retries(row), 1)
})

test('tenants beyond the rows share the last one', () => {
  const cells = new TenantCells(createTenantCells(1, 4))
  const rows = Array.from({ length: 20 }, (_, i) => cells.rowOf(`t${i}`))
  assert.deepEqual([...new Set(rows)].sort(), [0, 1, 2, 3])
  assert.equal(cells.rowOf('t0'), rows[0])
})

test('a bucket of one thread keeps to its rate', () => {
  const bucket = new TokenBucket()
  const size = { rate: 2, burst: 3 }
  const taken = [0, 0, 0, 0, 499, 500, 500].map((now) => bucket.tryTake(1, size, now))
  assert.deepEqual(taken, [true, true, true, false, false, true, false])
})
