/** Merging blocks: every sample once, chunks copied where they can be, deletions applied, shards. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { SeededPrng } from '../../../../src/shared/base/prng.js'
import { ulidOf } from '../../../../src/shared/base/ulid.js'
import { xxhash64 } from '../../../../src/shared/base/xxhash64.js'
import { nodeDisk } from '../../../../src/shared/env/node-disk.js'
import { AppError } from '../../../../src/shared/errors/index.js'
import { type Labels, labelsOf } from '../../../../src/shared/model/labels.js'
import { mergeSamples } from '../../../../src/shared/tsdb/block/sample-merge.js'
import { decodeFloatHistogramChunk } from '../../../../src/shared/tsdb/chunk/float-histogram.js'
import { decodeHistogramChunk } from '../../../../src/shared/tsdb/chunk/histogram.js'
import { decodeXorChunk } from '../../../../src/shared/tsdb/chunk/xor.js'
import {
  type Block,
  type BlockChunk,
  type BlockSeries,
  compareLabels,
  encodeTombstones,
  mergeBlocks,
  openBlock,
  type StoredSeries,
  writeBlock,
} from '../../../../src/shared/tsdb/index.js'
import {
  allSeries,
  fixtureBlocks,
  floatChunk,
  gridSeries,
  scratchFolder,
} from '../../../support/blocks.js'
import { findComponent } from '../../../support/components.js'

const disk = nodeDisk()
const FROM = Date.UTC(2025, 9, 9, 10)
const HOUR = 3_600_000

function ulid(number: number): string {
  const random = new Uint8Array(10)
  random[9] = number
  return ulidOf(FROM + number, random)
}

async function written(
  t: TestContext,
  folder: string,
  series: readonly BlockSeries[],
  number: number,
): Promise<Block> {
  const name = ulid(number)
  const compaction = { level: 1, sources: [name] }
  await writeBlock(disk, folder, { ulid: name, series, compaction })
  const block = await openBlock(disk, join(folder, name))
  t.after(() => block.close())
  return block
}

async function merged(t: TestContext, folder: string, blocks: readonly Block[]): Promise<Block> {
  const [meta] = await mergeBlocks(disk, folder, { blocks, outputs: [{ ulid: ulid(99) }] })
  assert.ok(meta !== undefined)
  const block = await openBlock(disk, join(folder, meta.ulid))
  t.after(() => block.close())
  return block
}

/** Labels as one text. */
function nameOf(labels: Labels): string {
  return labels.map(({ name, value }) => `${name}=${value}`).join()
}

/** Samples of chunks as texts by time; checks that they ascend. */
function samplesOf(series: StoredSeries): [number, string][] {
  const found: [number, string][] = []
  for (const chunk of series.chunks) {
    const own = chunkSamples(chunk)
    assert.equal(own[0]![0], chunk.mint)
    assert.equal(own.at(-1)![0], chunk.maxt)
    found.push(...own)
  }
  for (let i = 1; i < found.length; i++) assert.ok(found[i]![0] > found[i - 1]![0])
  return found.filter(([t]) => !series.deleted.some((part) => t >= part.mint && t <= part.maxt))
}

function chunkSamples({ encoding, data }: BlockChunk): [number, string][] {
  if (encoding === 1) {
    const count = data[0]! * 256 + data[1]!
    const ts = new Float64Array(count)
    const values = new Float64Array(count)
    decodeXorChunk(data, ts, values)
    const bits = new BigUint64Array(values.buffer)
    return Array.from(ts, (time, i) => [time, bits[i]!.toString(16)])
  }
  const columns =
    encoding === 2 ? decodeHistogramChunk(data, 2) : decodeFloatHistogramChunk(data, 3)
  return Array.from(columns.ts, (time, i) => [
    time,
    `${columns.counts[i]} ${columns.sums[i]} ${columns.zeroCounts[i]} ${bucketSum(columns, i)}`,
  ])
}

/** Of the buckets what widening does not change: their absolute counts but for zeros. */
function bucketSum(columns: ReturnType<typeof decodeHistogramChunk>, index: number): string {
  const { buckets, width, positiveWidth, isFloat } = columns
  const counts: number[] = []
  let count = 0
  for (let b = 0; b < width; b++) {
    const value = buckets[index * width + b]!
    count = isFloat || b === 0 || b === positiveWidth ? value : count + value
    if (count !== 0) counts.push(count)
  }
  return counts.join(' ')
}

