// `npm run check`: format, lint, types (the build has just proved them) and the tidy tests.
import { spawnSync } from 'node:child_process'

const steps = [
  [
    'format and lint',
    'node_modules/@biomejs/biome/bin/biome',
    'ci',
    '--diagnostic-level=warn',
    '.',
  ],
  ['tidy tests', 'scripts/test.mjs', 'test/tidy'],
]
for (const [name, script, ...args] of steps) {
  const done = spawnSync(process.execPath, [script, ...args], { stdio: 'inherit' })
  if (done.status === 0) continue
  console.error(
    `check: ${name} failed. \`npm run format\` mends formatting and safe lint findings.`,
  )
  process.exit(1)
}
