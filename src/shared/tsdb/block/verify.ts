/**
 * Reads a block from end to end and says what is wrong with it: for `nilo block verify`, for what a
 * compaction has written, and to find the source that a compaction failed on. Bounded memory: some
 * hundred series at a time, and 8 bytes per label pair.
 */
import { AppError } from '../../errors/index.js'
import { PairTable } from '../index/pair-table.js'
import type { SeriesColumns } from '../index/series.js'
import { type ChunkColumns, chunkData } from './chunk-files.js'
import type { Block } from './reader.js'
import { timesOfChunk } from './sample-merge.js'
import { sampleCount } from './writer.js'

/** What was found. */
export interface BlockReport {
  readonly series: number
  readonly chunks: number
  readonly samples: number
  /** Bytes of chunk data. */
  readonly chunkBytes: number
  /** At most PROBLEMS_MAX of them; empty when the block is good. */
  readonly problems: readonly string[]
}

/** How far a check goes. */
export interface VerifyOptions {
  /** Decode all samples, and compare their times with the index. */
  readonly samples?: boolean
  readonly pause?: () => Promise<void>
}

const PROBLEMS_MAX = 100
const BATCH = 512
/** Lists of postings read at once. */
const LISTS = 512

/** Checks a block. Damage is a problem of the report, never thrown. */
export async function verifyBlock(block: Block, options: VerifyOptions = {}): Promise<BlockReport> {
  const check = new BlockCheck(block, options)
  try {
    await check.run()
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    check.problems.push(error.message)
  }
  return check.report()
}

class BlockCheck {
  readonly problems: string[] = []
  private readonly block: Block
  private readonly options: VerifyOptions
  private readonly pairs = new PairTable()
  private series = 0
  private chunks = 0
  private samples = 0
  private chunkBytes = 0
  private previous: Uint32Array = new Uint32Array(0)

  constructor(block: Block, options: VerifyOptions) {
    this.block = block
    this.options = options
  }

  report(): BlockReport {
    const { series, chunks, samples } = this
    const problems = this.problems.slice(0, PROBLEMS_MAX)
    return { series, chunks, samples, chunkBytes: this.chunkBytes, problems }
  }

  async run(): Promise<void> {
    const { index } = this.block
    await this.checkSymbols()
    const refs = await index.allPostings()
    for (let from = 0; from < refs.length && this.problems.length < PROBLEMS_MAX; from += BATCH) {
      const columns = await index.series(refs.subarray(from, from + BATCH))
      const chunks = await this.block.chunks.read(columns.segments, columns.offsets)
      this.checkLabels(columns)
      for (let s = 0; s < columns.count; s++) this.checkChunks(columns, chunks, s)
      await this.options.pause?.()
    }
    await this.checkPostings(refs)
    this.checkStats()
  }

  private async checkSymbols(): Promise<void> {
    let previous: Uint8Array | undefined
    for await (const texts of this.block.index.allSymbols()) {
      for (const text of texts) {
        if (previous !== undefined && Buffer.compare(previous, text) >= 0) {
          this.problems.push(`symbols are out of order at ${Buffer.from(text).toString()}`)
          return
        }
        previous = text
      }
    }
  }

  private checkLabels(columns: SeriesColumns): void {
    const { symbols, labelEnds, refs } = columns
    for (let s = 0; s < columns.count; s++) {
      // Symbols are sorted: their numbers order as their texts.
      const own = symbols.subarray(labelEnds[s]!, labelEnds[s + 1]!)
      for (let i = labelEnds[s]!; i < labelEnds[s + 1]!; i += 2) {
        this.pairs.add(symbols[i]!, symbols[i + 1]!)
        if (i > labelEnds[s]! && symbols[i]! <= symbols[i - 2]!) {
          this.problems.push(`series ${refs[s]}: labels are out of order`)
        }
      }
      if (this.series > 0 && !isBefore(this.previous, own)) {
        this.problems.push(`series ${refs[s]} is out of order`)
      }
      this.previous = own
      this.series++
    }
  }

