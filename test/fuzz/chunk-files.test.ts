import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzzChunkFiles } from './chunk-files.js'

test('what a damaged chunk file had fails and is noted, all else is read as before', () => {
  const { failed, wrong } = fuzzChunkFiles(1, 25)
  assert.deepEqual(wrong, [])
  assert.ok(failed > 10, `${failed} reads failed`)
})
