/**
 * `npm run sim -- [--seed N] [--count N] [--only TEXT]`: runs of the simulation from a seed on, of
 * every kind (or those whose name has TEXT). A run that fails is told with its seed; the same seed
 * fails again. Exits 1 when one did.
 */
import { parseArgs } from 'node:util'
import { runCrashes, SCENARIOS } from './crash-run.js'
import { runSpills } from './spill-run.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '100' },
    only: { type: 'string', default: '' },
  },
})
const first = Number(values.seed)
const count = Number(values.count)
const kinds = Object.entries(SCENARIOS).map(
  ([name, { options, weather }]) =>
    [name, (seed: number) => runCrashes(seed, options, weather)] as const,
)
const all = [...kinds, ['heads spill', (seed: number) => runSpills(seed)] as const]
const scenarios = all.filter(([name]) => name.includes(values.only))
if (!Number.isInteger(first) || !(count > 0) || scenarios.length === 0) {
  process.stderr.write('usage: npm run sim -- [--seed N] [--count N] [--only TEXT]\n')
  for (const [name] of all) process.stderr.write(`  ${name}\n`)
  process.exit(2)
}
let failures = 0
for (const [name, run] of scenarios) {
  for (let seed = first; seed < first + count; seed++) {
    try {
      await run(seed)
    } catch (error) {
      failures++
      const text = String(error).split('\n')[0]
      process.stdout.write(`failed: ${name}, seed ${seed}: ${text}\n`)
      process.stdout.write(`  again: npm run sim -- --seed ${seed} --count 1 --only '${name}'\n`)
    }
  }
}
const runs = scenarios.length * count
process.stdout.write(`sim: seeds=${first}..${first + count - 1} runs=${runs} failed=${failures}\n`)
process.exitCode = failures === 0 ? 0 : 1
