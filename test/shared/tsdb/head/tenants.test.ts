/** Tenants that come and go: their rows, pairs and names serve others, and readers see whose they are. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  H_NAME_COUNT,
  H_PAIR_COUNT,
  H_TENANT_COUNT,
} from '../../../../src/shared/kernels/head-layout.js'
import { labelsOf } from '../../../../src/shared/model/labels.js'
import { takeLease } from '../../../../src/shared/tsdb/head/leases.js'
import {
  collectSteps,
  dropTenantSteps,
  endLeaseOf,
  type Head,
  HeadReader,
} from '../../../../src/shared/tsdb/index.js'
import { createTestHead, headModule } from '../../../support/head-source.js'

const TENANTS = 100_000
/** Tenants that are there at once. */
const ALIVE = 500

/** All steps; false when one is to wait. */
function isDone(steps: Generator<boolean, unknown>): boolean {
  for (let step = steps.next(); step.done !== true; step = steps.next())
    if (!step.value) return false
  return true
}

function add(head: Head, name: string): number {
  const ref = head.getOrCreate(name, labelsOf({ __name__: 'm', of: name }))
  assert.equal(head.appendSample(ref, 1_000, 1), 'appended')
  return ref
}

function drop(head: Head, name: string, ref: number): void {
  const tenant = head.findTenant(name)!
  assert.equal(head.kernel.truncateSeries(ref, 2_000), 1)
  assert.ok(isDone(collectSteps(head, tenant, [ref], () => false)))
  assert.ok(isDone(dropTenantSteps(head, tenant)))
  assert.equal(head.findTenant(name), undefined)
}

test('100,000 short-lived tenants take the memory of those that are there at once', () => {
  const head = createTestHead()
  head.serve()
  const reader = new HeadReader(head.view.memory, headModule(), 0)
  const matchers = [{ name: '__name__', op: '=', value: 'm' } as const]
  const range = { mint: 0, maxt: 2_000 }
  const alive: [name: string, ref: number][] = []
  let used = 0
  for (let n = 0; n < TENANTS; n++) {
    if (alive.length === ALIVE) drop(head, ...alive.shift()!)
    const name = `tenant-${n}`
    alive.push([name, add(head, name)])
    if (n === 5 * ALIVE) used = head.memoryUse().used
    if (n % 997 !== 0) continue
    for (const [other, ref] of [alive[0]!, alive.at(-1)!]) {
      assert.deepEqual([...reader.index.select(other, matchers, range)!], [ref])
    }
    const gone = reader.index.select(`tenant-${n - ALIVE}`, matchers, range)
    assert.equal(gone, undefined, 'its owner knows best')
  }
  assert.ok(head.view.word(H_TENANT_COUNT) <= ALIVE + 1)
  assert.ok(head.view.word(H_PAIR_COUNT) <= 3 * ALIVE + 8)
  assert.ok(head.view.word(H_NAME_COUNT) <= 2 * ALIVE + 8)
  // Names of tenants grow by a digit or two.
  assert.ok(head.memoryUse().used <= used + 65_536, `${head.memoryUse().used} after ${used}`)
})

test('a tenant with series stays, and one that readers may follow keeps its row', () => {
  const head = createTestHead()
  const ref = add(head, 'a')
  const tenant = head.findTenant('a')!
  assert.ok(isDone(dropTenantSteps(head, tenant)))
  assert.equal(head.findTenant('a'), tenant)
  assert.equal(head.kernel.truncateSeries(ref, 2_000), 1)
  assert.ok(isDone(collectSteps(head, tenant, [ref], () => false)))
  takeLease(head.view.u32, 3)
  const steps = dropTenantSteps(head, tenant)
  assert.equal(steps.next().value, false)
  // It comes back before its row is free.
  add(head, 'a')
  assert.notEqual(head.findTenant('a'), tenant)
  assert.deepEqual(head.tenantNames(), ['', 'a'])
  endLeaseOf(head.view.memory, 3)
  assert.deepEqual(steps.next(), { done: true, value: true })
  add(head, 'b')
  assert.equal(head.findTenant('b'), tenant)
  assert.deepEqual(head.tenantNames(), ['b', 'a'])
})
