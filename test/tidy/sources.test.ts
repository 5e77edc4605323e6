/** The house style, as far as a machine can see it: sizes, headers, leftovers, the way to the world. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const FILE_LINES_MAX = 800
const FUNCTION_LINES_MAX = 70
/** Tables may be as long as they are. */
const IS_TABLE = /(^|\/)(table(-[\w-]+)?|catalogue|cases)\.ts$/

const files = ['src', 'test', 'bench'].flatMap((folder) =>
  readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((file) => file.endsWith('.ts')),
)
const texts = new Map(files.map((file) => [file, readFileSync(file, 'utf8')]))
/** AssemblyScript: another language, checked by the tests of its twins. */
const isKernel = (file: string) => file.includes('/assembly/')
const isEntry = (file: string) => /^src\/(main|serve)\.ts$/.test(file)

test('no file is longer than 800 lines', () => {
  const long = [...texts].filter(([file, text]) => {
    return !IS_TABLE.test(file) && text.split('\n').length - 1 > FILE_LINES_MAX
  })
  assert.deepEqual(
    long.map(([file]) => file),
    [],
  )
})

test('every file says at its top what it is', () => {
  // What a test file is its name says, and the names of its tests.
  const bare = [...texts].filter(([file, text]) => {
    return !file.endsWith('.test.ts') && !/^(#!.*\n)?(\/\*\*|\/\/ )/.test(text)
  })
  assert.deepEqual(
    bare.map(([file]) => file),
    [],
  )
})

test('no function is longer than 70 lines', () => {
  const long: string[] = []
  for (const [file, text] of texts) {
    if (file.startsWith('src/') && !isKernel(file) && !IS_TABLE.test(file)) {
      long.push(...longFunctions(file, text.split('\n')))
    }
  }
  assert.deepEqual(long, [])
})

/** By indentation, which the formatter guarantees: a top-level function, or a method of a class. */
function longFunctions(file: string, lines: readonly string[]): string[] {
  const long: string[] = []
  const start =
    /^(?:(?:export )?(?:async )?function\*? \w+|(?: {2})(?!if|for|while|switch|return|else)(?:(?:private|static|async|override|readonly) )*\w+\()/
  for (const [index, line] of lines.entries()) {
    if (!start.test(line)) continue
    const indent = line.startsWith('  ') ? '  ' : ''
    // A signature over several lines ends where its indentation comes back.
    const head = line.endsWith('(')
      ? lines.find((text, at) => at > index && text.startsWith(`${indent})`))
      : line
    const isBlock = head?.endsWith('{') === true
    const end = lines.findIndex((text, at) => at > index && text.startsWith(`${indent}}`))
    const count = end - index + 1
    if (end > 0 && isBlock && count > FUNCTION_LINES_MAX) {
      long.push(`${file}:${index + 1}: ${count} lines`)
    }
  }
  return long
}

test('nothing is left to do, switched off or swallowed', () => {
  const leftovers = [
    /\b(TODO|FIXME|XXX|HACK)\b/,
    /@ts-(ignore|expect-error|nocheck)/,
    /: any\b|\bas any\b|<any>/,
    /\b(test|it|describe)\.(only|skip|todo)\(|\{ *(skip|only|todo): *true/,
    /catch *(\(\w*\))? *\{ *\}/,
    /\bdebugger\b/,
  ]
  const found: string[] = []
  for (const [file, text] of texts) {
    if (file.endsWith('tidy/sources.test.ts') || isKernel(file)) continue
    for (const [index, line] of text.split('\n').entries()) {
      const patterns = /^\s*(\*|\/\/ )/.test(line) ? leftovers.slice(0, 1) : leftovers
      if (patterns.some((pattern) => pattern.test(line)))
        found.push(`${file}:${index + 1}: ${line}`)
    }
  }
  assert.deepEqual(found, [])
})

test('only the entry prints to the console, and only it and shared/config read the environment', () => {
  const found: string[] = []
  for (const [file, text] of texts) {
    if (!file.startsWith('src/') || isEntry(file) || isKernel(file)) continue
    for (const [index, line] of text.split('\n').entries()) {
      if (/^\s*(\*|\/\/|\/\*)/.test(line)) continue
      if (/\bconsole\.|process\.(stdout|stderr)\b/.test(line))
        found.push(`${file}:${index + 1}: ${line}`)
      if (/process\.env\b/.test(line) && !file.startsWith('src/shared/config/')) {
        found.push(`${file}:${index + 1}: ${line}`)
      }
    }
  }
  assert.deepEqual(found, [])
})

test('where files of ours lie is known in one place', () => {
  const places = ['src/shared/base/own-files.ts', 'src/shared/base/commonjs.ts']
  const found = [...texts]
    .filter(([file, text]) => file.startsWith('src/') && text.includes('import.meta'))
    .map(([file]) => file)
  assert.deepEqual(found.sort(), places.sort())
})

test('the world is reached through Env', () => {
  const world = /(?<![.\w])(Date\.now|Math\.random|setTimeout|setInterval)\(/
  const found: string[] = []
  for (const [file, text] of texts) {
    if (!file.startsWith('src/') || /^src\/(shared\/env\/|main\.ts)/.test(file)) continue
    if (isKernel(file)) continue
    for (const [index, line] of text.split('\n').entries()) {
      if (!/^\s*(\*|\/\/|\/\*)/.test(line) && world.test(line)) {
        found.push(`${file}:${index + 1}: ${line.trim()}`)
      }
    }
  }
  assert.deepEqual(found, [])
})
