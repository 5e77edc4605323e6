/**
 * `nilo import`: OpenMetrics text with timestamps, or the blocks of a Prometheus, into the bucket of a
 * configuration or a folder of blocks. Needs no server; one that runs sees new blocks of its bucket
 * when it looks at it the next time.
 */
import { ulidOf } from '../shared/base/ulid.js'
import { blockKey, blocksBucketConfig, findObject, uploadBlock } from '../shared/blocks/index.js'
import { openBucket } from '../shared/bucket/index.js'
import { loadConfig } from '../shared/config/index.js'
import type { Disk, Env } from '../shared/env/index.js'
import { AppError, fail } from '../shared/errors/index.js'
import {
  BlockImporter,
  copyBlock,
  findBlocks,
  openBlock,
  verifyBlock,
} from '../shared/tsdb/index.js'
import { OpenMetricsDecoder, parseSeries } from '../shared/wire/exposition/index.js'
import { parseArgs } from './block.js'

/** What `nilo import help` prints. */
export const IMPORT_HELP = `usage: nilo import -tenant=T [the server's flags] <source>
       nilo import -output=FOLDER <source>

  A source is a file of OpenMetrics text with a timestamp on every sample, - for standard input, or a folder
  with blocks (a Prometheus' data: what its head holds is not in blocks yet; its snapshot API makes blocks of it).

  Text becomes blocks of two hours; samples may come in any order; of several of one series at one time, the first
  counts. Blocks are checked and copied. With -tenant they go to the bucket of the configuration (-config.file=FILE,
  -data.dir=DIR, ...); a running server sees them within blocks_storage.bucket_store.sync_interval. With -output they go
  to FOLDER, which a Prometheus may have as its data.
    -scratch=FOLDER   for files on the way; beside the output, or below data.dir, unless told`

/** What the command reaches the world through. */
export interface ImportWorld {
  readonly env: Env
  /** Variables that a configuration file may name. */
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly stdin: AsyncIterable<Uint8Array>
  /** A line of the result. */
  print(line: string): void
  /** A line of progress, at most one a second. */
  progress(line: string): void
}

const PIECE_BYTES = 1 << 20

/** Where blocks go. */
interface Target {
  /** For people: a folder, or a bucket and tenant. */
  readonly name: string
  /** For files on the way. */
  readonly scratch: string
  has(ulid: string): Promise<boolean>
  /** Takes a block that is good from its folder. */
  take(folder: string): Promise<void>
  close(): void
}

/**
 * Runs the command.
 * @throws AppError `bad-data` for wrong arguments, wrong text (with its line) and damaged blocks; of
 *   the bucket
 */
export async function runImport(args: readonly string[], world: ImportWorld): Promise<void> {
  const own = parseArgs(args, ['output', 'scratch', 'tenant'], 'others')
  const [source, ...rest] = own.words
  if (source === 'help') {
    world.print(IMPORT_HELP)
    return
  }
  if (source === undefined || rest.length > 0) throw fail('bad-data', { text: IMPORT_HELP })
  const { disk } = world.env
  const facts = source === '-' ? undefined : disk.findFacts(source)
  if (source !== '-' && facts === undefined) {
    throw fail('not-found', { text: `there is no ${source}` })
  }
  const target = await openTarget(own, world)
  try {
    if (facts?.isFolder === true) await importBlocks(source, target, world)
    else {
      const pieces = source === '-' ? world.stdin : piecesOf(disk, source)
      await importText(pieces, { target, size: facts?.size ?? 0 }, world)
    }
  } finally {
    target.close()
  }
}

async function openTarget(
  { flags, others }: { readonly flags: ReadonlyMap<string, string>; readonly others: string[] },
  { env, variables }: ImportWorld,
): Promise<Target> {
  const { disk } = env
  const output = flags.get('output')
  const tenant = flags.get('tenant')
  if ((output === undefined) === (tenant === undefined)) {
    throw fail('bad-data', { text: IMPORT_HELP })
  }
  if (output !== undefined) {
    if (others.length > 0) throw fail('bad-data', { text: `unknown flag ${others[0]}` })
    disk.makeFolder(output)
    return {
      name: output,
      scratch: flags.get('scratch') ?? `${output}/import.tmp`,
      has: async (ulid) => disk.exists(`${output}/${ulid}`),
      take: async (folder) => copyBlock(disk, folder, output),
      close: () => {},
    }
  }
  const { config } = await loadConfig(others, variables)
  const dataDir = config['data.dir']
  const place = { dataDir, component: 'import' }
  const bucket = await openBucket(blocksBucketConfig(config), place, env)
  return {
    name: `tenant ${tenant} of ${bucket.name}`,
    scratch: flags.get('scratch') ?? `${dataDir}/import.tmp`,
    has: async (ulid) =>
      (await findObject(bucket, blockKey(tenant!, ulid, 'meta.json'))) !== undefined,
    take: async (dir) => void (await uploadBlock(bucket, { tenant: tenant!, dir }, disk)),
    close: () => bucket.close(),
  }
}

