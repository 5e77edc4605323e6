/** Series of a block as values, one after the other: for dumps, tests, and writing blocks. */
import type { Labels } from '../../model/labels.js'
import type { Matcher } from '../../model/matcher.js'
import { selectRefs } from '../index/select.js'
import { chunkData } from './chunk-files.js'
import type { Block } from './reader.js'
import type { DeletedInterval } from './tombstones.js'

/** A chunk as it lies in a block. */
export interface BlockChunk {
  /** Time of the first sample, ms. */
  readonly mint: number
  /** Time of the last sample, ms. */
  readonly maxt: number
  /** As Prometheus numbers them: ENCODING_… of tsdb/chunk. */
  readonly encoding: number
  /** Without length, encoding and checksum. */
  readonly data: Uint8Array
}

/** A series with its chunks in time order. */
export interface BlockSeries {
  readonly labels: Labels
  readonly chunks: readonly BlockChunk[]
}

/** A series that was read: what of its chunks is deleted is still in them. */
export interface StoredSeries extends BlockSeries {
  readonly ref: number
  readonly deleted: readonly DeletedInterval[]
}

const BATCH = 1024
const NONE: readonly DeletedInterval[] = []

/**
 * All series that match, in the order of the block; chunk data are views of buffers that are not
 * used again.
 *
 * @throws AppError `block-damaged`
 */
export async function* readSeries(
  block: Block,
  matchers: readonly Matcher[] = [],
): AsyncGenerator<StoredSeries> {
  const refs = await selectRefs(block.index, matchers)
  for (let from = 0; from < refs.length; from += BATCH) {
    yield* await readBatch(block, refs.subarray(from, from + BATCH))
  }
}

async function readBatch(block: Block, refs: Uint32Array): Promise<StoredSeries[]> {
  const columns = await block.index.series(refs)
  const { symbols, labelEnds, chunkEnds, mints, maxts } = columns
  const ids = Uint32Array.from(new Set(symbols))
  const texts = new Map((await block.index.symbols(ids)).map((text, i) => [ids[i]!, text]))
  const chunks = await block.chunks.read(columns.segments, columns.offsets)
  return Array.from(refs, (ref, s) => {
    const labels: { name: string; value: string }[] = []
    for (let i = labelEnds[s]!; i < labelEnds[s + 1]!; i += 2) {
      labels.push({ name: texts.get(symbols[i]!)!, value: texts.get(symbols[i + 1]!)! })
    }
    const own: BlockChunk[] = []
    for (let c = chunkEnds[s]!; c < chunkEnds[s + 1]!; c++) {
      const encoding = chunks.encodings[c]!
      own.push({ mint: mints[c]!, maxt: maxts[c]!, encoding, data: chunkData(chunks, c) })
    }
    return { ref, labels, chunks: own, deleted: block.tombstones.get(ref) ?? NONE }
  })
}
