/**
 * `npm run blocks -- [--series 10k] [--scrapes 1440] [--rounds 3] [--only r0] [--blocks DIR]`: the
 * same blocks under Prometheus and, as a filesystem bucket, under nilometer; the queries of the tool
 * beside the checkout (NILO_SHARED/tools/bench) asked of both, answers compared. The blocks are
 * Prometheus' own (pushed, then its snapshot) and are kept in .cache/blocks for the next time. Exits
 * 1 when answers differ or range queries take more than half of Prometheus' time.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { startNilo } from '../../test/support/nilo.js'
import { freePort } from '../../test/support/ports.js'
import { startProcess, waitForUrl } from '../../test/support/processes.js'
import { prepareTool, print, type QueryRow, reportQueries, runTool } from './load-tool.js'

const { values } = parseArgs({
  options: {
    series: { type: 'string', default: '10k' },
    scrapes: { type: 'string', default: '1440' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
    blocks: { type: 'string' },
  },
})
/** What range queries may take of Prometheus' time. */
const RATIO_MAX = 0.5
const TENANT = 'bench'

const tool = prepareTool()
const workload = ['--series', values.series, '--scrapes', values.scrapes]
const folder = mkdtempSync(join(tmpdir(), 'nilo-blocks-'))
const isGood = await run().finally(() => rmSync(folder, { recursive: true, force: true }))
process.exit(isGood ? 0 : 1)

async function run(): Promise<boolean> {
  await runTool(tool, ['gen', ...workload])
  const blocks = await blocksOf()
  report(blocks)
  const data = join(folder, 'prometheus/data')
  const bucket = join(folder, 'bucket')
  for (const name of readdirSync(blocks)) {
    cpSync(join(blocks, name), join(data, name), { recursive: true })
    cpSync(join(blocks, name), join(bucket, TENANT, name), { recursive: true })
  }
  const prometheus = await startPrometheus(join(folder, 'prometheus'))
  const nilo = await startNilo(join(folder, 'nilo'), [`-blocks-storage.filesystem.dir=${bucket}`])
  const perRound: QueryRow[][] = []
  let isSame = true
  for (let round = 0; round < Number(values.rounds); round++) {
    const json = join(folder, `query-${round}.json`)
    const args = ['query', ...workload, '--json', json]
    if (values.only !== undefined) args.push('--only', values.only)
    args.push('--server', `prometheus=${prometheus.url},pid=${prometheus.pid}`)
    args.push('--server', `nilometer=${nilo.queryUrl},pid=${nilo.pid},tenant=${TENANT}`)
    isSame = (await runTool(tool, args)) && isSame
    perRound.push((JSON.parse(readFileSync(json, 'utf8')) as { rows: QueryRow[] }).rows)
  }
  await nilo.stop()
  await prometheus.stop()
  return reportQueries(perRound, 'prometheus') <= RATIO_MAX && isSame
}

/** The folder of the blocks, made by a Prometheus unless it is there. */
async function blocksOf(): Promise<string> {
  const kept = resolve(values.blocks ?? `.cache/blocks/${values.series}x${values.scrapes}`)
  if (existsSync(kept)) return kept
  const own = join(folder, 'made')
  const server = await startPrometheus(own)
  await runTool(tool, [
    ...['ingest', '--name', 'prometheus', ...workload, '--url', server.url],
    ...['--path', '/api/v1/write', '--settle', '5', '--concurrency', '2', '--no-verify'],
  ])
  const answer = await fetch(`${server.url}/api/v1/admin/tsdb/snapshot`, { method: 'POST' })
  const { data } = (await answer.json()) as { data: { name: string } }
  await server.stop()
  mkdirSync(kept, { recursive: true })
  cpSync(join(own, 'data/snapshots', data.name), kept, { recursive: true })
  return kept
}

async function startPrometheus(place: string) {
  mkdirSync(place, { recursive: true })
  const config = join(place, 'prometheus.yml')
  writeFileSync(config, '')
  const port = await freePort()
  const peers = process.env['PEERS'] ?? resolve('.cache/peers')
  const program = startProcess({
    command: join(peers, 'usr/bin/prometheus'),
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(place, 'data')}`,
      '--storage.tsdb.retention.time=100y',
      `--web.listen-address=127.0.0.1:${port}`,
      '--web.enable-remote-write-receiver',
      '--web.enable-admin-api',
      '--log.level=warn',
    ],
  })
  const url = `http://127.0.0.1:${port}`
  await waitForUrl(`${url}/-/ready`, program)
  return { ...program, url }
}

/** Sizes of the blocks. */
function report(blocks: string): void {
  let samples = 0
  let bytes = 0
  const names = readdirSync(blocks)
  for (const name of names) {
    const meta = JSON.parse(readFileSync(join(blocks, name, 'meta.json'), 'utf8')) as {
      stats: { numSamples: number }
    }
    samples += meta.stats.numSamples
    for (const file of readdirSync(join(blocks, name), { recursive: true, withFileTypes: true })) {
      if (file.isFile()) bytes += readFileSync(join(file.parentPath, file.name)).length
    }
  }
  print(
    `${names.length} blocks, ${samples} samples, ${(bytes / samples).toFixed(2)} bytes a sample`,
  )
}
