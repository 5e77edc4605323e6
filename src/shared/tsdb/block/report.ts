/**
 * What `nilo block` prints: lists, sums, checks and dumps of blocks, line by line. A path is a block,
 * a folder of blocks (a Prometheus' data, a tenant of a bucket), or a folder of those.
 */
import { printFloatShort } from '../../base/go-number.js'
import { quoteGo } from '../../base/go-string.js'
import type { Disk } from '../../env/index.js'
import { fail } from '../../errors/index.js'
import { printHistogram } from '../../model/histogram-text.js'
import type { Labels } from '../../model/labels.js'
import type { Matcher } from '../../model/matcher.js'
import { sectionEnd } from '../index/format.js'
import type { IndexReader } from '../index/reader.js'
import { type BlockMeta, decodeBlockMeta, isUlid } from './meta.js'
import { type Block, openBlock } from './reader.js'
import { samplesOfChunk } from './sample-merge.js'
import { readSeries, type StoredSeries } from './series.js'
import { verifyBlock } from './verify.js'

/** Folders below a path that are searched for blocks. */
const DEPTH_MAX = 3
/** Rows of each "most" list. */
const TOP = 10

/**
 * Folders of the blocks at a path, sorted.
 * @throws AppError `not-found` when there is none
 */
export function findBlocks(disk: Disk, path: string): string[] {
  const found = search(disk, path.replace(/(?<=.)\/+$/, ''), DEPTH_MAX)
  if (found.length === 0) throw fail('not-found', { text: `there is no block in ${path}` })
  return found
}

function search(disk: Disk, path: string, depth: number): string[] {
  const name = path.slice(path.lastIndexOf('/') + 1)
  if (isUlid(name)) return disk.exists(`${path}/meta.json`) ? [path] : []
  if (depth === 0 || disk.findFacts(path)?.isFolder !== true) return []
  return disk.list(path).flatMap((entry) => search(disk, `${path}/${entry}`, depth - 1))
}

/** One line per block, after a line of titles. */
export function* listBlocks(disk: Disk, path: string): Generator<string> {
  yield row('ULID', 'FROM', 'TO', 'LEVEL', 'SERIES', 'SAMPLES', 'CHUNKS', 'LABELS')
  for (const folder of findBlocks(disk, path)) {
    const meta = decodeBlockMeta(disk.readFile(`${folder}/meta.json`), folder)
    const { stats, compaction, thanos } = meta
    const labels = Object.entries(thanos?.labels ?? {}).map(([name, value]) => `${name}=${value}`)
    yield row(
      meta.ulid,
      time(meta.minTime),
      time(meta.maxTime),
      String(compaction.level),
      String(stats.numSeries),
      String(stats.numSamples),
      String(stats.numChunks),
      [...labels, ...(compaction.hints ?? [])].join(' '),
    )
  }
}

function row(...cells: readonly string[]): string {
  const widths = [28, 26, 26, 7, 11, 13, 11, 0]
  return cells
    .map((cell, i) => cell.padEnd(widths[i]!))
    .join('')
    .trimEnd()
}

/** What a block is made of: sizes, encodings, the names and pairs with the most series. */
export async function* inspectBlock(disk: Disk, path: string): AsyncGenerator<string> {
  for (const folder of findBlocks(disk, path)) {
    const block = await openBlock(disk, folder)
    try {
      yield* describe(block, bytesOf(disk, folder))
    } finally {
      block.close()
    }
  }
}

async function* describe(block: Block, chunkBytes: number): AsyncGenerator<string> {
  const { meta, index } = block
  const { toc, indexBytes, symbols } = index.header
  const size = (from: number) => sectionEnd(toc, from, indexBytes) - from
  yield `${meta.ulid}  ${time(meta.minTime)} to ${time(meta.maxTime)}, level ${meta.compaction.level}`
  yield* sources(meta)
  const { numSeries, numSamples, numChunks } = meta.stats
  yield `  ${numSeries} series, ${numSamples} samples, ${numChunks} chunks`
  const perSample = ((chunkBytes + indexBytes) / Math.max(1, numSamples)).toFixed(3)
  yield `  chunks ${chunkBytes} bytes, index ${indexBytes} bytes: ${perSample} bytes per sample`
  yield `  index: symbols ${size(toc.symbols)} (${symbols.count}), series ${size(toc.series)}, postings ${size(toc.postings)}, offsets ${size(toc.postingsOffsetTable)}`
  const encodings = await countEncodings(block)
  yield `  encodings: ${[...encodings].map(([encoding, count]) => `${encoding}: ${count}`).join(', ')}`
  yield '  label names with the most values:'
  const names = index.labelNames().map((name): [string, number] => [name, index.valueCount(name)])
  for (const [name, count] of top(names)) yield `    ${String(count).padStart(9)}  ${name}`
  yield '  metrics with the most series:'
  const metrics = await seriesCounts(index, ['__name__'])
  for (const [name, count] of top(metrics)) yield `    ${String(count).padStart(9)}  ${name}`
  yield '  labels with the most series:'
  const pairs = await seriesCounts(index, index.labelNames())
  for (const [name, count] of top(pairs)) yield `    ${String(count).padStart(9)}  ${name}`
}

