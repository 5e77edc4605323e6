/** Runs of the simulation that are made each time; `npm run sim` makes as many as are asked for. */
import { test } from 'node:test'
import { runCrashes, SCENARIOS } from './crash-run.js'

// 106 and 118: acknowledged by what was replayed from a log that had never been synced. 123 and 151:
// samples logged by numbers of series whose records were in a segment that could not be synced.
const SEEDS = [1, 2, 3, 4, 106, 118, 123, 151]

for (const [name, { options, weather }] of Object.entries(SCENARIOS)) {
  for (const seed of SEEDS) {
    test(`${name}, seed ${seed}`, () => runCrashes(seed, options, weather))
  }
}
