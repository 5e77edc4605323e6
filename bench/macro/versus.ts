/**
 * `npm run versus -- ingest|otlp|query [--series 100k] [--scrapes 24] [--rounds 3] [--peers prometheus,victoria-metrics]`:
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
import { median, prepareTool, print, type QueryRow, reportQueries, runTool } from './load-tool.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    series: { type: 'string', default: '100k' },
    scrapes: { type: 'string', default: '24' },
    rounds: { type: 'string', default: '3' },
    peers: { type: 'string', default: 'prometheus' },
    settle: { type: 'string', default: '30' },
    only: { type: 'string' },
  },
})
/** Where OTLP goes. Debian builds Prometheus without its receiver. */
const OTLP_PATHS: Readonly<Record<string, string>> = {
  nilometer: '/otlp/v1/metrics',
  prometheus: '/api/v1/otlp/v1/metrics',
  'victoria-metrics': '/opentelemetry/v1/metrics',
}

const what = positionals[0]
const rounds = Number(values.rounds)
if ((what !== 'ingest' && what !== 'otlp' && what !== 'query') || !(rounds >= 1)) {
  process.stderr.write(
    'usage: npm run versus -- ingest|otlp|query [--series N] [--scrapes N] [--rounds N]\n',
  )
  process.exit(2)
}
const tool = prepareTool()
const results = resolve('.cache/versus')
mkdirSync(results, { recursive: true })
const servers = ['nilometer', ...values.peers.split(',')]
if (what !== 'otlp') runTool(tool, ['gen', '--series', values.series, '--scrapes', values.scrapes])
const ok = what === 'query' ? await queryRounds() : await ingestRounds()
process.exit(ok ? 0 : 1)

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
        runTool(tool, [...ingestArgs(server), '--json', json, '--settle', values.settle]) && good
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
  const running: Server[] = []
  for (const name of [...servers.slice(1), 'nilometer']) {
    const server = await start(name)
    running.push(server)
    runTool(tool, [...ingestArgs(server), '--settle', '5', '--no-verify', '--concurrency', '2'])
  }
  const perRound: QueryRow[][] = []
  let good = true
  for (let round = 0; round < rounds; round++) {
    const json = join(results, `query-${round}.json`)
    const args = ['query', '--series', values.series, '--scrapes', values.scrapes, '--json', json]
    if (values.only !== undefined) args.push('--only', values.only)
    for (const s of running) {
      const tenant = s.name === 'nilometer' ? ',tenant=bench' : ''
      args.push('--server', `${s.name}=${s.queryUrl},pid=${s.pid}${tenant}`)
    }
    good = runTool(tool, args) && good
    perRound.push((JSON.parse(readFileSync(json, 'utf8')) as { rows: QueryRow[] }).rows)
  }
  for (const server of running) await server.stop()
  for (const name of servers.slice(1)) reportQueries(perRound, name)
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
