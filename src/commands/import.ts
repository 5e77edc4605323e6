/**
 * `nilo import`: OpenMetrics text with timestamps, or the blocks of a Prometheus, into a folder of
 * blocks: a tenant of a bucket on disk, or a Prometheus' data. Runs without a server.
 */
import { ulidOf } from '../shared/base/ulid.js'
import { type Disk, type Env, nodeDisk } from '../shared/env/index.js'
import { fail } from '../shared/errors/index.js'
import { BlockImporter, copyBlock, findBlocks, isUlid } from '../shared/tsdb/index.js'
import { OpenMetricsDecoder, parseSeries } from '../shared/wire/exposition/index.js'
import { parseArgs } from './block.js'

/** What `nilo import help` prints. */
export const IMPORT_HELP = `usage: nilo import -output=FOLDER <source>

  A source is a file of OpenMetrics text with a timestamp on every sample, - for standard input, or a folder
  with blocks (a Prometheus' data: what its head holds is not in blocks yet; its snapshot API makes blocks of it).

  Text becomes blocks of two hours in FOLDER; blocks are checked and copied. FOLDER is a tenant of a bucket on
  disk (data/blocks/<tenant>), or the data of a Prometheus. Samples may come in any order; of several of one
  series at one time, the first counts.
    -scratch=FOLDER   for files on the way, in FOLDER unless told`

/** What the command reaches the world through. */
export interface ImportWorld {
  readonly stdin: AsyncIterable<Uint8Array>
  readonly prng: Pick<Env['prng'], 'fill'>
  readonly clock: Pick<Env['clock'], 'monotonic'>
  /** A line of the result. */
  print(line: string): void
  /** A line of progress, at most one a second. */
  progress(line: string): void
}

const PIECE_BYTES = 1 << 20

/**
 * Runs the command.
 * @throws AppError `bad-data` for wrong arguments, wrong text (with its line) and damaged blocks
 */
export async function runImport(args: readonly string[], world: ImportWorld): Promise<void> {
  const { words, flags } = parseArgs(args, ['output', 'scratch'])
  const [source, ...rest] = words
  if (source === 'help') {
    world.print(IMPORT_HELP)
    return
  }
  const output = flags.get('output')
  if (source === undefined || rest.length > 0 || output === undefined) {
    throw fail('bad-data', { text: IMPORT_HELP })
  }
  const disk = nodeDisk()
  const facts = source === '-' ? undefined : disk.findFacts(source)
  if (source !== '-' && facts === undefined) {
    throw fail('not-found', { text: `there is no ${source}` })
  }
  if (facts?.isFolder === true) return await importBlocks(disk, source, output, world)
  const scratch = flags.get('scratch') ?? `${output}/import.tmp`
  const pieces = source === '-' ? world.stdin : piecesOf(disk, source)
  await importText(disk, pieces, { output, scratch, size: facts?.size ?? 0 }, world)
}

async function importText(
  disk: Disk,
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  to: { readonly output: string; readonly scratch: string; readonly size: number },
  world: ImportWorld,
): Promise<void> {
  const importer = new BlockImporter(disk, {
    folder: to.output,
    scratch: to.scratch,
    ulid: (minTime) => {
      const random = new Uint8Array(10)
      world.prng.fill(random)
      return ulidOf(minTime, random)
    },
  })
  try {
    const decoder = new OpenMetricsDecoder({
      sample: (bytes, from, end, t, high, low) =>
        importer.append(importer.series(bytes, from, end, parseSeries), t, high, low),
    })
    const meter = new Meter(world)
    let bytes = 0
    for await (const piece of pieces) {
      decoder.push(piece)
      bytes += piece.length
      meter.tick(() => readText(importer, bytes, to.size))
    }
    decoder.end()
    world.progress(readText(importer, bytes, to.size))
    let blocks = 0
    for await (const meta of importer.finish()) {
      blocks++
      const { numSeries, numSamples } = meta.stats
      world.print(`${meta.ulid}  ${iso(meta.minTime)}  ${numSeries} series, ${numSamples} samples`)
    }
    world.print(`${blocks} blocks of ${importer.seriesCount()} series in ${to.output}`)
  } catch (error) {
    importer.abandon()
    throw error
  }
}

function readText(importer: BlockImporter, bytes: number, size: number): string {
  const part = size > 0 ? ` (${Math.floor((bytes / size) * 100)} %)` : ''
  const series = importer.seriesCount()
  return `read ${(bytes / 1e6).toFixed(1)} MB${part}: ${importer.samples} samples, ${series} series`
}

/** Copies blocks that are good. */
async function importBlocks(
  disk: Disk,
  source: string,
  output: string,
  world: ImportWorld,
): Promise<void> {
  disk.makeFolder(output)
  const there = new Set(disk.list(output).filter(isUlid))
  const folders = findBlocks(disk, source)
  const damaged: string[] = []
  for (const [i, folder] of folders.entries()) {
    const ulid = folder.slice(-26)
    world.progress(`block ${i + 1} of ${folders.length}: ${ulid}`)
    if (there.has(ulid)) {
      world.print(`${ulid}  is there already`)
      continue
    }
    const problems = await copyBlock(disk, folder, output)
    world.print(
      `${ulid}  ${problems.length === 0 ? 'copied' : `DAMAGED, left out: ${problems[0]}`}`,
    )
    if (problems.length > 0) damaged.push(ulid)
  }
  if (damaged.length > 0) {
    throw fail('bad-data', { text: `${damaged.length} damaged blocks: ${damaged.join(' ')}` })
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
  private readonly world: ImportWorld
  private next: number

  constructor(world: ImportWorld) {
    this.world = world
    this.next = world.clock.monotonic() + 1000
  }

  tick(text: () => string): void {
    const now = this.world.clock.monotonic()
    if (now < this.next) return
    this.next = now + 1000
    this.world.progress(text())
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
