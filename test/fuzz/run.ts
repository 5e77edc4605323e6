/**
 * `npm run fuzz -- data-dir [--seed N] [--count N] [--server N]`: damages data directories and starts on
 * them, in process and, `--server` of the cases, with the built server. Exits 1 when something came out
 * wrong; the seed of a case runs it again with `--count 1`.
 */
import { parseArgs } from 'node:util'
import { fuzzDataDir } from './data-dir.js'
import { fuzzServer } from './server.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    count: { type: 'string', default: '300' },
    server: { type: 'string', default: '0' },
  },
})
const numbers = [values.seed, values.count, values.server].map(Number)
if (positionals.join() !== 'data-dir' || numbers.some((value) => !Number.isInteger(value))) {
  process.stderr.write('usage: npm run fuzz -- data-dir [--seed N] [--count N] [--server N]\n')
  process.exit(2)
}
const [seed, count, server] = numbers as [number, number, number]
const say = (line: string): void => void process.stdout.write(`${line}\n`)
const inProcess = await fuzzDataDir(seed, count, say)
say(
  `fuzz data-dir: seed=${seed} cases=${count} lossy=${inProcess.lossy} wrong=${inProcess.wrong.length}`,
)
let wrong = inProcess.wrong.length
if (server > 0) {
  const whole = await fuzzServer(seed, server, say)
  wrong += whole.wrong.length
  say(`fuzz data-dir, server: cases=${server} lossy=${whole.lossy} wrong=${whole.wrong.length}`)
}
process.exitCode = wrong === 0 ? 0 : 1
