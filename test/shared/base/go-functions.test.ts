/** Values that Prometheus 3.5 (amd64) answered, bit for bit. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  goAcosh,
  goAsinh,
  goAtanh,
  goCosh,
  goSinh,
  goTanh,
} from '../../../src/shared/base/go-hyperbolic.js'
import { goLog, goLog2, goLog10 } from '../../../src/shared/base/go-log.js'
import { goAcos, goAsin, goCos, goSin, goTan } from '../../../src/shared/base/go-trig.js'

const CASES: readonly [(x: number) => number, readonly [number, number][]][] = [
  [
    goSin,
    [
      [0.5, 0.479425538604203],
      [-2, -0.9092974268256816],
      [4, -0.7568024953079282],
      [1000.25, 0.9403086681560692],
      [3559000000000000, -0.000009156572924768054],
      [1e300, -0.8178819121159087],
      [-0, -0],
      [Infinity, Number.NaN],
    ],
  ],
  [
    goCos,
    [
      [0.5, 0.8775825618903728],
      [-2, -0.4161468365471424],
      [4, -0.6536436208636119],
      [1000.25, 0.3403228005740423],
      [8589934592, 0.5731368006982142],
      [1e300, -0.5753861119575491],
      [Number.NaN, Number.NaN],
    ],
  ],
  [
    goTan,
    [
      [0.5, 0.5463024898437905],
      [-2, 2.185039863261519],
      [4, 1.1578212823495775],
      [1000.25, 2.7629905095103697],
      [3559000000000000, 0.00000915657292515191],
      [1e-9, 1e-9],
      [-Infinity, Number.NaN],
    ],
  ],
  [
    goAsin,
    [
      [0.5, 0.5235987755982989],
      [-0.75, -0.848062078981481],
      [1, 1.5707963267948966],
      [1.5, Number.NaN],
      [-0, -0],
    ],
  ],
  [
    goAcos,
    [
      [0.5, 1.0471975511965976],
      [-0.75, 2.4188584057763776],
      [1, 0],
      [-1.5, Number.NaN],
    ],
  ],
  [
    goAsinh,
    [
      [0.5, 0.48121182505960347],
      [-3, -1.8184464592320668],
      [1e10, 23.7189981105004],
      [1e-10, 1e-10],
      [-0, -0],
      [Infinity, Infinity],
    ],
  ],
  [
    goAcosh,
    [
      [1, 0],
      [1.5, 0.9624236501192069],
      [3, 1.7627471740390859],
      [1e10, 23.7189981105004],
      [0.5, Number.NaN],
    ],
  ],
  [
    goAtanh,
    [
      [0.25, 0.25541281188299536],
      [-0.75, -0.9729550745276566],
      [1, Infinity],
      [1e-10, 1e-10],
      [2, Number.NaN],
    ],
  ],
  [
    goLog,
    [
      [0.3, -1.2039728043259361],
      [2, 0.6931471805599453],
      [1000, 6.907755278982137],
      [1e300, 690.7755278982137],
      [0, -Infinity],
      [-1, Number.NaN],
      [Infinity, Infinity],
    ],
  ],
  [
    goLog2,
    [
      [8, 3],
      [0.3, -1.736965594166206],
      [1000, 9.965784284662087],
      [5e-324, -1074],
      [-1, Number.NaN],
    ],
  ],
  [
    goLog10,
    [
      [1000, 3],
      [1.00001, 0.000004342923104481638],
      [0.3, -0.5228787452803376],
      [5e300, 300.69897000433605],
      [0, -Infinity],
    ],
  ],
]

for (const [apply, values] of CASES) {
  test(`${apply.name} has Go's bits`, () => {
    for (const [x, y] of values) assert.ok(Object.is(apply(x), y), `${x}: ${apply(x)}, not ${y}`)
  })
}

test('exponentials are within a unit in the last place', () => {
  assert.ok(Math.abs(goSinh(-0.88228) / -1.0012822724978734 - 1) < 1e-15)
  assert.ok(Math.abs(goCosh(-0.01) / 1.0000500004166681 - 1) < 1e-15)
  assert.ok(Math.abs(goTanh(-0.675) / -0.5882592563981055 - 1) < 1e-15)
  assert.equal(goSinh(0.25), 0.2526123168081683)
  assert.equal(goTanh(0.25), 0.24491866240370913)
  assert.equal(goCosh(Infinity), Infinity)
  assert.ok(Object.is(goSinh(-0), -0))
  assert.ok(Object.is(goTanh(-0), -0))
  assert.equal(goTanh(50), 1)
})
