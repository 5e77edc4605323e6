/** Influx line protocol: what lines become, and how bad ones are told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseInflux, precisionOf } from '../../../../src/shared/wire/influx/index.js'
import { decodeWriteRequest } from '../../../../src/shared/wire/remote-write/index.js'

const NOW = 1_700_000_000_000
const MAX = 1 << 24

function parse(text: string, precision = ''): string[] {
  const bytes = Buffer.from(text).toString('latin1')
  const options = { precision: precisionOf(precision)!, now: NOW, bytesMax: MAX }
  return parseInflux(bytes, options).pieces.flatMap((piece) =>
    decodeWriteRequest(piece).series.map(({ labels, times, values }) => {
      const named = labels.map(({ name, value }) => `${name}=${value}`).join(',')
      const value = new Float64Array(new BigUint64Array([values[0]!]).buffer)[0]!
      return `${named} ${value} ${times[0]}`
    }),
  )
}

const SOURCE = '__mimir_source__=influx'

const cases: [string, string, string[]][] = [
  ['m,host=a value=1 1700000000000000000', '', [`__name__=m,${SOURCE},host=a 1 ${NOW}`]],
  ['m value=1', '', [`__name__=m,${SOURCE} 1 ${NOW}`]],
  [
    'cpu,host=a usage=1.5,free=2i,on=t,off=FALSE,note="x, y=z" 5',
    's',
    [
      `__name__=cpu_usage,${SOURCE},host=a 1.5 5000`,
      `__name__=cpu_free,${SOURCE},host=a 2 5000`,
      `__name__=cpu_on,${SOURCE},host=a 1 5000`,
      `__name__=cpu_off,${SOURCE},host=a 0 5000`,
    ],
  ],
  [
    '# a comment\n\nm\\ x\\,y,a\\=b=c\\ d\\,e v=-1e3 7\r\n2nd value=3u 8\n',
    'ms',
    [`__name__=m_x_y_v,${SOURCE},a_b=c d,e -1000 7`, `__name__=_2nd,${SOURCE} 3 8`],
  ],
  ['m,t=grün value=1 -1', 'ms', [`__name__=m,${SOURCE},t=grün 1 -1`]],
  ['m value=1 1500', 'us', [`__name__=m,${SOURCE} 1 1`]],
  ['m s="a\\"b\nc"\nm value=2 1', 'm', [`__name__=m,${SOURCE} 2 60000`]],
]

for (const [text, precision, wanted] of cases) {
  test(`reads ${JSON.stringify(text)}`, () => assert.deepEqual(parse(text, precision), wanted))
}

const bad: [string, RegExp][] = [
  ['m value=1\nm,host value=1', /^line 2: a tag without key or value/],
  ['m', /^line 1: no fields/],
  ['m a=', /^line 1: field a is neither number, boolean nor text/],
  ['m a=1x', /^line 1: field a is neither/],
  ['m a="x', /^line 1: the text of field a does not end/],
  ['m a=1 12x', /^line 1: not a time: 12x/],
  ['m a=1 1 2', /^line 1: more behind the time: 2/],
  [',a=b c=1', /^line 1: no measurement/],
  ['m,a= c=1', /^line 1: tag a without value/],
]

for (const [text, wanted] of bad) {
  test(`refuses ${JSON.stringify(text)}`, () => {
    assert.throws(
      () => parse(text),
      (error: Error) => wanted.test(error.message),
    )
  })
}

test('a line of many fields does not grow without bound', () => {
  const fields = Array.from({ length: 1000 }, (_, i) => `f${i}=1`).join(',')
  const line = `m,t=${'x'.repeat(100_000)} ${fields}`
  assert.throws(() => parse(line), /over 16777216 bytes once written out/)
})
