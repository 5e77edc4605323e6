/**
 * A frozen part of a head → blocks (architecture §8.19): read in place from the shard's memory under
 * a lease while the shard goes on taking samples. What is in order below the end of the ranges does
 * not change any more, nor do the frozen chunks of what came out of order; each range becomes a
 * block, and each two hours that have samples out of order become one of their own.
 *
 * Blocks are built in the shard's scratch folder: whoever asked puts them where they belong.
 */
import { ulidOf } from '../../shared/base/ulid.js'
import type { Collect, Env } from '../../shared/env/index.js'
import { fail } from '../../shared/errors/index.js'
import {
  type BlockMeta,
  type BlockSeries,
  type ChunkRange,
  HeadChunks,
  type NumberedBlockInput,
  type NumberedSeries,
  type OrderedSeries,
  OUT_OF_ORDER_HINT,
  orderByLabels,
  writeNumberedBlock,
} from '../../shared/tsdb/index.js'
import type { BuildRequest, BuiltBlock } from './contract.js'

/** What building works with. */
export interface BuildParts {
  readonly env: Env
  readonly kernel: WebAssembly.Module
  /** Of the readers of a shard's memory, this compactor's alone. */
  readonly readerSlot: number
  /** The actor is to stop: a build that goes on is given up. */
  isStopping(): boolean
  /** Awaited between slices of about a millisecond. */
  pause(): Promise<void>
  /** A block leaves columns of megabytes, which V8 would keep beside those of the next one. */
  readonly collect: Collect
}

/** Builds the blocks that a request asks for; ranges without samples have none. */
export async function buildBlocks(parts: BuildParts, request: BuildRequest): Promise<BuiltBlock[]> {
  const { kernel, readerSlot, env } = parts
  const chunks = new HeadChunks(request.memory, kernel, readerSlot, env.disk)
  const built: BuiltBlock[] = []
  chunks.takeLease()
  try {
    const inOrder = await orderByLabels(chunks.view, request.refs, parts.pause)
    for (const range of request.ranges) {
      const series = seriesOf(parts, inOrder, (ref) =>
        chunks.overlaps(ref, range) ? chunks.chunks(ref, range) : [],
      )
      const meta = await build(parts, request, range, { symbols: inOrder.symbols, series })
      if (meta !== undefined) built.push(builtOf(meta, false))
    }
    const late = await orderByLabels(chunks.view, request.lateRefs, parts.pause)
    for (const range of lateRanges(chunks, request)) {
      const series = seriesOf(parts, late, (ref) => chunks.lateChunks(ref, range))
      const hints = [OUT_OF_ORDER_HINT]
      const meta = await build(parts, request, range, { symbols: late.symbols, series, hints })
      if (meta !== undefined) built.push(builtOf(meta, true))
    }
    return built
  } finally {
    chunks.endLease()
    chunks.close()
  }
}

/** What of a block is its series. */
type BuildInput = Pick<NumberedBlockInput, 'symbols' | 'series'> & {
  readonly hints?: readonly string[]
}

function* seriesOf(
  { isStopping }: BuildParts,
  series: OrderedSeries,
  chunksOf: (ref: number) => BlockSeries['chunks'],
): Generator<NumberedSeries> {
  for (const ref of series.refs) {
    if (isStopping()) throw fail('shutting-down', {})
    const chunks = chunksOf(ref)
    if (chunks.length > 0) yield { ids: series.idsOf(ref), chunks }
  }
}

async function build(
  { env, pause, collect }: BuildParts,
  request: BuildRequest,
  range: ChunkRange,
  { symbols, series, hints }: BuildInput,
): Promise<BlockMeta | undefined> {
  const random = new Uint8Array(10)
  env.prng.fill(random)
  const ulid = ulidOf(env.clock.now(), random)
  collect()
  return await writeNumberedBlock(env.disk, request.folder, {
    ulid,
    minTime: range.mint,
    maxTime: range.maxt,
    compaction: { level: 1, sources: [ulid], ...(hints === undefined ? {} : { hints }) },
    symbols,
    series,
    pause,
  })
}

/** The block ranges in which the series have frozen samples, in order. */
function lateRanges(chunks: HeadChunks, { lateRefs, rangeMs }: BuildRequest): ChunkRange[] {
  const starts = new Set<number>()
  for (const ref of lateRefs) {
    const found = chunks.lateRange(ref)
    if (found === undefined) continue
    const first = Math.floor(found.first / rangeMs)
    for (let n = first; n * rangeMs <= found.last; n++) starts.add(n * rangeMs)
  }
  return [...starts].sort((a, b) => a - b).map((mint) => ({ mint, maxt: mint + rangeMs }))
}

function builtOf(meta: BlockMeta, isOutOfOrder: boolean): BuiltBlock {
  const { ulid, minTime, maxTime, stats } = meta
  const { numSeries, numSamples } = stats
  return { ulid, minTime, maxTime, numSeries, numSamples, isOutOfOrder }
}
