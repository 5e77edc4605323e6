/**
 * Blocks to measure over: the workload of the load tool, pushed to a Prometheus or to us and cut to
 * blocks there. They are kept for the next time.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { startNilo } from '../../../test/support/nilo.js'
import { freePort } from '../../../test/support/ports.js'
import { type RunningProcess, startProcess, waitForUrl } from '../../../test/support/processes.js'
import { type LoadTool, print, runTool } from '../load-tool.js'

/** Whose blocks. */
export type Maker = 'prometheus' | 'nilometer'

/** What blocks are made of. */
export interface MakeParts {
  /** The load tool. */
  readonly tool: LoadTool
  /** Its options that name the workload. */
  readonly workload: readonly string[]
  /** A scratch folder. */
  readonly folder: string
  /** Where blocks are kept, and what these are called. */
  readonly keep: string
  readonly name: string
}

/** The tenant whose blocks they are. */
export const TENANT = 'bench'

/** A folder of blocks, made unless it is there. */
export async function blocksOf(maker: Maker, parts: MakeParts): Promise<string> {
  const kept = resolve(parts.keep, `${maker}-${parts.name}`)
  if (existsSync(kept)) return kept
  mkdirSync(resolve(parts.keep), { recursive: true })
  const made = await (maker === 'prometheus' ? madeByPrometheus(parts) : madeByUs(parts))
  // Whole or not at all: a copy that was cut off would be measured the next time.
  cpSync(made, `${kept}.tmp`, { recursive: true })
  renameSync(`${kept}.tmp`, kept)
  return kept
}

/** Starts a Prometheus with its data in `place`/data. */
export async function startPrometheus(place: string): Promise<RunningProcess & { url: string }> {
  mkdirSync(place, { recursive: true })
  const config = join(place, 'prometheus.yml')
  writeFileSync(config, '')
  const port = await freePort()
  const peers = [process.env['PEERS'], resolve('.cache/peers'), resolve('.cache/components')]
  const binaries = peers.flatMap((root) => (root ? [join(root, 'usr/bin/prometheus')] : []))
  const command = binaries.find((path) => existsSync(path))
  if (command === undefined) throw new Error(`no prometheus: ${binaries.join(', ')}`)
  const program = startProcess({
    command,
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

/** Prints sizes of blocks. @returns bytes a sample */
export function reportSizes(maker: string, blocks: string): number {
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
  const perSample = bytes / samples
  print(
    `${maker}: ${names.length} blocks, ${samples} samples, ${perSample.toFixed(3)} bytes a sample`,
  )
  return perSample
}

async function madeByPrometheus({ tool, workload, folder }: MakeParts): Promise<string> {
  const own = join(folder, 'made-by-prometheus')
  const server = await startPrometheus(own)
  const to = ['--name', 'prometheus', '--url', server.url, '--path', '/api/v1/write']
  await ingest(tool, [...workload, ...to])
  const answer = await fetch(`${server.url}/api/v1/admin/tsdb/snapshot`, { method: 'POST' })
  const { data } = (await answer.json()) as { data: { name: string } }
  await server.stop()
  return join(own, 'data/snapshots', data.name)
}

async function madeByUs({ tool, workload, folder }: MakeParts): Promise<string> {
  const own = join(folder, 'made-by-us')
  // As they are cut: what compaction makes of them is another matter.
  const server = await startNilo(own, [`-compactor.disabled-tenants=${TENANT}`])
  const to = ['--name', 'nilometer', '--url', server.url, '--tenant', TENANT]
  await ingest(tool, [...workload, ...to])
  const flushed = await fetch(`${server.url}/ingester/flush?wait=true`, { method: 'POST' })
  if (!flushed.ok) throw new Error(`${flushed.status}: ${await flushed.text()}`)
  const bucket = join(own, 'blocks', TENANT)
  const isWhole = (ulid: string): boolean => existsSync(join(bucket, ulid, 'meta.json'))
  const local = readdirSync(own)
    .filter((name) => /^ingester-\d+$/.test(name))
    .flatMap((shard) => readdirSync(join(own, shard, 'blocks', TENANT)))
  while (!local.every(isWhole)) await new Promise((resolve) => setTimeout(resolve, 100))
  await server.stop()
  const whole = join(folder, 'whole')
  for (const ulid of local) cpSync(join(bucket, ulid), join(whole, ulid), { recursive: true })
  return whole
}

async function ingest(tool: LoadTool, args: readonly string[]): Promise<void> {
  const rest = ['--settle', '5', '--concurrency', '2', '--no-verify']
  if (!(await runTool(tool, ['ingest', ...args, ...rest]))) throw new Error('pushing failed')
}
