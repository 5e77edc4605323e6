import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzzPushes } from './pushes.js'

test('damaged bodies are answered, and leave no trace in what comes after', () => {
  const { wrong, taken } = fuzzPushes(7, 1_500, () => {})
  assert.deepEqual(wrong, [])
  assert.ok(taken > 100, `${taken} were taken`)
})
