/** What threads load: see decision 0030. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const FOLDER = join('dist', 'app')
const bundles = readdirSync(FOLDER).filter((file) => file.endsWith('.js'))

test('bundles have no character that would make V8 keep two bytes for each', () => {
  assert.ok(bundles.length > 5)
  for (const file of bundles) {
    const found = /[^\0-\x7f]/.exec(readFileSync(join(FOLDER, file), 'utf8'))
    assert.equal(found, null, `${file}: ${found?.[0]}`)
  }
})

test('the table of keys is in the bundle of main alone', () => {
  for (const file of bundles) {
    const isIn = readFileSync(join(FOLDER, file), 'utf8').includes('memberlist')
    if (isIn) assert.match(file, /^main\./)
  }
})
