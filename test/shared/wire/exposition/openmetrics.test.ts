/** OpenMetrics text with timestamps: samples by their bits, errors by their lines. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededPrng } from '../../../../src/shared/base/prng.js'
import { AppError } from '../../../../src/shared/errors/index.js'
import { OpenMetricsDecoder, parseSeries } from '../../../../src/shared/wire/exposition/index.js'

interface Found {
  readonly series: string
  readonly t: number
  readonly value: number
}

function decode(text: string, cut: (size: number) => number = (size) => size): Found[] {
  const found: Found[] = []
  const words = new Uint32Array(2)
  const decoder = new OpenMetricsDecoder({
    sample(bytes, from, to, t, high, low) {
      words[0] = low
      words[1] = high
      const value = new Float64Array(words.buffer)[0]!
      found.push({ series: Buffer.from(bytes.subarray(from, to)).toString(), t, value })
    },
  })
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; ) {
    const size = Math.max(1, cut(bytes.length - at))
    decoder.push(Uint8Array.from(bytes.subarray(at, at + size)))
    at += size
  }
  decoder.end()
  return found
}

const TEXT = `# TYPE a counter
# HELP a It counts. {not labels} 1 2
a_total{x="1",y="br{ace} \\"quote\\" \\\\ \\n é"} 17 1760004000
a_total 1.5e3 1760004000.123 # {trace_id="x"} 0.5
b{} -0 -1.5
{"utf-8 näme",le="+Inf"} +Inf 1760004000.9999
c NaN 0
c -Inf 1
c 0.1 2.0004
c 123456789012345678 3
c 0x1p4 4
# EOF
`

test('finds series, times and values however the text is cut', () => {
  const expected: [string, number, number][] = [
    ['a_total{x="1",y="br{ace} \\"quote\\" \\\\ \\n é"}', 1760004000000, 17],
    ['a_total', 1760004000123, 1500],
    ['b{}', -1500, -0],
    ['{"utf-8 näme",le="+Inf"}', 1760004001000, Number.POSITIVE_INFINITY],
    ['c', 0, Number.NaN],
    ['c', 1000, Number.NEGATIVE_INFINITY],
    ['c', 2000, 0.1],
    ['c', 3000, 123456789012345680],
    ['c', 4000, 16],
  ]
  const prng = new SeededPrng(5)
  const whole = decode(TEXT)
  assert.deepEqual(
    whole.map(({ series, t, value }) => [series, t, value]),
    expected,
  )
  for (let round = 0; round < 50; round++) {
    assert.deepEqual(
      decode(TEXT, () => prng.nextU32() % 40),
      whole,
    )
  }
  assert.deepEqual(decode(TEXT.replaceAll('\n', '\r\n')), whole)
})

test('reads numbers as Number does', () => {
  const prng = new SeededPrng(6)
  for (let round = 0; round < 3000; round++) {
    const digits = String(prng.nextU32()) + String(prng.nextU32())
    const size = 1 + (prng.nextU32() % digits.length)
    const point = prng.nextU32() % (size + 1)
    const sign = prng.nextU32() % 2 === 0 ? '-' : ''
    const text = `${sign}${digits.slice(0, point)}${round % 3 === 0 ? '' : '.'}${digits.slice(point, size)}`
    if (/^-?\.?$/.test(text)) continue
    const [found] = decode(`m ${text} 1\n# EOF`)
    assert.ok(Object.is(found!.value, Number(text)), text)
  }
})

test('names the line that is wrong', () => {
  const cases: [string, RegExp][] = [
    ['a 1\n', /line 1: there is no timestamp/],
    ['a 1 1\nb 1 # {} 1 1\n', /line 2: there is no timestamp/],
    ['a\n', /line 1: there is no value/],
    ['a{x="1" 1 1\n', /line 1: the labels have no end/],
    ['a one 1\n', /line 1: the value is no number/],
    ['a . 1\n', /line 1: the value is no number/],
    ['a 1 soon\n', /line 1: the timestamp is no number/],
    ['a 1 NaN\n', /line 1: the timestamp is no number/],
    ['a 1 1 1\n', /line 1: there is more after the timestamp/],
    ['a 1 1\n', /line 1: the text does not end with # EOF/],
    ['# EOF\na 1 1\n', /line 2: there is more after # EOF/],
    ['', /does not end with # EOF/],
  ]
  for (const [text, expected] of cases) {
    assert.throws(
      () => decode(text),
      (error) =>
        error instanceof AppError && error.id === 'bad-data' && expected.test(error.message),
      text,
    )
  }
})

test('parses labels, quoted names, escapes; drops empty values; sorts', () => {
  const parse = (text: string) =>
    parseSeries(Buffer.from(text)).map(({ name, value }) => [name, value])
  assert.deepEqual(parse('a'), [['__name__', 'a']])
  assert.deepEqual(parse('a{}'), [['__name__', 'a']])
  assert.deepEqual(parse('a{z="1",b="",c="x\\ny\\\\\\"",}'), [
    ['__name__', 'a'],
    ['c', 'x\ny\\"'],
    ['z', '1'],
  ])
  assert.deepEqual(parse('{"na me" , "l.b" = "v" }'), [
    ['__name__', 'na me'],
    ['l.b', 'v'],
  ])
  for (const wrong of ['{a="1"}', 'a{b="1" c="2"}', 'a{b}', 'a{b="1",b="2"}', '1a{}', 'a{b=1}']) {
    assert.throws(() => parse(wrong), AppError, wrong)
  }
})
