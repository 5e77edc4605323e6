/** A thousand tenants with a thousandth of the series each, beside one tenant with all of them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { IngestFigures } from '../load-tool.js'
import {
  type MixedOptions,
  makeWorkload,
  median,
  mustRun,
  print,
  startOwn,
  toolArgs,
  type Verdict,
} from './bench.js'

const TENANTS = 1000
const SCRAPES = '4'

/** See the head of the file. */
export async function tenants(options: MixedOptions): Promise<Verdict[]> {
  const workload = ['--series', options.series, '--scrapes', SCRAPES]
  const kinds = { one: workload, many: [...workload, '--tenants', String(TENANTS)] }
  for (const kind of Object.values(kinds)) await makeWorkload(options, kind)
  const steady: number[] = []
  const all: number[] = []
  for (let round = 0; round < options.rounds; round++) {
    const figures = new Map<string, IngestFigures>()
    const names = ['one', 'many'] as const
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      figures.set(name, await ingest(options, `tenants-${name}-${round}`, kinds[name]))
    }
    const [one, many] = [figures.get('one')!, figures.get('many')!]
    steady.push(many.steady.samplesPerCpuS / one.steady.samplesPerCpuS)
    all.push(many.samplesPerCpuS / one.samplesPerCpuS)
    print(`round ${round}: steady ${steady.at(-1)!.toFixed(2)}×, all ${all.at(-1)!.toFixed(2)}×`)
  }
  const what = `samples per CPU-second, ${TENANTS} tenants ÷ one`
  return [
    { what: `${what}, steady`, value: median(steady), unit: '×', least: 0.7 },
    { what: `${what}, with the creation of series`, value: median(all), unit: '×', least: 0.7 },
  ]
}

/** Runs a cached workload into a fresh server. */
export async function ingest(
  options: MixedOptions,
  name: string,
  workload: readonly string[],
  flags: readonly string[] = [],
): Promise<IngestFigures> {
  const server = await startOwn(options, flags)
  const json = join(options.results, `${name}.json`)
  const rest = ['--name', name, '--settle', '5', '--json', json]
  await mustRun(options, ['ingest', ...workload, ...toolArgs(server, 'bench'), ...rest])
  await server.stop()
  return JSON.parse(readFileSync(json, 'utf8')) as IngestFigures
}
