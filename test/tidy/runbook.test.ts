/** docs/runbook.md has an entry for every error of the catalogue, and for nothing else. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ERRORS } from '../../src/shared/errors/index.js'

test('every error id has a runbook entry with some words', () => {
  const text = readFileSync('docs/runbook.md', 'utf8')
  const entries = new Map<string, string>()
  for (const part of text.split(/^### /m).slice(1)) {
    const [head, ...body] = part.split('\n')
    entries.set(
      head!.trim(),
      body
        .join('\n')
        .replace(/^## .*$/m, '')
        .trim(),
    )
  }
  assert.deepEqual([...entries.keys()].sort(), Object.keys(ERRORS).sort())
  for (const [id, body] of entries) assert.ok(body.length > 40, `${id}: say why and what to do`)
})
