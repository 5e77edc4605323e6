import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzzBlock } from './block.js'

test('a damaged block is told, or reads as it was written; a merge never makes a bad one of it', async () => {
  const { wrong, told } = await fuzzBlock(7, 200, () => {})
  assert.deepEqual(wrong, [])
  assert.ok(told > 100, `${told} of 200 told`)
})
