/**
 * `npm run versus -- ingest|otlp|query [--series 100k] [--scrapes 24] [--rounds 3] [--peers prometheus,victoria-metrics]`:
 * the load and query tool beside the checkout (NILO_SHARED/tools/bench), run against nilometer and its
 * peers in turn, every server fresh in every round, and the medians of the rounds' ratios. Exits 1 when
 * data do not read back or answers differ. Peers are unpacked by NILO_SHARED/tools/peers into $PEERS
 * (default .cache/peers); results stay in .cache/versus as JSON. `npm run otlp` is the OTLP figure beside
 * VictoriaMetrics: the same bodies, gzip-compressed protobuf, everything read back.
 * `--protocol v2` sends remote write 2.0; `--server-cpus 0 --client-cpus 1` gives servers and tool a core each (taskset).
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import {
  type IngestFigures,
  median,
  prepareTool,
  print,
  type QueryRow,
  reportQueries,
  runTool,
} from './load-tool.js'
import { type Server, startServer } from './servers.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    series: { type: 'string', default: '100k' },
    scrapes: { type: 'string', default: '24' },
    rounds: { type: 'string', default: '3' },
    peers: { type: 'string', default: 'prometheus' },
    settle: { type: 'string', default: '30' },
    only: { type: 'string' },
    clients: { type: 'string' },
    seconds: { type: 'string', default: '30' },
    protocol: { type: 'string', default: 'v1' },
    'server-cpus': { type: 'string' },
    'client-cpus': { type: 'string' },
  },
})
/** Where OTLP goes. Debian builds Prometheus without its receiver. */
const OTLP_PATHS: Readonly<Record<string, string>> = {
  nilometer: '/otlp/v1/metrics',
  prometheus: '/api/v1/otlp/v1/metrics',
  'victoria-metrics': '/opentelemetry/v1/metrics',
}

const KINDS: ReadonlySet<string> = new Set(['ingest', 'otlp', 'query'])
const what = positionals[0]
const rounds = Number(values.rounds)
if (what === undefined || !KINDS.has(what) || !(rounds >= 1)) {
  process.stderr.write(
    'usage: npm run versus -- ingest|otlp|query [--series N] [--scrapes N] [--rounds N]\n',
  )
  process.exit(2)
}
const workload = ['--series', values.series, '--scrapes', values.scrapes]
if (values.protocol !== 'v1') workload.push('--protocol', values.protocol)
const tool = prepareTool(values['client-cpus'])
const results = resolve('.cache/versus')
mkdirSync(results, { recursive: true })
const servers = ['nilometer', ...values.peers.split(',')]
if (what !== 'otlp') await runTool(tool, ['gen', ...workload])
const ok = await run()
process.exit(ok ? 0 : 1)

function run(): Promise<boolean> {
  if (what !== 'query') return ingestRounds()
  return values.clients === undefined ? queryRounds() : clientRounds(values.clients)
}

async function ingestRounds(): Promise<boolean> {
  const figures = new Map<string, IngestFigures[]>(servers.map((name) => [name, []]))
  let good = true
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? servers : [...servers].reverse()) {
      const server = await startServer(name, { cpus: values['server-cpus'] })
      const json = join(results, `${what}-${name}-${round}.json`)
      good =
        (await runTool(tool, [...ingestArgs(server), '--json', json, '--settle', values.settle])) &&
        good
      await server.stop()
      figures.get(name)!.push(JSON.parse(readFileSync(json, 'utf8')) as IngestFigures)
    }
  }
  const own = figures.get('nilometer')!
  for (const name of servers.slice(1)) {
    const peer = figures.get(name)!
    const ratio = (of: (f: IngestFigures) => number) =>
      median(own.map((f, i) => of(f) / of(peer[i]!))).toFixed(2)
    print(
      `nilometer ÷ ${name}, medians of ${rounds} rounds: steady ${ratio((f) => f.steady.samplesPerCpuS)}×,`,
      `first scrapes ${ratio((f) => f.firstScrapes.samplesPerCpuS)}×,`,
      `with background ${ratio((f) => f.samplesPerCpuSWithBackground)}×,`,
      `wall ${ratio((f) => f.samplesPerS)}×, RSS peak ${ratio((f) => f.rssPeak)}×`,
    )
  }
  return good
}

async function queryRounds(): Promise<boolean> {
  // The reference comes first.
  const running = await startFilled([...servers.slice(1), 'nilometer'])
  const perRound: QueryRow[][] = []
  let good = true
  for (let round = 0; round < rounds; round++) {
    const json = join(results, `query-${round}.json`)
    const args = ['query', ...workload, '--json', json]
    if (values.only !== undefined) args.push('--only', values.only)
    args.push(...running.flatMap(serverArgs))
    good = (await runTool(tool, args)) && good
    perRound.push((JSON.parse(readFileSync(json, 'utf8')) as { rows: QueryRow[] }).rows)
  }
  for (const server of running) await server.stop()
  for (const name of servers.slice(1)) reportQueries(perRound, name)
  return good
}

/** Starts the servers, peers first, and gives each the data. */
async function startFilled(names: readonly string[]): Promise<Server[]> {
  const running: Server[] = []
  for (const name of names) {
    const server = await startServer(name, { cpus: values['server-cpus'] })
    running.push(server)
    await runTool(tool, [
      ...ingestArgs(server),
      '--settle',
      '5',
      '--no-verify',
      '--concurrency',
      '2',
    ])
  }
  return running
}

function serverArgs(server: Server): string[] {
  const tenant = server.name === 'nilometer' ? ',tenant=bench' : ''
  return ['--server', `${server.name}=${server.queryUrl},pid=${server.pid}${tenant}`]
}

/** So many clients repeat a dashboard of twenty panels, a server after the other, caches as they are. */
async function clientRounds(clients: string): Promise<boolean> {
  const running = await startFilled([...servers.slice(1), 'nilometer'])
  let good = true
  for (let round = 0; round < rounds; round++) {
    const json = join(results, `clients-${round}.json`)
    const size = ['--series', values.series, '--scrapes', values.scrapes, '--json', json]
    const load = ['--clients', clients, '--seconds', values.seconds, '--dashboard', '--cache']
    good =
      (await runTool(tool, ['query', ...size, ...load, ...running.flatMap(serverArgs)])) && good
  }
  for (const server of running) await server.stop()
  return good
}

function ingestArgs(server: Server): string[] {
  const pushPath = server.pushPath.slice(server.url.length)
  return [
    ...[what === 'otlp' ? 'otlp' : 'ingest', '--name', server.name],
    ...workload,
    ...['--url', server.url, '--path', what === 'otlp' ? OTLP_PATHS[server.name]! : pushPath],
    ...['--qurl', server.queryUrl, '--pid', String(server.pid), '--data', server.data],
    ...(server.name === 'nilometer' ? ['--tenant', 'bench'] : []),
  ]
}
