/** What the macro benchmarks stand on: verdicts, and servers that are kept to some cores. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMet } from '../../bench/macro/mixed/bench.js'
import { pinned, startProcess } from '../support/processes.js'

test('a figure keeps its bar or misses it; one that was not measured misses it', () => {
  const figure = { what: 'p99', unit: 'ms' }
  assert.equal(isMet({ ...figure, value: 100, most: 100 }), true)
  assert.equal(isMet({ ...figure, value: 100.1, most: 100 }), false)
  assert.equal(isMet({ ...figure, value: 0.7, least: 0.7 }), true)
  assert.equal(isMet({ ...figure, value: 0.69, least: 0.7 }), false)
  assert.equal(isMet({ ...figure, value: Number.NaN, most: 100 }), false)
  assert.equal(isMet({ ...figure, value: Number.NaN, least: 1 }), false)
})

test('a pinned program runs on its cores, and is the process that is told', async () => {
  const script =
    "const { availableParallelism } = require('node:os'); console.log(process.pid, availableParallelism())"
  const program = startProcess(pinned(process.execPath, ['-e', script], '0'))
  assert.deepEqual(await program.exited, { code: 0, signal: null })
  assert.equal(program.output().trim(), `${program.pid} 1`)
})
