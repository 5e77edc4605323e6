/** When the engine for patterns that nothing simpler matches is loaded. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { compileRegex } from '../../../src/shared/model/regex.js'

const isLoaded = (): boolean =>
  Object.keys(createRequire(import.meta.url).cache).some((file) => file.includes('re2js'))

test('re2js is loaded with the first pattern that needs it', () => {
  assert.equal(compileRegex('a|b').means, 'literals')
  assert.equal(compileRegex('a.*').means, 'pieces')
  assert.equal(compileRegex('[a-c]+').means, 'regexp')
  assert.equal(isLoaded(), false)
  assert.equal(compileRegex('(a+)+b').means, 're2')
  assert.equal(isLoaded(), true)
})
