/** What a query claims: columns and pages together, no more than there is, nothing when it is over. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { QueryClaims } from '../../../src/actors/querier/query-claims.js'
import { AppError } from '../../../src/shared/errors/index.js'
import { createBudget, MemoryBudget } from '../../../src/shared/slab/index.js'

const MIB = 1 << 20

test('columns and pages share a claim, and are refused together', () => {
  const budget = new MemoryBudget(createBudget(100 * MIB))
  const claims = new QueryClaims(budget, 3)
  assert.ok(claims.setColumns(40 * MIB))
  claims.addPages(30 * MIB)
  claims.addPages(20 * MIB)
  assert.equal(budget.claimed('queries'), 90 * MIB)
  assert.equal(claims.setColumns(60 * MIB), false)
  assert.throws(
    () => claims.addPages(20 * MIB),
    (error) => error instanceof AppError && error.id === 'overloaded',
  )
  assert.equal(budget.claimed('queries'), 90 * MIB)
  // Columns that were given back make room for pages.
  assert.ok(claims.setColumns(10 * MIB))
  claims.addPages(20 * MIB)
  assert.equal(budget.claimed('queries'), 80 * MIB)
  claims.end()
  assert.equal(budget.claimed('queries'), 0)
  assert.ok(claims.setColumns(100 * MIB))
})

test('a query holds no more pages than it may, whatever there is', () => {
  const claims = new QueryClaims(undefined, 0)
  for (let i = 0; i < 512; i++) claims.addPages(MIB)
  assert.throws(
    () => claims.addPages(1),
    (error) => error instanceof AppError && error.id === 'query-memory',
  )
  claims.end()
  claims.addPages(512 * MIB)
})
