import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AGGREGATIONS, FUNCTIONS } from '../../../../src/shared/promql/index.js'

test('every row is documented, and sorted by name', () => {
  const names = Object.keys(FUNCTIONS)
  assert.deepEqual(names, [...names].sort())
  for (const [name, row] of Object.entries(FUNCTIONS)) {
    assert.match(row.doc, /^[A-Z].*\.$/, name)
    assert.ok(row.variadic >= -1, name)
    assert.ok(row.variadic === 0 || row.args.length > 0, name)
  }
})

test('nothing but functions is found', () => {
  for (const name of ['constructor', 'toString', '__proto__', 'sum']) {
    assert.equal(FUNCTIONS[name], undefined)
  }
})

/** Our own scripts, one after the other. */
function ownScripts(): string {
  const folder = 'test/golden/promql'
  return readdirSync(folder)
    .filter((file) => file.endsWith('.test'))
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('\n')
}

/** Operators and modifiers, as an expression of a script shows them. */
const OPERATORS = [
  ...[' \\+ ', ' - ', ' \\* ', ' / ', ' % ', ' \\^ ', ' atan2 ', ' == ', ' != ', ' < ', ' > '],
  ...[' <= ', ' >= ', ' and ', ' or ', ' unless ', ' bool ', 'on ?\\(', 'ignoring ?\\('],
  ...['group_left', 'group_right', 'by ?\\(', 'without ?\\(', 'offset', '@ '],
]

test('every aggregation and operator stands in a script of ours', () => {
  const scripts = ownScripts()
  const isMissing = (pattern: string): boolean =>
    !new RegExp(`^eval.*${pattern}`, 'm').test(scripts)
  const names = Object.keys(AGGREGATIONS).map((name) => `\\b${name}\\b`)
  assert.deepEqual([...names, ...OPERATORS].filter(isMissing), [])
})

test('every function stands in a script of ours', () => {
  const scripts = ownScripts()
  const missing = Object.keys(FUNCTIONS).filter(
    (name) => !new RegExp(`^eval.*\\b${name} ?\\(`, 'm').test(scripts),
  )
  assert.deepEqual(missing, [])
})
