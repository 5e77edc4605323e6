/** docs/reference follows the tables; `UPDATE=1 npm run tidy` rewrites it. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { referencePages } from './pages.js'

const FOLDER = join('docs', 'reference')

test('the pages of docs/reference are what the tables say', () => {
  const pages = referencePages()
  if (process.env['UPDATE'] !== undefined) {
    mkdirSync(FOLDER, { recursive: true })
    for (const [name, text] of Object.entries(pages)) writeFileSync(join(FOLDER, name), text)
  }
  const stale = Object.entries(pages).filter(([name, text]) => {
    const file = join(FOLDER, name)
    return !existsSync(file) || readFileSync(file, 'utf8') !== text
  })
  assert.deepEqual(
    stale.map(([name]) => name),
    [],
    'stale pages; `UPDATE=1 npm run tidy` rewrites them',
  )
  assert.deepEqual(readdirSync(FOLDER).sort(), Object.keys(pages).sort(), 'a page without a table')
})
