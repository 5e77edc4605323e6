/** Durations, numbers and strings in the notation of Prometheus and Go. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DURATION_MS_MAX, parseDuration, printDuration } from '../../../src/shared/base/duration.js'
import {
  parseGoNumber,
  printFloatFixed,
  printFloatPlain,
  printFloatShort,
} from '../../../src/shared/base/go-number.js'
import {
  describeRune,
  quoteGo,
  quoteGoRune,
  unquoteGo,
} from '../../../src/shared/base/go-string.js'

test('reads and prints durations', () => {
  const cases: [string, number, string?][] = [
    ['0', 0, '0s'],
    ['0s', 0],
    ['1ms', 1],
    ['1500ms', 1500, '1s500ms'],
    ['1h30m', 5_400_000],
    ['90m', 5_400_000, '1h30m'],
    ['1y2w3d4h5m6s7ms', 33_019_506_007, '382d4h5m6s7ms'],
    ['365d', 31_536_000_000, '1y'],
    ['7d', 604_800_000, '1w'],
    ['8d', 691_200_000],
    ['292y', 292 * 31_536_000_000],
  ]
  for (const [text, ms, printed] of cases) {
    assert.equal(parseDuration(text), ms, text)
    assert.equal(printDuration(ms), printed ?? text, text)
  }
  assert.equal(printDuration(-90_000), '-1m30s')
  assert.equal(printDuration(0.5), '0s')
  assert.equal(parseDuration('9223372036854ms'), DURATION_MS_MAX)
})

test('refuses what is no duration with the texts of Prometheus', () => {
  const cases: [string, string][] = [
    ['', 'empty duration string'],
    ['1', 'not a valid duration string: "1"'],
    ['-1m', 'not a valid duration string: "-1m"'],
    ['1.5h', 'unknown unit "." in duration "1.5h"'],
    ['1m1h', 'not a valid duration string: "1m1h"'],
    ['1h1h', 'not a valid duration string: "1h1h"'],
    ['1x', 'unknown unit "x" in duration "1x"'],
    ['1h 5m', 'unknown unit "h " in duration "1h 5m"'],
    ['293y', 'duration out of range'],
    ['9223372036855ms', 'duration out of range'],
    ['99999999999999999999s', 'not a valid duration string: "99999999999999999999s"'],
  ]
  for (const [text, error] of cases) {
    assert.throws(() => parseDuration(text), { message: error, id: 'bad-data' }, text)
  }
})

test('reads numbers as Go does', () => {
  const cases: [string, number][] = [
    ['0', 0],
    ['010', 8],
    ['08', 8],
    ['0x1F', 31],
    ['0X_1f', 31],
    ['0x7fffffffffffffff', 2 ** 63],
    ['1_000', 1000],
    ['1_000.5', 1000.5],
    ['.5', 0.5],
    ['5.', 5],
    ['1e3', 1000],
    ['9223372036854775808', 2 ** 63],
    ['123456789012345678901234567890', 1.2345678901234568e29],
    ['inf', Infinity],
    ['Infinity', Infinity],
    ['nan', Number.NaN],
    ['5e-324', 5e-324],
    ['1e-400', 0],
  ]
  for (const [text, value] of cases) assert.deepEqual(parseGoNumber(text), { value }, text)
  for (const text of ['', '_1', '1_', '1__0', '0x', '0x1p', '1e', '1.2.3', '0xffffffffffffffff']) {
    const error = `strconv.ParseFloat: parsing "${text}": invalid syntax`
    assert.deepEqual(parseGoNumber(text), { error }, text)
  }
  const error = 'strconv.ParseFloat: parsing "1e999": value out of range'
  assert.deepEqual(parseGoNumber('1e999'), { error })
})

test('prints floats as Go does', () => {
  const cases: [number, string, string][] = [
    [0, '0', '0'],
    [-0, '-0', '-0'],
    [1.5, '1.5', '1.5'],
    [100000, '100000', '100000'],
    [1e6, '1000000', '1e+06'],
    [123456789, '123456789', '1.23456789e+08'],
    [1e21, '1000000000000000000000', '1e+21'],
    [-1.5e-7, '-0.00000015', '-1.5e-07'],
    [0.0001, '0.0001', '0.0001'],
    [5e-324, `0.${'0'.repeat(323)}5`, '5e-324'],
    [1.7976931348623157e308, `17976931348623157${'0'.repeat(292)}`, '1.7976931348623157e+308'],
    [Infinity, '+Inf', '+Inf'],
    [-Infinity, '-Inf', '-Inf'],
    [Number.NaN, 'NaN', 'NaN'],
  ]
  for (const [value, plain, short] of cases) {
    assert.equal(printFloatPlain(value), plain)
    assert.equal(printFloatShort(value), short)
  }
  assert.equal(printFloatFixed(-0, 3), '-0.000')
  assert.equal(printFloatFixed(1.0005, 3), '1.000')
  assert.equal(printFloatFixed(1e22, 1), '10000000000000000000000.0')
})

test('quotes as Go does', () => {
  assert.equal(quoteGo('a "b" \\ \n\t\x07\x01\x7f'), '"a \\"b\\" \\\\ \\n\\t\\a\\x01\\x7f"')
  assert.equal(quoteGo("it's é 日本 😀"), '"it\'s é 日本 😀"')
  assert.equal(quoteGo('\u200b\u00a0\u{e0001}'), '"\\u200b\\u00a0\\U000e0001"')
  assert.equal(quoteGoRune("'"), "'\\''")
  assert.equal(quoteGoRune('"'), "'\"'")
  assert.equal(describeRune('z'), "U+007A 'z'")
  assert.equal(describeRune('\n'), 'U+000A')
})

test('unquotes string literals, bytes that are no UTF-8 included', () => {
  const cases: [string, string | undefined][] = [
    ['"a"', 'a'],
    ["'a\"'", 'a"'],
    ['`a\\n"`', 'a\\n"'],
    ['"\\a\\b\\f\\n\\r\\t\\v\\\\\\""', '\x07\b\f\n\r\t\v\\"'],
    ['"\\x41\\101\\u00e9\\U0001F600"', 'AAé😀'],
    ['"\\xc3\\xa9\\xf0\\x9f\\x98\\x80"', 'é😀'],
    ['"\\xff\\xc3(\\xed\\xa0\\x80"', '\udcff\udcc3(\udced\udca0\udc80'],
    ['"\\\'"', undefined],
    ['"\\q"', undefined],
    ['"\\x4"', undefined],
    ['"\\400"', undefined],
    ['"\\ud800"', undefined],
    ['"\\U00110000"', undefined],
    ['"a\nb"', undefined],
    ['"a"b"', undefined],
    ['"a', undefined],
    ['a', undefined],
    ['"', undefined],
  ]
  for (const [literal, value] of cases) assert.equal(unquoteGo(literal), value, literal)
  assert.equal(quoteGo('\udcff\udcc3('), '"\\xff\\xc3("')
})

test('reads literals of any length', () => {
  const unquoted = (body: string): string | undefined => unquoteGo(`"${body}"`)
  assert.equal(unquoted('\\n'.repeat(10_000)), '\n'.repeat(10_000))
  // Escaped bytes of characters, of which some begin in any place.
  for (const before of ['', 'a', '\\xff', '\\xff\\xff', '\\xe2\\x82']) {
    const euros = unquoted(`${before}${'\\xe2\\x82\\xac'.repeat(5_000)}`)
    assert.equal(euros, `${unquoted(before)}${'€'.repeat(5_000)}`, before)
  }
  assert.equal(unquoted('\\xff'.repeat(10_000)), '\udcff'.repeat(10_000))
  // In time proportional to the length, valid or not.
  const digits = '1'.repeat(500_000)
  assert.deepEqual(parseGoNumber(`0.${digits}`), { value: Number(`0.${digits}`) })
  for (const text of [`${digits}e5.5`, `${digits}.${digits}e`, `.${digits}.`]) {
    assert.ok('error' in parseGoNumber(text))
  }
})
