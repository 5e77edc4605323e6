/** Powers and arctangents against Go's values and against JavaScript's, which are close. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { goAtan2, goPow } from '../../../src/shared/base/go-math.js'
import { SeededPrng } from '../../../src/shared/base/prng.js'

test('powers of special values are those of Go', () => {
  const cases: [number, number, number][] = [
    [1, Number.NaN, 1],
    [Number.NaN, 0, 1],
    [-1, Infinity, 1],
    [-1, -Infinity, 1],
    [0.5, Infinity, 0],
    [-0, -3, -Infinity],
    [-0, 3, -0],
    [-Infinity, 3, -Infinity],
    [-8, 1 / 3, Number.NaN],
    [4, 0.5, 2],
    [-Infinity, 0.5, Infinity],
    [10, 400, Infinity],
    [0.1, 400, 0],
    [2, -1074, 5e-324],
    [5e-324, 1, 5e-324],
  ]
  for (const [base, exponent, expected] of cases) {
    assert.ok(
      Object.is(goPow(base, exponent), expected),
      `${base} ^ ${exponent} = ${goPow(base, exponent)}, not ${expected}`,
    )
  }
})

test('whole powers are computed as Go does, within a few last bits of JavaScript', () => {
  assert.equal(goPow(10, 308), 1.0000000000000006e308)
  const random = new SeededPrng(1)
  for (let i = 0; i < 20_000; i++) {
    const base = (random.fraction() - 0.5) * 10 ** (random.fraction() * 20 - 10)
    const exponent = random.below(40) - 20
    const [ours, theirs] = [goPow(base, exponent), base ** exponent]
    assert.ok(Math.abs(ours - theirs) <= 1e-13 * Math.abs(theirs), `${base} ^ ${exponent}`)
  }
})

test('arctangents are within the last bit of JavaScript, in every quadrant', () => {
  const random = new SeededPrng(2)
  for (let i = 0; i < 20_000; i++) {
    const y = (random.fraction() - 0.5) * 10 ** (random.fraction() * 10 - 5)
    const x = (random.fraction() - 0.5) * 10 ** (random.fraction() * 10 - 5)
    assert.ok(Math.abs(goAtan2(y, x) - Math.atan2(y, x)) < 1e-15, `${y} / ${x}`)
  }
  assert.ok(Object.is(goAtan2(-0, 1), -0))
  assert.equal(goAtan2(0, -1), Math.PI)
  assert.equal(goAtan2(Infinity, -Infinity), (3 * Math.PI) / 4)
  assert.ok(Number.isNaN(goAtan2(Number.NaN, 1)))
})
