/** Which part of a ring a tenant is given. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createHashring,
  hasMember,
  memberOf,
  shuffleMembers,
} from '../../../src/shared/hashring/index.js'

const TENANTS = Array.from({ length: 300 }, (_, i) => `team-${i}`)

function membersOf(memberCount: number, tenant: string, size: number, zones = 1): number[] {
  const members = shuffleMembers(createHashring(memberCount), tenant, { size, zones })
  return Array.from({ length: memberCount }, (_, member) => member).filter(
    (member) => members === undefined || hasMember(members, member),
  )
}

test('gives as many members as wanted, of each zone alike, and all when there are no more', () => {
  for (const tenant of TENANTS.slice(0, 20)) {
    for (const size of [1, 3, 7]) assert.equal(membersOf(8, tenant, size).length, size)
    assert.equal(membersOf(8, tenant, 0).length, 8)
    assert.equal(membersOf(8, tenant, 100).length, 8)
    assert.equal(membersOf(8, tenant, 7, 3).length, 3, 'seven shards over three zones')
  }
})

test('spreads tenants over all members, and few have the same ones', () => {
  const uses = new Array<number>(8).fill(0)
  const sets = new Map<string, number>()
  for (const tenant of TENANTS) {
    const members = membersOf(8, tenant, 3)
    for (const member of members) uses[member]!++
    const key = members.join()
    sets.set(key, (sets.get(key) ?? 0) + 1)
  }
  // 900 places on 8 members; 56 sets of three.
  for (const count of uses) assert.ok(count > 75 && count < 155, `${uses}`)
  assert.ok(sets.size > 45 && Math.max(...sets.values()) < 20, `${sets.size} sets`)
})

test('a larger size adds members, a further member takes the place of one at most', () => {
  for (const tenant of TENANTS) {
    const small = membersOf(8, tenant, 3)
    const large = new Set(membersOf(8, tenant, 5))
    assert.ok(small.every((member) => large.has(member)))
    const grown = new Set(membersOf(9, tenant, 3))
    assert.ok(small.filter((member) => !grown.has(member)).length <= 1, tenant)
  }
})

test('a hash falls to the first of the members from its token on', () => {
  const ring = createHashring(8)
  for (const tenant of TENANTS.slice(0, 10)) {
    const members = shuffleMembers(ring, tenant, { size: 3, zones: 1 })!
    const met = new Set<number>()
    for (let i = 0; i < 500; i++) {
      const hash = Math.imul(i, 0x9e3779b1) >>> 0
      const owner = memberOf(ring, hash)
      const chosen = memberOf(ring, hash, members)
      if (hasMember(members, owner)) assert.equal(chosen, owner)
      met.add(chosen)
    }
    assert.deepEqual([...met].sort(), membersOf(8, tenant, 3))
  }
})

test('gives a tenant what it gave it in every earlier version', () => {
  const places = TENANTS.slice(0, 4).map((tenant) => membersOf(8, tenant, 3).join(''))
  assert.equal(places.join(' '), '456 024 267 016')
})