test('copies chunks of blocks that follow each other, byte for byte', async (t) => {
  const folder = scratchFolder()
  const parts = [0, 1, 2].map((hour) =>
    gridSeries({ series: 300, from: FROM + hour * HOUR, stepMs: 15_000, samples: 240 }),
  )
  const blocks: Block[] = []
  for (const [i, series] of parts.entries()) blocks.push(await written(t, folder, series, i))
  const block = await merged(t, folder, blocks)
  const found = await allSeries(block)
  assert.deepEqual(
    found.map((one) => [
      nameOf(one.labels),
      one.chunks.map((c) => Buffer.from(c.data).toString('hex')),
    ]),
    parts[0]!.map((one, i) => [
      nameOf(one.labels),
      parts.flatMap((part) => part[i]!.chunks.map((c) => Buffer.from(c.data).toString('hex'))),
    ]),
  )
  assert.deepEqual(block.meta.compaction, {
    level: 2,
    sources: [ulid(0), ulid(1), ulid(2)],
    parents: blocks.map(({ meta }) => ({
      ulid: meta.ulid,
      minTime: meta.minTime,
      maxTime: meta.maxTime,
    })),
  })
  assert.deepEqual(
    [block.meta.minTime, block.meta.maxTime],
    [blocks[0]!.meta.minTime, blocks[2]!.meta.maxTime],
  )
  assert.deepEqual(block.meta.stats, {
    numSamples: 300 * 720,
    numFloatSamples: 300 * 720,
    numSeries: 300,
    numChunks: 1800,
  })
})

/** Random series: some in this block, at random times, with gaps, some doubled. */
function randomSeries(prng: SeededPrng, block: number): BlockSeries[] {
  const series: BlockSeries[] = []
  for (let s = 0; s < 40; s++) {
    if (prng.nextU32() % 3 === 0) continue
    const chunks: BlockChunk[] = []
    let time = FROM + (prng.nextU32() % 7_200_000)
    for (let c = prng.nextU32() % 5; c >= 0; c--) {
      const ts: number[] = []
      for (let i = prng.nextU32() % 130; i >= 0; i--) {
        time += 1000 * (1 + (prng.nextU32() % 30))
        ts.push(time)
      }
      chunks.push(
        floatChunk(
          ts,
          ts.map((at) => (s % 2 === 0 ? at : at + block)),
        ),
      )
      time += prng.nextU32() % 100_000
    }
    series.push({ labels: labelsOf({ __name__: 'm', s: `s${s}`, even: String(s % 2) }), chunks })
  }
  return series.sort((a, b) => compareLabels(a.labels, b.labels))
}

test('has every sample of overlapping blocks once, the first block wins, deleted ones are gone', async (t) => {
  const prng = new SeededPrng(21)
  for (let round = 0; round < 20; round++) {
    const folder = scratchFolder()
    const expected = new Map<string, Map<number, string>>()
    const blocks: Block[] = []
    for (let b = 0; b < 3; b++) {
      const plain = await written(t, folder, randomSeries(prng, b), b)
      const marks = new Map<number, { mint: number; maxt: number }[]>()
      for (const { ref, chunks } of await allSeries(plain)) {
        if (prng.nextU32() % 4 !== 0) continue
        const mint = chunks[0]!.mint + (prng.nextU32() % 2_000_000)
        marks.set(ref, [{ mint, maxt: mint + (prng.nextU32() % 2_000_000) }])
      }
      writeFileSync(join(folder, ulid(b), 'tombstones'), encodeTombstones(marks))
      const block = await openBlock(disk, join(folder, ulid(b)))
      t.after(() => block.close())
      blocks.push(block)
      for (const series of await allSeries(block)) {
        const samples = expected.get(nameOf(series.labels)) ?? new Map<number, string>()
        expected.set(nameOf(series.labels), samples)
        for (const [time, text] of samplesOf(series)) {
          if (!samples.has(time)) samples.set(time, text)
        }
      }
    }
    const block = await merged(t, folder, blocks)
    let samples = 0
    for (const series of await allSeries(block)) {
      const want = [...(expected.get(nameOf(series.labels)) ?? [])].sort((a, b) => a[0] - b[0])
      assert.deepEqual(samplesOf(series), want, nameOf(series.labels))
      expected.delete(nameOf(series.labels))
      samples += want.length
    }
    for (const [name, left] of expected) assert.equal(left.size, 0, name)
    assert.equal(block.meta.stats.numSamples, samples)
  }
})

