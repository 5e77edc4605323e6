/**
 * `npm run blocks -- [--series 10k] [--scrapes 1440] [--rounds 3] [--only r0] [--blocks DIR] [--ours]
 * [--bucket filesystem,s3] [--keep DIR] [--answers] [--end T]`: the same blocks under Prometheus and,
 * in a bucket, under nilometer; the queries of the tool beside the checkout (NILO_SHARED/tools/bench)
 * asked of both, answers compared.
 *
 * The blocks are Prometheus' own (pushed, then its snapshot) or, with `--ours`, those that we cut of
 * the same pushes; they are kept in .cache/blocks for the next time. From S3 (moto), requests and
 * bytes are counted. Exits 1 when answers differ, range queries on a filesystem take more than half of
 * Prometheus' time, our blocks more bytes than its, or S3 is asked more often than once per
 * 512 KiB of chunks; with `--answers` each query is asked once and times decide nothing.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { AS_SHIPPED, startNilo } from '../../test/support/nilo.js'
import { blocksOf, reportSizes, startPrometheus, TENANT } from './blocks/make.js'
import { type BlockBucket, fillS3, reportAsked } from './blocks/s3.js'
import { prepareTool, print, type QueryRow, reportQueries, runTool } from './load-tool.js'

const { values } = parseArgs({
  options: {
    series: { type: 'string', default: '10k' },
    scrapes: { type: 'string', default: '1440' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
    blocks: { type: 'string' },
    ours: { type: 'boolean', default: false },
    bucket: { type: 'string', default: 'filesystem' },
    keep: { type: 'string', default: '.cache/blocks' },
    answers: { type: 'boolean', default: false },
    end: { type: 'string' },
  },
})
/** What range queries may take of Prometheus' time. */
const RATIO_MAX = 0.5

const tool = prepareTool()
const workload = ['--series', values.series, '--scrapes', values.scrapes]
const folder = mkdtempSync(join(tmpdir(), 'nilo-blocks-'))
const stops: (() => Promise<void>)[] = []
const isGood = await run().finally(async () => {
  for (const stop of stops.reverse()) await stop()
  rmSync(folder, { recursive: true, force: true })
})
process.exit(isGood ? 0 : 1)

async function run(): Promise<boolean> {
  await runTool(tool, [
    'gen',
    ...workload,
    ...(values.end === undefined ? [] : ['--end', values.end]),
  ])
  const name = `${values.series}x${values.scrapes}-${workloadEnd()}`
  const parts = { tool, workload, folder, keep: values.keep, name }
  const wanted = values.blocks === undefined ? await blocksOf('prometheus', parts) : values.blocks
  let blocks = resolve(wanted)
  let isSmall = true
  const theirs = reportSizes('prometheus', blocks)
  if (values.ours) {
    blocks = await blocksOf('nilometer', parts)
    isSmall = reportSizes('nilometer', blocks) <= theirs
  }
  copyBlocks(blocks, join(folder, 'prometheus/data'))
  const prometheus = await startPrometheus(join(folder, 'prometheus'))
  stops.push(async () => void (await prometheus.stop()))
  let isRight = isSmall
  for (const kind of values.bucket.split(',')) {
    const isRightHere = await compare(kind, blocks, prometheus)
    isRight &&= isRightHere
  }
  return isRight
}

/** Asks both servers, nilometer with the blocks in a bucket of some kind. */
async function compare(
  kind: string,
  blocks: string,
  prometheus: { readonly url: string; readonly pid: number },
): Promise<boolean> {
  const bucket = kind === 's3' ? await fillS3(blocks, TENANT, stops) : undefined
  const nilo = await startNilo(join(folder, `nilo-${kind}`), [
    ...AS_SHIPPED,
    ...(bucket?.flags ?? fillFolder(blocks)),
    // The blocks stay as they are.
    `-compactor.disabled-tenants=${TENANT}`,
  ])
  stops.push(async () => void (await nilo.stop()))
  const perRound: QueryRow[][] = []
  let isSame = true
  for (let round = 0; round < Number(values.rounds); round++) {
    const json = join(folder, `query-${kind}-${round}.json`)
    const args = ['query', ...workload, '--json', json]
    if (values.only !== undefined) args.push('--only', values.only)
    if (values.answers) args.push('--runs', '1', '--min-time', '0', '--quiet')
    args.push('--server', `prometheus=${prometheus.url},pid=${prometheus.pid}`)
    args.push('--server', `nilometer=${nilo.queryUrl},pid=${nilo.pid},tenant=${TENANT}`)
    isSame = (await runTool(tool, args)) && isSame
    perRound.push((JSON.parse(readFileSync(json, 'utf8')) as { rows: QueryRow[] }).rows)
  }
  print(`blocks in ${kind}:`)
  const ratio = reportQueries(perRound, 'prometheus')
  await nilo.stop()
  return isSame && isCheap(bucket, ratio)
}

/** What moto answers takes its time: there requests count, elsewhere time. */
function isCheap(bucket: BlockBucket | undefined, ratio: number): boolean {
  if (bucket !== undefined) return reportAsked(bucket)
  return values.answers || ratio <= RATIO_MAX
}

/** The time at which the workload ends: that of blocks made of another one is another. */
function workloadEnd(): number {
  const { stdout } = spawnSync(process.execPath, [tool.script, 'gen', ...workload, '--quiet'])
  return Math.floor((JSON.parse(String(stdout)) as { maxTs: number }).maxTs / 1000)
}

function fillFolder(blocks: string): string[] {
  const bucket = join(folder, 'bucket')
  copyBlocks(blocks, join(bucket, TENANT))
  return [`-blocks-storage.filesystem.dir=${bucket}`]
}

function copyBlocks(from: string, to: string): void {
  for (const name of readdirSync(from))
    cpSync(join(from, name), join(to, name), { recursive: true })
}
