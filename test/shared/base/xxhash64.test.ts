import assert from 'node:assert/strict'
import { test } from 'node:test'
import { xxhash64 } from '../../../src/shared/base/xxhash64.js'

function hashOf(text: string): string {
  return xxhash64(new TextEncoder().encode(text)).toString(16).padStart(16, '0')
}

test('hashes as the published test vectors say, for every length of the last block', () => {
  assert.equal(hashOf(''), 'ef46db3751d8e999')
  assert.equal(hashOf('a'), 'd24ec4f1a98c6e5b')
  assert.equal(hashOf('as'), '1c330fb2d66be179')
  assert.equal(hashOf('asd'), '631c37ce72a97393')
  assert.equal(hashOf('asdf'), '415872f599cea71e')
  assert.equal(
    hashOf('Call me Ishmael. Some years ago--never mind how long precisely-'),
    '02a2e85470d6fd96',
  )
})

test('reads a part of a larger buffer', () => {
  const bytes = new TextEncoder().encode('xasdfx').subarray(1, 5)
  assert.equal(xxhash64(bytes).toString(16), '415872f599cea71e')
})