test("merges Prometheus' blocks, histograms too, to the samples that they have", async (t) => {
  const sources = fixtureBlocks(t)
  if (sources.length === 0) return
  const folder = scratchFolder()
  const blocks: Block[] = []
  const expected = new Map<string, Map<number, string>>()
  for (const source of sources) {
    const block = await openBlock(disk, source)
    t.after(() => block.close())
    blocks.push(block)
    for (const series of await allSeries(block)) {
      const samples = expected.get(nameOf(series.labels)) ?? new Map<number, string>()
      expected.set(nameOf(series.labels), samples)
      for (const [time, text] of samplesOf(series)) if (!samples.has(time)) samples.set(time, text)
    }
  }
  const block = await merged(t, folder, blocks)
  for (const series of await allSeries(block)) {
    const want = [...expected.get(nameOf(series.labels))!].sort((a, b) => a[0] - b[0])
    assert.deepEqual(samplesOf(series), want, nameOf(series.labels))
  }
  const promtool = findComponent(t, 'promtool')
  if (promtool === undefined) return
  mkdirSync(join(folder, 'wal'))
  // promtool's dump leaves out samples where a series turns to histograms: floats only.
  const metricOf = (series: StoredSeries) =>
    series.labels.find(({ name }) => name === '__name__')!.value
  const all = await allSeries(block)
  const mixed = new Set(
    all.filter((series) => series.chunks.some((one) => one.encoding !== 1)).map(metricOf),
  )
  const floats = all.filter((series) => !mixed.has(metricOf(series)))
  assert.ok(mixed.size > 0 && floats.length > 20)
  const match = `--match={__name__=~"${[...new Set(floats.map(metricOf))].join('|')}"}`
  const dump = execFileSync(promtool, ['tsdb', 'dump', match, folder], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  const count = floats.reduce((sum, series) => sum + samplesOf(series).length, 0)
  assert.equal(dump.trim().split('\n').length, count)
})

test('keeps a chunk that all sources have as it is', () => {
  const chunk = floatChunk([10, 20, 30], [1, 2, 3])
  const other = floatChunk([20, 40], [9, 4])
  const [joined] = mergeSamples([[chunk], [other]])
  assert.deepEqual(
    chunkSamples(joined!).map(([time]) => time),
    [10, 20, 30, 40],
  )
  assert.deepEqual(chunkSamples(joined!).slice(0, 3), chunkSamples(chunk))
})

test('splits series over shards by the hash of their labels', async (t) => {
  const folder = scratchFolder()
  const series = gridSeries({ series: 200, from: FROM, stepMs: 15_000, samples: 10 })
  const block = await written(t, folder, series, 0)
  const outputs = [1, 2, 3].map((number) => ({
    ulid: ulid(10 + number),
    thanos: {
      labels: { __compactor_shard_id__: `${number}_of_3` },
      downsample: { resolution: 0 },
      source: 'compactor',
    },
  }))
  const metas = await mergeBlocks(disk, folder, { blocks: [block], outputs })
  let total = 0
  for (const [shard, meta] of metas.entries()) {
    assert.equal(meta?.thanos?.labels.__compactor_shard_id__, `${shard + 1}_of_3`)
    const part = await openBlock(disk, join(folder, meta!.ulid))
    t.after(() => part.close())
    for (const { labels } of await allSeries(part)) {
      const bytes = labels.flatMap(({ name, value }) => [
        Buffer.from(name),
        Buffer.of(0xff),
        Buffer.from(value),
        Buffer.of(0xff),
      ])
      assert.equal(Number(xxhash64(Buffer.concat(bytes)) % 3n), shard)
      total++
    }
  }
  assert.equal(total, 200)
})

test('gives the same bytes again, and names the block that is damaged', async (t) => {
  const folder = scratchFolder()
  const parts = [0, 1].map((hour) =>
    gridSeries({ series: 100, from: FROM + hour * HOUR, stepMs: 15_000, samples: 240 }),
  )
  const blocks: Block[] = []
  for (const [i, series] of parts.entries()) blocks.push(await written(t, folder, series, i))
  await merged(t, join(folder, 'a'), blocks)
  await merged(t, join(folder, 'b'), blocks)
  for (const name of ['index', 'chunks/000001', 'meta.json']) {
    const files = ['a', 'b'].map((at) => readFileSync(join(folder, at, ulid(99), name)))
    assert.ok(files[0]!.equals(files[1]!), name)
  }
  const path = join(folder, ulid(1), 'chunks/000001')
  const bytes = readFileSync(path)
  bytes[bytes.length >> 1]! ^= 4
  writeFileSync(path, bytes)
  const input = { blocks, outputs: [{ ulid: ulid(98) }] }
  await assert.rejects(mergeBlocks(disk, join(folder, 'c'), input), (error) => {
    assert.ok(error instanceof AppError && error.id === 'block-damaged', String(error))
    assert.equal(error.details.block, ulid(1))
    return true
  })
  assert.deepEqual(disk.list(join(folder, 'c')), [])
})
