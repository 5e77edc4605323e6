/** Writing blocks: as Prometheus writes them, the same bytes each time, nothing left after a failure. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { nodeDisk } from '../../../../src/shared/env/node-disk.js'
import { AppError } from '../../../../src/shared/errors/index.js'
import { SymbolTable } from '../../../../src/shared/tsdb/block/symbol-table.js'
import { IndexWriter } from '../../../../src/shared/tsdb/index/writer.js'
import {
  type BlockInput,
  type BlockSeries,
  openBlock,
  readSeries,
  writeBlock,
} from '../../../../src/shared/tsdb/index.js'
import {
  allSeries,
  fixtureBlocks,
  floatChunk,
  gridSeries,
  scratchFolder,
} from '../../../support/blocks.js'
import { findComponent, startPrometheus } from '../../../support/components.js'
import { FakeDisk } from '../../../support/fake-disk.js'

const disk = nodeDisk()
const ULID = '01HV0000000000000000000001'
const FROM = Date.UTC(2025, 9, 9, 10)
const LEVEL_1 = { level: 1, sources: [ULID] }

function input(series: BlockInput['series'], more: Partial<BlockInput> = {}): BlockInput {
  return { ulid: ULID, series, compaction: LEVEL_1, ...more }
}

/** Every file of a folder by its path, in hex where it is not text. */
function filesOf(folder: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (name !== 'chunks') found[name] = readFileSync(join(folder, name)).toString('hex')
  }
  return found
}

test("writes Prometheus' blocks again: same chunk files, symbols, series and postings", async (t) => {
  const folder = scratchFolder()
  for (const source of fixtureBlocks(t)) {
    const before = await openBlock(disk, source)
    t.after(() => before.close())
    const { ulid, minTime, maxTime, compaction } = before.meta
    // Blocks from compactions have the empty symbol, which no series uses.
    const symbols: string[] = []
    for await (const some of before.index.allSymbols()) {
      symbols.push(...some.map((text) => Buffer.from(text).toString('utf8')))
    }
    const options = { ulid, minTime, maxTime, compaction, symbols, series: readSeries(before) }
    const meta = await writeBlock(disk, folder, options)
    assert.ok(meta !== undefined)
    const after = await openBlock(disk, join(folder, ulid))
    t.after(() => after.close())
    for (const name of readdirSync(join(source, 'chunks'))) {
      const both = [source, join(folder, ulid)].map((at) => readFileSync(join(at, 'chunks', name)))
      assert.ok(both[0]!.equals(both[1]!), `${source} chunks/${name}`)
    }
    const { toc } = before.index.header
    const index = readFileSync(join(source, 'index'))
    const again = readFileSync(join(folder, ulid, 'index'))
    // Symbols and series, byte for byte: head to label indices.
    assert.ok(
      index.subarray(0, toc.labelIndices).equals(again.subarray(0, toc.labelIndices)),
      source,
    )
    assert.deepEqual(after.index.labelNames(), before.index.labelNames())
    assert.deepEqual(await after.index.allPostings(), await before.index.allPostings())
    for (const name of before.index.labelNames()) {
      const values = await before.index.labelValues(name)
      assert.deepEqual(await after.index.labelValues(name), values)
      for (const value of values) {
        const lists = [before, after].map((block) => block.index.postings(name, value))
        assert.deepEqual(await lists[0], await lists[1])
      }
    }
    const { numTombstones: _, ...stats } = before.meta.stats
    const { numFloatSamples: _f, numHistogramSamples: _h, ...counted } = meta.stats
    assert.deepEqual(counted, { ...stats, numSamples: counted.numSamples })
    assert.equal(counted.numSamples, stats.numSamples)
  }
})

