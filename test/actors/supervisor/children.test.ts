/** What the table of actors does with memory that outlives its thread. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IngesterBoot } from '../../../src/actors/ingester/contract.js'
import { actorCounts, actorTable } from '../../../src/actors/supervisor/children.js'
import { createIntakeCell } from '../../../src/shared/base/intake.js'
import { defaultConfig, EMPTY_RUNTIME } from '../../../src/shared/config/index.js'
import { H_SERVING } from '../../../src/shared/kernels/head-layout.js'
import {
  createHaCells,
  createTenantCells,
  Limits,
  limitsDataOf,
} from '../../../src/shared/limits/index.js'
import { createBudget } from '../../../src/shared/slab/index.js'

test('the memory of a life that ended is not read any more', () => {
  const config = defaultConfig()
  const cells = {
    budget: createBudget(1),
    blockList: new SharedArrayBuffer(8),
    tenantCells: createTenantCells(1),
    intake: createIntakeCell(),
    haCells: createHaCells(),
  }
  const limits = new Limits(limitsDataOf(config, EMPTY_RUNTIME))
  const { children } = actorTable(config, actorCounts(config, 2), cells, limits)
  const row = children.find(({ kind }) => kind === 'ingester')!
  const serving = (boot: unknown): Int32Array =>
    new Int32Array((boot as IngesterBoot).memory.buffer, H_SERVING, 1)

  const first = serving(row.boot(0))
  first[0] = 1
  row.onGone?.(0)
  assert.notEqual(first[0], 1)
  const second = serving(row.boot(0))
  second[0] = 1
  assert.notEqual(first[0], 1)
  assert.equal(second[0], 1)
})
