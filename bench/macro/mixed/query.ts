/**
 * One heavy query again and again, on an idle server and while samples of the same series come in:
 * pushes stay quick, and the query is not much slower.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { IngestFigures } from '../load-tool.js'
import type { Server } from '../servers.js'
import {
  type MixedOptions,
  makeWorkload,
  median,
  mustRun,
  print,
  pushP99,
  refusals,
  startOwn,
  startStream,
  toolArgs,
  type Verdict,
} from './bench.js'

const TENANT = 'bench'
const SCRAPES = '1440'
const QUERY = 'r13'

/** See the head of the file. */
export async function query(options: MixedOptions): Promise<Verdict[]> {
  const { series, seconds, rate = '50k' } = options
  const workload = ['--series', series, '--scrapes', SCRAPES]
  await makeWorkload(options, workload)
  const server = await startOwn(options)
  const fill = ['--settle', '5', '--no-verify', '--concurrency', '2']
  await mustRun(options, ['ingest', ...workload, ...toolArgs(server, TENANT), ...fill])
  const ratios: number[] = []
  const pushes: IngestFigures[] = []
  for (let round = 0; round < options.rounds; round++) {
    const idleMs = await timeQuery(options, server, `idle-${round}`)
    // The tool is through with the query a little before the stream ends.
    const stream = { name: `query-${round}`, tenant: TENANT, seconds: seconds + 2, rate, series }
    const { begun, figures } = startStream(options, server, stream)
    await begun
    const busyMs = await timeQuery(options, server, `busy-${round}`)
    pushes.push(await figures)
    ratios.push(busyMs / idleMs)
    print(`round ${round}: ${QUERY} ${idleMs.toFixed(1)} ms idle, ${busyMs.toFixed(1)} ms loaded`)
  }
  await server.stop()
  return [
    {
      what: 'push p99 beside the query',
      value: median(pushes.map(pushP99)),
      unit: 'ms',
      most: 100,
    },
    { what: `${QUERY} loaded ÷ idle`, value: median(ratios), unit: '×', most: 1.5 },
    refusals('query', pushes),
  ]
}

/** Median ms of the query, repeated without a pause by one client. */
async function timeQuery(options: MixedOptions, server: Server, name: string): Promise<number> {
  const json = join(options.results, `query-${name}.json`)
  const args = ['query', '--series', options.series, '--scrapes', SCRAPES, '--only', QUERY]
  args.push('--clients', '1', '--seconds', String(options.seconds), '--json', json)
  args.push('--server', `nilometer=${server.queryUrl},pid=${server.pid},tenant=${TENANT}`)
  await mustRun(options, args)
  const { rows } = JSON.parse(readFileSync(json, 'utf8')) as {
    rows: readonly { latencyMs: { p50: number } }[]
  }
  return rows[0]!.latencyMs.p50
}