function* sources(meta: BlockMeta): Generator<string> {
  const { parents, sources: from } = meta.compaction
  if (parents !== undefined) yield `  parents: ${parents.map((parent) => parent.ulid).join(' ')}`
  else if (from.some((ulid) => ulid !== meta.ulid)) yield `  sources: ${from.join(' ')}`
}

/** Series of each label of some names, by the lengths of their postings. */
async function seriesCounts(
  index: IndexReader,
  names: readonly string[],
): Promise<[string, number][]> {
  const counts: [string, number][] = []
  for (const name of names) {
    const rows = await index.valueRows(name)
    for (let from = 0; from < rows.length; from += 1024) {
      const some = rows.slice(from, from + 1024)
      const lists = await index.lists(some)
      const own = some.map((found, i): [string, number] => [
        `${name}=${quoteGo(found.value)}`,
        lists[i]!.length,
      ])
      counts.splice(0, counts.length, ...top([...counts, ...own]))
    }
  }
  return counts
}

function top(counts: readonly [string, number][]): [string, number][] {
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, TOP)
}

async function countEncodings(block: Block): Promise<Map<number, number>> {
  const counts = new Map<number, number>()
  const refs = await block.index.allPostings()
  for (let from = 0; from < refs.length; from += 512) {
    const { segments, offsets } = await block.index.series(refs.subarray(from, from + 512))
    const { encodings } = await block.chunks.read(segments, offsets)
    for (const encoding of encodings) counts.set(encoding, (counts.get(encoding) ?? 0) + 1)
  }
  return new Map([...counts].sort((a, b) => a[0] - b[0]))
}

function bytesOf(disk: Disk, folder: string): number {
  let bytes = 0
  for (const name of disk.list(`${folder}/chunks`)) {
    const file = disk.open(`${folder}/chunks/${name}`, 'read')
    bytes += file.size()
    file.close()
  }
  return bytes
}

/**
 * Reads every byte of every block at a path.
 * @throws AppError `bad-data` at the end when a block is damaged
 */
export async function* verifyBlocks(disk: Disk, path: string): AsyncGenerator<string> {
  let bad = 0
  for (const folder of findBlocks(disk, path)) {
    let problems: readonly string[]
    let text = ''
    try {
      const block = await openBlock(disk, folder)
      const report = await verifyBlock(block, { samples: true })
      block.close()
      problems = report.problems
      text = `${report.series} series, ${report.chunks} chunks, ${report.samples} samples`
    } catch (error) {
      problems = [(error as Error).message]
    }
    yield `${folder}: ${problems.length === 0 ? `good, ${text}` : 'DAMAGED'}`
    for (const problem of problems) yield `  ${problem}`
    if (problems.length > 0) bad++
  }
  if (bad > 0) throw fail('bad-data', { text: `${bad} damaged blocks` })
}

/** What a dump is narrowed to. */
export interface DumpOptions {
  readonly matchers: readonly Matcher[]
  /** ms, inclusive. */
  readonly mint: number
  readonly maxt: number
}

/** All samples, as `promtool tsdb dump` prints them: labels, value, time in ms. */
export async function* dumpBlocks(
  disk: Disk,
  path: string,
  options: DumpOptions,
): AsyncGenerator<string> {
  for (const folder of findBlocks(disk, path)) {
    const block = await openBlock(disk, folder)
    try {
      for await (const series of readSeries(block, options.matchers)) {
        yield* dumpSeries(series, options)
      }
    } finally {
      block.close()
    }
  }
}

function* dumpSeries(series: StoredSeries, { mint, maxt }: DumpOptions): Generator<string> {
  const { chunks, deleted } = series
  const name = printLabels(series.labels)
  for (const chunk of chunks) {
    if (chunk.maxt < mint || chunk.mint > maxt) continue
    for (const [t, value] of samplesOfChunk(chunk)) {
      if (t < mint || t > maxt) continue
      if (deleted.some((part) => part.mint <= t && part.maxt >= t)) continue
      const text = typeof value === 'number' ? printFloatShort(value) : printHistogram(value)
      yield `${name} ${text} ${t}`
    }
  }
}

function printLabels(labels: Labels): string {
  return `{${labels.map(({ name, value }) => `${name}=${quoteGo(value)}`).join(', ')}}`
}

function time(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}
