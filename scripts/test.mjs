// Runs the compiled tests: all but the tidy ones, or those named (`npm test -- test/shared/promql`).
// Ends with the summary of Node's own test runner.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const all = readdirSync('dist/test', { recursive: true })
  .map((file) => join('dist', 'test', String(file)))
  .filter((file) => file.endsWith('.test.js'))
  .sort()
const flags = process.argv.slice(2).filter((arg) => arg.startsWith('-'))
const wanted = process.argv
  .slice(2)
  .filter((arg) => !arg.startsWith('-'))
  .map((arg) => arg.replace(/^dist\//, '').replace(/\.ts$/, '.js'))
const files =
  wanted.length === 0
    ? all.filter((file) => !file.startsWith(join('dist', 'test', 'tidy')))
    : all.filter((file) => wanted.some((part) => file.startsWith(join('dist', part))))
if (files.length === 0) {
  console.error(`no test files${wanted.length > 0 ? ` match ${wanted.join(' ')}` : ''}`)
  process.exit(1)
}
/** For one file, ms: the longest takes a minute. One that never ends would keep all others from being told. */
const FILE_MS_MAX = 300_000
const done = spawnSync(
  process.execPath,
  [
    '--enable-source-maps',
    '--test',
    '--test-concurrency=2',
    `--test-timeout=${FILE_MS_MAX}`,
    ...flags,
    ...files,
  ],
  { stdio: 'inherit', env: { ...process.env, NODE_OPTIONS: '' } },
)
process.exit(done.status ?? 1)
