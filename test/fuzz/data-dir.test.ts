import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzzDataDir } from './data-dir.js'

test('a damaged data directory starts, answers what is whole, and says what is lost', async () => {
  const result = await fuzzDataDir(1, 60)
  assert.deepEqual(result.wrong, [])
  assert.ok(result.lossy > 5, `${result.lossy} cases lost something`)
})
