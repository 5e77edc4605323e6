/** Where series fall: evenly, the same every time, and mostly the same with one member more. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fnv1 } from '../../../src/shared/base/fnv.js'
import { createHashring, memberOf } from '../../../src/shared/hashring/index.js'

const HASHES = Array.from({ length: 20_000 }, (_, i) => fnv1(Buffer.from(`acme__name__up${i}`)))

test('shares series evenly, also those that differ in the last character only', () => {
  for (const members of [2, 3, 4, 8]) {
    const ring = createHashring(members)
    const counts = new Array<number>(members).fill(0)
    for (const hash of HASHES) counts[memberOf(ring, hash)]!++
    const share = HASHES.length / members
    for (const count of counts) assert.ok(Math.abs(count - share) < share * 0.15, `${counts}`)
  }
  const ring = createHashring(4)
  const near = new Set(
    Array.from({ length: 64 }, (_, i) => memberOf(ring, fnv1(Buffer.from([0x61, i])))),
  )
  assert.equal(near.size, 4)
})

test('moves only what a further member takes over', () => {
  const small = createHashring(4)
  const large = createHashring(5)
  let moved = 0
  for (const hash of HASHES) {
    const to = memberOf(large, hash)
    if (to === memberOf(small, hash)) continue
    assert.equal(to, 4)
    moved++
  }
  assert.ok(moved > HASHES.length * 0.1 && moved < HASHES.length * 0.3, `${moved} moved`)
})

test('places series where it placed them in every earlier version', () => {
  const ring = createHashring(4)
  const places = HASHES.slice(0, 24)
    .map((hash) => memberOf(ring, hash))
    .join('')
  assert.equal(places, '211031321302332330033003')
})