test('gives the same bytes for the same series, however they come and however little room there is', async (t) => {
  const folder = scratchFolder()
  const series = gridSeries({ series: 500, from: FROM, stepMs: 15_000, samples: 240 })
  async function* later(): AsyncGenerator<BlockSeries> {
    for (const one of series) yield one
  }
  await writeBlock(disk, join(folder, 'a'), input(series))
  await writeBlock(disk, join(folder, 'b'), input(later(), { pause: async () => {} }))
  const a = filesOf(join(folder, 'a', ULID))
  assert.deepEqual(filesOf(join(folder, 'b', ULID)), a)
  assert.deepEqual(Object.keys(a).sort(), ['chunks/000001', 'index', 'meta.json', 'tombstones'])
  const block = await openBlock(disk, join(folder, 'a', ULID))
  t.after(() => block.close())
  const found = await allSeries(block)
  assert.equal(found.length, series.length)
  for (const [i, one] of series.entries()) {
    assert.deepEqual(found[i]!.labels, one.labels)
    assert.deepEqual(
      found[i]!.chunks.map((chunk) => ({ ...chunk, data: Uint8Array.from(chunk.data) })),
      one.chunks.map((chunk) => ({ ...chunk, data: Uint8Array.from(chunk.data) })),
    )
  }
})

test('writes the same index in parts as in one go', async () => {
  const folder = scratchFolder()
  const symbols = new SymbolTable()
  const rows = gridSeries({ series: 300, from: FROM, stepMs: 15_000, samples: 1 }).map(
    ({ labels }) =>
      labels.flatMap(({ name, value }) => [symbols.intern(name), symbols.intern(value)]),
  )
  const indexes: Buffer[] = []
  for (const partSize of [1, 7, 1000, 1 << 20]) {
    const path = join(folder, `index-${partSize}`)
    const writer = new IndexWriter(disk, path, async () => {}, partSize)
    // No chunks: a count of 0.
    for (const ids of rows) writer.addSeries(ids, 0, ids.length, new Uint8Array(1))
    assert.equal(await writer.finish(symbols.source()), readFileSync(path).length)
    indexes.push(readFileSync(path))
  }
  for (const index of indexes) assert.ok(index.equals(indexes[0]!))
})

test('cuts segments, and finds chunks in all of them', async (t) => {
  const folder = scratchFolder()
  const series = gridSeries({ series: 200, from: FROM, stepMs: 15_000, samples: 360 })
  await writeBlock(disk, folder, input(series, { segmentBytesMax: 20_000 }))
  const names = readdirSync(join(folder, ULID, 'chunks'))
  assert.ok(names.length > 5, names.join())
  for (const name of names) {
    assert.ok(readFileSync(join(folder, ULID, 'chunks', name)).length <= 20_000)
  }
  const block = await openBlock(disk, join(folder, ULID))
  t.after(() => block.close())
  const found = await allSeries(block)
  assert.deepEqual(
    found.map((one) => one.chunks.map((chunk) => Buffer.from(chunk.data).toString('hex'))),
    series.map((one) => one.chunks.map((chunk) => Buffer.from(chunk.data).toString('hex'))),
  )
})

test('takes a series of more chunks than fit a window, and labels of any length', async (t) => {
  const folder = scratchFolder()
  const chunk = (i: number) => floatChunk([FROM + i * 10], [i])
  const series = [
    { labels: [{ name: 'a', value: 'x'.repeat(300_000) }], chunks: [chunk(0)] },
    {
      labels: [{ name: 'b', value: 'é' }],
      chunks: Array.from({ length: 50_000 }, (_, i) => chunk(i)),
    },
    { labels: [{ name: 'c', value: '' }], chunks: [chunk(7)] },
  ]
  const meta = await writeBlock(disk, folder, input(series))
  assert.equal(meta?.stats.numChunks, 50_002)
  assert.equal(meta?.minTime, FROM)
  assert.equal(meta?.maxTime, FROM + 499_991)
  const block = await openBlock(disk, join(folder, ULID))
  t.after(() => block.close())
  const found = await allSeries(block)
  assert.deepEqual(
    found.map((one) => [one.labels, one.chunks.length]),
    series.map((one) => [one.labels, one.chunks.length]),
  )
})

