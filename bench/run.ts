/**
 * `npm run bench [-- PATH…]`: runs the benchmarks whose path starts with (or holds) one of those given,
 * all of them without any, one process each, one after the other. Each prints its own figures; a
 * line with the machine comes first, since figures without it mean nothing.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = dirname(fileURLToPath(import.meta.url))
const wanted = process.argv
  .slice(2)
  .map((path) => path.replace(/^(dist\/)?bench\//, '').replace(/\.[jt]s$/, ''))
const all = readdirSync(folder, { recursive: true })
  .map(String)
  .filter((file) => file.endsWith('.bench.js'))
  .sort()
const chosen =
  wanted.length === 0 ? all : all.filter((file) => wanted.some((part) => file.includes(part)))
if (chosen.length === 0) {
  process.stderr.write(`bench: nothing matches; there are:\n  ${all.join('\n  ')}\n`)
  process.exit(1)
}
const model = cpus()[0]?.model.trim() ?? 'unknown'
process.stdout.write(`machine: ${cpus().length} × ${model}, Node ${process.versions.node}\n`)
let failed = 0
for (const file of chosen) {
  process.stdout.write(`\n# bench/${file.replace(/\.js$/, '.ts')}\n`)
  const script = relative(process.cwd(), join(folder, file))
  const done = spawnSync(process.execPath, ['--enable-source-maps', script], { stdio: 'inherit' })
  if (done.status !== 0) failed += 1
}
process.exit(failed === 0 ? 0 : 1)
