/**
 * `npm run mixed -- steady|query|cut|tenants|limits|noisy [--series N] [--rate N] [--rounds 3] [--seconds N | --minutes N]
 * [--server-cpus 0 --client-cpus 1]`: the built server under several things at once, each figure
 * beside its bar; exits 1 when one is missed. The load comes from the tool beside the checkout
 * (NILO_SHARED/tools/bench) and takes its share of the machine.
 */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { prepareTool } from './load-tool.js'
import { type MixedBench, printVerdicts } from './mixed/bench.js'
import { cut } from './mixed/cut.js'
import { limits } from './mixed/limits.js'
import { noisy } from './mixed/noisy.js'
import { query } from './mixed/query.js'
import { steady } from './mixed/steady.js'
import { tenants } from './mixed/tenants.js'

/** A benchmark, its size unless told, and the length of a stream in seconds. */
const KINDS: Readonly<
  Record<string, { run: MixedBench; series: string; seconds: number; rounds: number }>
> = {
  steady: { run: steady, series: '100k', seconds: 1_800, rounds: 1 },
  query: { run: query, series: '10k', seconds: 20, rounds: 3 },
  cut: { run: cut, series: '200k', seconds: 30, rounds: 3 },
  tenants: { run: tenants, series: '1M', seconds: 0, rounds: 5 },
  limits: { run: limits, series: '100k', seconds: 0, rounds: 5 },
  noisy: { run: noisy, series: '10k', seconds: 20, rounds: 5 },
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    series: { type: 'string' },
    rate: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    minutes: { type: 'string' },
    'server-cpus': { type: 'string' },
    'client-cpus': { type: 'string' },
  },
})
const kind = KINDS[positionals[0] ?? '']
const minutes = values.minutes === undefined ? undefined : Number(values.minutes) * 60
const seconds = minutes ?? Number(values.seconds ?? kind?.seconds)
const rounds = Number(values.rounds ?? kind?.rounds)
if (kind === undefined || positionals.length > 1 || !(rounds >= 1) || !(seconds >= 0)) {
  process.stderr.write(
    `usage: npm run mixed -- ${Object.keys(KINDS).join('|')} [--series N] [--rate N] [--rounds N] [--seconds N | --minutes N]\n`,
  )
  process.exit(2)
}
const verdicts = await kind.run({
  tool: prepareTool(values['client-cpus']),
  results: resolve('.cache/mixed'),
  series: values.series ?? kind.series,
  rate: values.rate,
  rounds,
  seconds,
  serverCpus: values['server-cpus'],
})
process.exit(printVerdicts(verdicts) ? 0 : 1)