async function importText(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { target, size }: { readonly target: Target; readonly size: number },
  world: ImportWorld,
): Promise<void> {
  const { disk, prng, clock } = world.env
  const { scratch } = target
  const folder = `${scratch}/blocks`
  disk.remove(scratch)
  const importer = new BlockImporter(disk, {
    folder,
    scratch: `${scratch}/ranges`,
    ulid: (minTime) => {
      const random = new Uint8Array(10)
      prng.fill(random)
      return ulidOf(minTime, random)
    },
  })
  try {
    const decoder = new OpenMetricsDecoder({
      sample: (bytes, from, end, t, high, low) =>
        importer.append(importer.series(bytes, from, end, parseSeries), t, high, low),
    })
    const meter = new Meter(clock, world.progress)
    let bytes = 0
    for await (const piece of pieces) {
      decoder.push(piece)
      bytes += piece.length
      meter.tick(() => readText(importer, bytes, size))
    }
    decoder.end()
    world.progress(readText(importer, bytes, size))
    let blocks = 0
    for await (const { ulid, minTime, stats } of importer.finish()) {
      await target.take(`${folder}/${ulid}`)
      disk.remove(`${folder}/${ulid}`)
      blocks++
      const { numSeries, numSamples } = stats
      world.print(`${ulid}  ${iso(minTime)}  ${numSeries} series, ${numSamples} samples`)
    }
    world.print(`${blocks} blocks of ${importer.seriesCount()} series in ${target.name}`)
  } finally {
    disk.remove(scratch)
  }
}

function readText(importer: BlockImporter, bytes: number, size: number): string {
  const part = size > 0 ? ` (${Math.floor((bytes / size) * 100)} %)` : ''
  const series = importer.seriesCount()
  return `read ${(bytes / 1e6).toFixed(1)} MB${part}: ${importer.samples} samples, ${series} series`
}

/** Copies blocks that are good. */
async function importBlocks(source: string, target: Target, world: ImportWorld): Promise<void> {
  const { disk } = world.env
  const folders = findBlocks(disk, source)
  const damaged: string[] = []
  for (const [i, folder] of folders.entries()) {
    const ulid = folder.slice(-26)
    world.progress(`block ${i + 1} of ${folders.length}: ${ulid}`)
    if (await target.has(ulid)) {
      world.print(`${ulid}  is there already`)
      continue
    }
    const [problem] = await problemsOf(disk, folder)
    if (problem === undefined) await target.take(folder)
    else damaged.push(ulid)
    world.print(`${ulid}  ${problem === undefined ? 'copied' : `DAMAGED, left out: ${problem}`}`)
  }
  if (damaged.length > 0) {
    throw fail('bad-data', { text: `${damaged.length} damaged blocks: ${damaged.join(' ')}` })
  }
}

async function problemsOf(disk: Disk, folder: string): Promise<readonly string[]> {
  try {
    const block = await openBlock(disk, folder)
    const { problems } = await verifyBlock(block, { samples: true }).finally(() => block.close())
    return problems
  } catch (error) {
    if (error instanceof AppError) return [error.message]
    throw error
  }
}

function* piecesOf(disk: Disk, path: string): Generator<Uint8Array> {
  const file = disk.open(path, 'read')
  try {
    const piece = new Uint8Array(PIECE_BYTES)
    for (let at = 0; ; ) {
      const count = file.read(piece, at)
      if (count === 0) return
      yield piece.subarray(0, count)
      at += count
    }
  } finally {
    file.close()
  }
}

/** Says how far things are, once a second. */
class Meter {
  private readonly clock: Env['clock']
  private readonly print: (line: string) => void
  private next: number

  constructor(clock: Env['clock'], print: (line: string) => void) {
    this.clock = clock
    this.print = print
    this.next = clock.monotonic() + 1000
  }

  tick(text: () => string): void {
    const now = this.clock.monotonic()
    if (now < this.next) return
    this.next = now + 1000
    this.print(text())
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
