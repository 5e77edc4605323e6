/**
 * Prometheus' own PromQL scripts (conformance/promqltest of the shared material) and ours
 * (test/golden/promql), against the real engine and head. What does not pass yet stands in
 * test/golden/promqltest-pending.txt, one `file:line reason` a line; the list only shrinks: an entry
 * that passes fails the test. UPDATE=1 takes such entries out.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Outcome, runScript } from '../../support/promqltest/runner.js'
import { headStores } from '../../support/promqltest/store.js'
import { findShared, skipWithout } from '../../support/shared-material.js'

const OURS = 'test/golden/promql'
const PENDING = 'test/golden/promqltest-pending.txt'
const MATERIAL = 'conformance/promqltest'

interface PendingEntry {
  readonly file: string
  readonly line: number
  readonly text: string
}

function readPending(): PendingEntry[] {
  const entries: PendingEntry[] = []
  for (const text of readFileSync(PENDING, 'utf8').split('\n')) {
    if (text === '' || text.startsWith('#')) continue
    const match = /^([\w.-]+):(\d+) \S/.exec(text)
    assert.ok(match, `not an entry with a reason: ${text}`)
    entries.push({ file: match[1]!, line: Number(match[2]), text })
  }
  return entries
}

const makeStore = headStores()
const settled: PendingEntry[] = []

async function check(file: string, path: string): Promise<void> {
  const outcomes = await runScript(readFileSync(path, 'utf8'), makeStore)
  print(file, outcomes)
  const failed = new Map(
    outcomes
      .filter((outcome) => outcome.status === 'failed')
      .map((outcome) => [outcome.line, outcome]),
  )
  const pending = readPending().filter((entry) => entry.file === file)
  const passing = pending.filter((entry) => !failed.has(entry.line))
  if (process.env['UPDATE'] !== undefined) settled.push(...passing)
  else {
    assert.deepEqual(
      passing.map((entry) => entry.text),
      [],
      'entries that pass: take them out (UPDATE=1)',
    )
  }
  for (const entry of pending) failed.delete(entry.line)
  const reasons = Array.from(
    failed.values(),
    ({ line, query, reason }) => `${file}:${line} ${query}\n    ${reason}`,
  )
  assert.equal(reasons.length, 0, `${reasons.length} fail:\n${reasons.join('\n')}`)
}

function print(file: string, outcomes: readonly Outcome[]): void {
  const count = (status: Outcome['status']) =>
    outcomes.filter((outcome) => outcome.status === status).length
  console.log(`${file}: ${count('passed')} passed, ${count('failed')} failed`)
}

const upstream = findShared(MATERIAL)
test('finds the upstream scripts', { skip: skipWithout(MATERIAL) }, () => {
  assert.ok(upstream)
  assert.equal(readdirSync(upstream).filter((name) => name.endsWith('.test')).length, 21)
})

for (const folder of [upstream, OURS]) {
  if (folder === undefined) continue
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.test'))) {
    test(`passes ${file}`, () => check(file, join(folder, file)))
  }
}

test('UPDATE takes out what passes', { skip: process.env['UPDATE'] === undefined }, () => {
  const gone = new Set(settled.map((entry) => entry.text))
  const lines = readFileSync(PENDING, 'utf8').split('\n')
  writeFileSync(PENDING, lines.filter((line) => !gone.has(line)).join('\n'))
})
