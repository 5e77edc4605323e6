/**
 * `npm run versus -- ingest|otlp|query|mixed [--series 100k] [--scrapes 24] [--rounds 3] [--peers prometheus,victoria-metrics]`:
 * the load and query tool beside the checkout (NILO_SHARED/tools/bench), run against nilometer and its
 * peers in turn, every server fresh in every round, and the medians of the rounds' ratios. Exits 1 when
 * data do not read back or answers differ. Peers are unpacked by NILO_SHARED/tools/peers into $PEERS
 * (default .cache/peers); results stay in .cache/versus as JSON. `npm run otlp` is the OTLP figure beside
 * VictoriaMetrics: the same bodies, gzip-compressed protobuf, everything read back.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { startNilo } from '../../test/support/nilo.js'
import { freePort } from '../../test/support/ports.js'
import { startProcess, waitForUrl } from '../../test/support/processes.js'
import { findShared } from '../../test/support/shared-material.js'
import {
  median,
  prepareTool,
  print,
  type QueryRow,
  reportQueries,
  runTool,
  startTool,
} from './load-tool.js'

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
    rate: { type: 'string', default: '50k' },
  },
})
/** Where OTLP goes. Debian builds Prometheus without its receiver. */
const OTLP_PATHS: Readonly<Record<string, string>> = {
  nilometer: '/otlp/v1/metrics',
  prometheus: '/api/v1/otlp/v1/metrics',
  'victoria-metrics': '/opentelemetry/v1/metrics',
}

const KINDS: ReadonlySet<string> = new Set(['ingest', 'otlp', 'query', 'mixed'])
const what = positionals[0]
const rounds = Number(values.rounds)
if (what === undefined || !KINDS.has(what) || !(rounds >= 1)) {
  process.stderr.write(
    'usage: npm run versus -- ingest|otlp|query|mixed [--series N] [--scrapes N] [--rounds N]\n',
  )
  process.exit(2)
}
const tool = prepareTool()
const results = resolve('.cache/versus')
mkdirSync(results, { recursive: true })
const servers = ['nilometer', ...values.peers.split(',')]
if (what !== 'otlp')
  await runTool(tool, ['gen', '--series', values.series, '--scrapes', values.scrapes])
const ok = await run()
process.exit(ok ? 0 : 1)

function run(): Promise<boolean> {
  if (what === 'mixed') return mixedRounds()
  if (what !== 'query') return ingestRounds()
  return values.clients === undefined ? queryRounds() : clientRounds(values.clients)
}

/** A started server as the tool wants it. */
interface Server {
  readonly name: string
  readonly url: string
  readonly pushPath: string
  readonly queryUrl: string
  readonly pid: number
  readonly data: string
  stop(): Promise<void>
}

/** What of the tool's ingest JSON is compared. */
interface IngestFigures {
  readonly steady: { readonly samplesPerCpuS: number }
  readonly firstScrapes: { readonly samplesPerCpuS: number }
  readonly samplesPerCpuSWithBackground: number
  readonly samplesPerS: number
  readonly rssPeak: number
}

async function ingestRounds(): Promise<boolean> {
  const figures = new Map<string, IngestFigures[]>(servers.map((name) => [name, []]))
  let good = true
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? servers : [...servers].reverse()) {
      const server = await start(name)
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
    const args = ['query', '--series', values.series, '--scrapes', values.scrapes, '--json', json]
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
    const server = await start(name)
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

/**
 * One query again and again on an idle server, then while samples come in at a steady rate: its time
 * both ways and their ratio; the tool prints the push latency.
 */
async function mixedRounds(): Promise<boolean> {
  const [server] = await startFilled(['nilometer'])
  const only = ['--only', values.only ?? 'r13']
  const ratios: number[] = []
  let good = true
  const timed = async (json: string): Promise<number> => {
    const size = ['--series', values.series, '--scrapes', values.scrapes, '--json', json]
    good = (await runTool(tool, ['query', ...size, ...only, ...serverArgs(server!)])) && good
    const { rows } = JSON.parse(readFileSync(json, 'utf8')) as { rows: QueryRow[] }
    return median(rows.map((row) => row.servers['nilometer']?.medianMs ?? Number.NaN))
  }
  for (let round = 0; round < rounds; round++) {
    const idleMs = await timed(join(results, `mixed-idle-${round}.json`))
    const push = ['--loop', `${values.seconds}s`, '--rate', values.rate]
    const args = [...ingestArgs({ ...server!, name: 'stream' }), '--tenant', 'stream']
    const stream = startTool(tool, [...args, ...push, '--settle', '0', '--no-verify'])
    const busyMs = await timed(join(results, `mixed-busy-${round}.json`))
    const exit = await stream.exited
    print(stream.output().trimEnd())
    good = exit.code === 0 && good
    ratios.push(busyMs / idleMs)
    print(`round ${round}: idle ${idleMs.toFixed(1)} ms, under load ${busyMs.toFixed(1)} ms`)
  }
  print(`under load ÷ idle, median of ${rounds} rounds: ${median(ratios).toFixed(2)}`)
  await server!.stop()
  return good
}

function ingestArgs(server: Server): string[] {
  const pushPath = server.pushPath.slice(server.url.length)
  return [
    ...[what === 'otlp' ? 'otlp' : 'ingest', '--name', server.name],
    ...['--series', values.series, '--scrapes', values.scrapes],
    ...['--url', server.url, '--path', what === 'otlp' ? OTLP_PATHS[server.name]! : pushPath],
    ...['--qurl', server.queryUrl, '--pid', String(server.pid), '--data', server.data],
    ...(server.name === 'nilometer' ? ['--tenant', 'bench'] : []),
  ]
}

async function start(name: string): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), `versus-${name}-`))
  const drop = () => rmSync(folder, { recursive: true, force: true })
  if (name === 'nilometer') {
    const nilo = await startNilo(folder)
    const stop = async () => {
      await nilo.stop()
      drop()
    }
    const { pid, queryUrl, pushUrl } = nilo
    return { name, pid, url: nilo.url, queryUrl, pushPath: pushUrl, data: folder, stop }
  }
  const port = await freePort()
  const script = findShared('tools/peers/start.sh')
  if (script === undefined) throw new Error('tools/peers is not there (NILO_SHARED)')
  const peer = startProcess({
    command: script,
    args: [name, folder, String(port)],
    env: { PEERS: process.env['PEERS'] ?? resolve('.cache/peers') },
  })
  const url = `http://127.0.0.1:${port}`
  await waitForUrl(`${url}${name === 'prometheus' ? '/-/ready' : '/health'}`, peer, 300_000)
  const stop = async () => {
    await peer.stop()
    drop()
  }
  const pushPath = `${url}/api/v1/write`
  return { name, pid: peer.pid, url, queryUrl: url, pushPath, data: join(folder, 'data'), stop }
}
