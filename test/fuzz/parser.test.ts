import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzzParser } from './parser.js'

test('the parser takes mutated expressions without a crash, and as Prometheus does', async () => {
  const said: string[] = []
  const result = await fuzzParser(7, 600, (line) => said.push(line))
  assert.deepEqual(result.wrong, [])
  assert.ok(result.valid > 60, 'mutations leave some expressions valid')
  const isCompared = said.length === 0
  assert.ok(!isCompared || (result.compared > 300 && result.bothValid > 30))
})