  private checkChunks(columns: SeriesColumns, chunks: ChunkColumns, series: number): void {
    const { chunkEnds, mints, maxts, refs } = columns
    const { minTime, maxTime } = this.block.meta
    for (let i = chunkEnds[series]!; i < chunkEnds[series + 1]!; i++) {
      const name = `series ${refs[series]}, chunk ${i - chunkEnds[series]!}`
      const data = chunkData(chunks, i)
      this.chunks++
      this.chunkBytes += data.length
      this.samples += sampleCount(chunks.encodings[i]!, data)
      if (i > chunkEnds[series]! && mints[i]! <= maxts[i - 1]!) {
        this.problems.push(`${name}: overlaps the one before`)
      }
      if (mints[i]! < minTime || maxts[i]! >= maxTime) {
        this.problems.push(`${name}: ${mints[i]} to ${maxts[i]} is outside of the block's times`)
      }
      if (this.options.samples === true) this.checkSamples(name, columns, chunks, i)
    }
  }

  private checkSamples(
    name: string,
    columns: SeriesColumns,
    chunks: ChunkColumns,
    i: number,
  ): void {
    const ts = timesOfChunk(chunks.encodings[i]!, chunkData(chunks, i))
    for (let k = 1; k < ts.length; k++) {
      if (ts[k]! > ts[k - 1]!) continue
      this.problems.push(`${name}: sample ${k} is not newer than the one before`)
      return
    }
    if (ts[0] === columns.mints[i] && ts.at(-1) === columns.maxts[i]) return
    this.problems.push(
      `${name}: its samples are not from ${columns.mints[i]} to ${columns.maxts[i]}`,
    )
  }

  /** Every list has as many references as series have the label, ascending, all of them known. */
  private async checkPostings(refs: Uint32Array): Promise<void> {
    const { index } = this.block
    // Bits: references are offsets by sixteenths, 8 MiB of them per GiB of index.
    const known = new Uint8Array(((refs.at(-1) ?? 0) >>> 3) + 1)
    for (const ref of refs) known[ref >>> 3]! |= 1 << (ref & 7)
    let lists = 0
    for (const name of index.labelNames()) {
      const rows = await index.valueRows(name)
      // Lists of one name have no series twice: so many at a time are bounded by the series.
      for (let from = 0; from < rows.length; from += LISTS) {
        const batch = rows.slice(from, from + LISTS)
        for (const [at, list] of (await index.lists(batch)).entries()) {
          lists += list.length
          const wrong = findWrong(list, known)
          if (wrong === undefined) continue
          this.problems.push(`postings of ${name}=${batch[at]!.value}: reference ${wrong} is wrong`)
          if (this.problems.length >= PROBLEMS_MAX) return
        }
        await this.options.pause?.()
      }
    }
    let labels = 0
    for (let pair = 0; pair < this.pairs.size; pair++) labels += this.pairs.counts[pair]!
    if (lists !== labels) {
      this.problems.push(`postings have ${lists} references, series have ${labels} labels`)
    }
  }

  private checkStats(): void {
    const { stats } = this.block.meta
    const counts = { numSeries: this.series, numChunks: this.chunks, numSamples: this.samples }
    for (const [name, count] of Object.entries(counts) as [keyof typeof counts, number][]) {
      if (stats[name] === count) continue
      this.problems.push(`meta.json has ${name} ${stats[name]}, the block has ${count}`)
    }
  }
}

/** The first reference of a list that is none, or not above the one before. */
function findWrong(list: Uint32Array, known: Uint8Array): number | undefined {
  for (let i = 0; i < list.length; i++) {
    const ref = list[i]!
    const isKnown = ref >>> 3 < known.length && ((known[ref >>> 3]! >> (ref & 7)) & 1) === 1
    if (!isKnown || (i > 0 && ref <= list[i - 1]!)) return ref
  }
  return undefined
}

function isBefore(a: Uint32Array, b: Uint32Array): boolean {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! < b[i]!
  return a.length < b.length
}
