/** What the configuration table says of a key's effect is so: read somewhere in src, or nowhere. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { LIMITS } from '../../src/shared/config/index.js'
import { KNOWN } from '../../src/shared/config/lookup.js'

/** These show or compare limits, and heed none. */
const SHOWN = new Set(['src/http/routes/limits.ts', 'src/shared/limits/check.ts'])

test('keys with effect are read in src, those without are not', () => {
  const read = new Set<string>()
  for (const name of readdirSync('src', { recursive: true })) {
    const file = join('src', String(name))
    if (!file.endsWith('.ts') || file.startsWith('src/shared/config/')) continue
    const text = readFileSync(file, 'utf8')
    for (const match of text.matchAll(/\[\s*'([a-z][\w.]+)'\s*\]|\bconfig\.([a-z]\w+)/g)) {
      const key = match[1] ?? match[2]!
      read.add(key)
      // Buckets are configured by slices: they read what stands after the names of their blocks.
      if (!file.startsWith('src/shared/bucket/')) continue
      for (const block of ['blocks_storage', 'common.storage']) read.add(`${block}.${key}`)
    }
    // Rows of limits are read by name, off the row.
    if (SHOWN.has(file)) continue
    for (const match of text.matchAll(/\.([a-z]\w+_\w+)\b/g)) {
      if (Object.hasOwn(LIMITS, match[1]!)) read.add(`limits.${match[1]}`)
    }
  }
  const said = (effect: string) => KNOWN.filter(({ row }) => row.effect === effect)
  const idle = said('yes').filter(({ key }) => !read.has(key))
  const secret = said('none').filter(({ key }) => read.has(key))
  assert.deepEqual(
    idle.map(({ key }) => key),
    [],
    'said to have an effect, read nowhere',
  )
  assert.deepEqual(
    secret.map(({ key }) => key),
    [],
    'said to have none, yet read',
  )
})