test('leaves nothing of an empty block, and nothing after a failure', async () => {
  const series = gridSeries({ series: 50, from: FROM, stepMs: 15_000, samples: 10 })
  const empty = new FakeDisk()
  empty.makeFolder('data')
  assert.equal(await writeBlock(empty, 'data', input([])), undefined)
  const bare = series.map((one) => ({ ...one, chunks: [] }))
  assert.equal(await writeBlock(empty, 'data', input(bare)), undefined)
  assert.deepEqual(empty.paths(), [])
  const counting = new FakeDisk()
  counting.makeFolder('data')
  await writeBlock(counting, 'data', input(series))
  const writes = counting.calls.length
  assert.ok(writes > 10)
  for (let failing = 0; failing < writes; failing++) {
    const broken = new FakeDisk()
    broken.makeFolder('data')
    let calls = 0
    broken.fault = ({ what }) =>
      what !== 'remove' && calls++ === failing ? { fail: 'EIO' } : undefined
    try {
      await writeBlock(broken, 'data', input(series))
    } catch (error) {
      assert.ok(error instanceof AppError && error.id === 'disk-failed', String(error))
      const left = broken.paths().filter((path) => !path.startsWith(`data/${ULID}/`))
      assert.deepEqual(left, [], `call ${failing}`)
    }
  }
})

test('a power loss leaves a whole block or none', async () => {
  const series = gridSeries({ series: 50, from: FROM, stepMs: 15_000, samples: 10 })
  const whole = new FakeDisk()
  whole.makeFolder('data')
  await writeBlock(whole, 'data', input(series))
  const calls = whole.calls.length
  const files = whole.paths()
  let complete = 0
  for (let at = 0; at < calls; at++) {
    const cut = new FakeDisk()
    cut.makeFolder('data')
    let count = 0
    let image: FakeDisk | undefined
    cut.fault = () => {
      if (count++ === at) {
        image = cut.copy()
        image.crash()
      }
      return undefined
    }
    await writeBlock(cut, 'data', input(series))
    const left = image!.paths().filter((path) => path.startsWith(`data/${ULID}/`))
    if (left.length === 0) continue
    assert.deepEqual(left, files)
    for (const path of files) assert.deepEqual(image!.readFile(path), whole.readFile(path), path)
    complete++
  }
  assert.ok(complete < calls)
})

test('refuses series and chunks out of order', async () => {
  const folder = scratchFolder()
  const [a, b] = gridSeries({ series: 2, from: FROM, stepMs: 15_000, samples: 10 }) as [
    BlockSeries,
    BlockSeries,
  ]
  await assert.rejects(writeBlock(disk, folder, input([b, a])), /series 1 of block .* out of order/)
  await assert.rejects(writeBlock(disk, folder, input([a, a])), /series 1 of block .* out of order/)
  const chunks = [floatChunk([10, 20], [1, 2]), floatChunk([20, 30], [2, 3])]
  await assert.rejects(
    writeBlock(disk, folder, input([{ ...a, chunks }])),
    /a chunk of block .* out/,
  )
  assert.deepEqual(readdirSync(folder), [])
})

test('promtool and Prometheus read our blocks as their own', async (t) => {
  const promtool = findComponent(t, 'promtool')
  const prometheus = findComponent(t, 'prometheus')
  if (promtool === undefined || prometheus === undefined) return
  const folder = scratchFolder()
  const data = join(folder, 'data')
  mkdirSync(join(data, 'wal'), { recursive: true })
  const series = gridSeries({ series: 400, from: FROM, stepMs: 15_000, samples: 480 })
  await writeBlock(disk, data, input(series, { minTime: FROM, maxTime: FROM + 7_200_000 }))
  const run = (...args: string[]) => execFileSync(promtool, ['tsdb', ...args], { encoding: 'utf8' })
  assert.match(
    run('list', data),
    new RegExp(`${ULID}\\s+\\d+\\s+\\d+\\s+\\d+[^\\n]*192000\\s+1600\\s+400`),
  )
  const analysis = run('analyze', data, ULID)
  assert.match(analysis, /Total Series: 400/)
  assert.match(analysis, /Label names: 4/)
  const dumped = run('dump', '--match={shard="17"}', data).trim().split('\n')
  assert.equal(dumped.length, 480)
  for (const source of fixtureBlocks(t))
    cpSync(source, join(data, source.slice(-26)), { recursive: true })
  const server = await startPrometheus({ binary: prometheus, folder, config: () => '' })
  t.after(() => server.stop())
  const time = (FROM + 3_600_000) / 1000
  const query = encodeURIComponent('count by (job) ({shard=~".+"})')
  const answer = await fetch(`${server.url}/api/v1/query?query=${query}&time=${time}`)
  const { data: result } = (await answer.json()) as {
    data: { result: { value: [number, string] }[] }
  }
  assert.deepEqual(
    result.result.map((row) => row.value[1]),
    ['200', '200'],
  )
})
