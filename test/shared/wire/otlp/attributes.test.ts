/** Attributes of OTLP: texts of any length, and what is not put as usual, read alike. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeAttributes } from '../../../../src/shared/wire/otlp/index.js'
import { encode } from '../../../support/otlp.js'

/** Fields of a point that hold its attributes alone. */
function fieldsOf(...attributes: object[]): Uint8Array {
  return encode('Resource', { attributes })
}

const text = (key: string, value: string) => ({ key, value: { stringValue: value } })

test('reads texts whose lengths take one byte or two', () => {
  for (let length = 0; length < 300; length++) {
    const value = 'v'.repeat(length)
    const long = fieldsOf(text('a', 'b'), text('key', value), text('c', ''))
    assert.deepEqual(decodeAttributes(long), [
      { key: 'a', value: 'b' },
      { key: 'key', value },
      { key: 'c', value: '' },
    ])
    const key = 'k'.repeat(length)
    assert.deepEqual(decodeAttributes(fieldsOf(text(key, 'é'))), [{ key, value: 'Ã©' }])
  }
})

test('reads other values, and fields in another order, among texts', () => {
  const mixed = fieldsOf(text('a', 'b'), { key: 'n', value: { intValue: 7 } }, { key: 'none' })
  assert.deepEqual(decodeAttributes(mixed), [
    { key: 'a', value: 'b' },
    { key: 'n', value: '7' },
    { key: 'none', value: '' },
  ])
  // Value before key; a key twice, of which the last one counts.
  const odd = Buffer.from([10, 8, 18, 3, 10, 1, 0x78, 10, 1, 0x79, 10, 9, 10, 1, 0x61, 10, 1, 0x62])
  const whole = Buffer.concat([odd, Buffer.from([18, 1, 24])])
  assert.throws(() => decodeAttributes(whole), { id: 'bad-data' })
  assert.deepEqual(decodeAttributes(odd.subarray(0, 10)), [{ key: 'y', value: 'x' }])
})

test('refuses what ends early, wherever it ends', () => {
  const whole = fieldsOf(text('key', 'value'), text('other', 'text'))
  const first = fieldsOf(text('key', 'value')).length
  for (let end = 1; end < whole.length; end++) {
    if (end === first) continue
    assert.throws(() => decodeAttributes(whole.subarray(0, end)), { id: 'bad-data' }, `${end}`)
  }
})
