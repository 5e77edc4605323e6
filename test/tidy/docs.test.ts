/** Every name that src exports says what it is. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const files = readdirSync('src', { recursive: true })
  .map((name) => join('src', String(name)))
  // AssemblyScript is another language; its faces and twins are documented.
  // The header of a layout draws what its constants are.
  .filter((file) => /\.ts$/.test(file) && !/\/assembly\/|-layout\.ts$/.test(file))

test('every exported name of src has a doc comment', () => {
  const bare: string[] = []
  for (const file of files) {
    const lines = readFileSync(file, 'utf8').split('\n')
    for (const [index, line] of lines.entries()) {
      const name = exportedName(line)
      if (name === undefined) continue
      const above = lines[index - 1] ?? ''
      // One comment serves a run of constants, and all overloads of a function.
      const isRun = isConstant(line) && isConstant(above)
      // A PromQL function's kernel has its doc line in the function table.
      const isKernelOfTable = /: (Map|Range|Matrix)Kernel\b/.test(line)
      const isCovered = isRun || isKernelOfTable || exportedName(above) === name
      if (!isComment(above) && !isCovered) bare.push(`${file}:${index + 1}: ${name}`)
    }
  }
  assert.deepEqual(bare, [])
})

function exportedName(line: string): string | undefined {
  const match =
    /^export (?:declare )?(?:abstract )?(?:async )?(?:function\*?|class|const|let|interface|type) (\w+)/
  return match.exec(line)?.[1]
}

function isConstant(line: string): boolean {
  return /^export const \w+(: \w+)? = .*[^{[(>]$/.test(line)
}

function isComment(line: string): boolean {
  return line.endsWith('*/') || line.startsWith('// ')
}
