/** Kept merges beside merging anew: equal whatever is asked, and while heads and blocks change. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ColumnCache,
  STAMP_UNORDERED,
  type StampedReader,
} from '../../../src/actors/querier/column-cache.js'
import { UnionCache, type UnionRows } from '../../../src/actors/querier/union-columns.js'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import { FetchMeter, type SampleBuffer } from '../../../src/shared/promql/index.js'

/** One series: samples of blocks, and those of a head, which has it under a ref. */
interface Series {
  blocks: [number, number][]
  head: [number, number][]
  ref: number
  isLate: boolean
}

function bufferOf(): SampleBuffer {
  return { ts: new Float64Array(0), values: new Float64Array(0), count: 0, histograms: undefined }
}

/** Series as a selection of some range has them; counts how often parts were read. */
class World implements UnionRows {
  readonly series: Series[] = []
  reads = 0
  maxt = 0
  private readonly heads: StampedReader = {
    read: () => assert.fail('heads are read by readParts'),
    stamp: (ref) => {
      const { head, isLate } = this.series.find((one) => one.ref === ref)!
      return isLate ? STAMP_UNORDERED : head.length
    },
    newest: (ref) => this.series.find((one) => one.ref === ref)!.head.at(-1)?.[0] ?? -1,
    fetched: { chunks: 0, bytes: 0 },
  }

  headOf(index: number) {
    const { head, ref } = this.series[index]!
    // As a selection: a head without samples in the range is no part of it.
    const isIn = head.some(([t]) => t <= this.maxt)
    return isIn ? { reader: this.heads, ref } : undefined
  }

  readParts(index: number, mint: number, maxt: number, out: SampleBuffer): void {
    this.reads++
    const { blocks, head } = this.series[index]!
    const all = this.headOf(index) === undefined ? blocks : [...blocks, ...head]
    const found = all.filter(([t]) => t >= mint && t <= maxt).sort(([a], [b]) => a - b)
    out.ts = Float64Array.from(found, ([t]) => t)
    out.values = Float64Array.from(found, ([, value]) => value)
    out.count = found.length
    out.histograms = undefined
    out.starts = undefined
  }

  takeFetched(into: { chunks: number; bytes: number }): void {
    into.chunks++
    into.bytes += 100
  }
}

function samplesOf({ ts, values, count }: SampleBuffer): number[][] {
  return Array.from({ length: count }, (_, i) => [ts[i]!, values[i]!])
}

function check(world: World, cache: UnionCache, of: unknown[], index: number, mint: number): void {
  const got = bufferOf()
  const wanted = bufferOf()
  const columns = cache.columnsOf('t', of)
  columns.readRow(world, { index, set: index + 10 }, mint, world.maxt, got)
  world.readParts(index, mint, world.maxt, wanted)
  assert.deepEqual(samplesOf(got), samplesOf(wanted), `series ${index} from ${mint}`)
}

test('gives what merging gives while series grow, are cut, come late and come anew', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const prng = new SeededPrng(seed)
    const budget = new ColumnCache(seed % 3 === 0 ? 4_000 : 1 << 20)
    const cache = new UnionCache(budget)
    const world = new World()
    let refs = 0
    for (let i = 0; i < 6; i++) {
      world.series.push({ blocks: [[i, i]], head: [], ref: refs++, isLate: false })
    }
    let now = 10
    let blocksEnd = 10
    let cuts = 0
    for (let round = 0; round < 1500; round++) {
      if (round % 5 === 0) budget.beginQuery()
      const one = world.series[prng.below(6)]!
      now += prng.below(3)
      const what = prng.below(100)
      if (what < 60) {
        if (now > (one.head.at(-1)?.[0] ?? blocksEnd)) one.head.push([now, prng.below(1000)])
      } else if (what === 60) {
        // A cut: what heads have goes to blocks, and the blocks are others.
        for (const series of world.series) {
          series.blocks.push(...series.head)
          series.head = []
          series.isLate = false
        }
        blocksEnd = now
        cuts++
      } else if (what === 61 && one.head.length > 2) {
        one.head.splice(1, 0, [one.head[0]![0] + 0.5, -1])
        one.isLate = true
      } else if (what === 62) {
        // Another series of the same labels, under a ref of its own.
        if (one.head.length === 0) one.ref = refs++
      }
      world.maxt = Math.max(blocksEnd, now - prng.below(5))
      check(world, cache, [cuts], prng.below(6), prng.below(now))
    }
  }
})

test('a merge is kept from the second time on, appended to, and dropped with its blocks', () => {
  const world = new World()
  const head: [number, number][] = [[20, 2]]
  world.series.push({ blocks: [[10, 1]], head, ref: 0, isLate: false })
  const cache = new UnionCache(new ColumnCache(1 << 20))
  const meter = new FetchMeter()
  const read = (of: unknown[]): number => {
    const before = world.reads
    world.maxt = 100
    const columns = cache.columnsOf('t', of)
    columns.readRow(world, { index: 0, set: 7 }, 0, 100, bufferOf()).report(meter)
    return world.reads - before
  }
  assert.deepEqual([read(['a']), read(['a']), read(['a']), read(['a'])], [1, 1, 0, 0])
  assert.deepEqual([meter.cacheHits, meter.cacheMisses, meter.chunks], [2, 2, 2])
  head.push([30, 3])
  assert.deepEqual([read(['a']), read(['a'])], [1, 0], 'reads what is new')
  assert.equal(read(['b']), 1, 'other blocks')
})

test('series with histograms or start times, and those in several heads, are merged each time', () => {
  const world = new World()
  world.series.push({ blocks: [[10, 1]], head: [], ref: 0, isLate: false })
  const budget = new ColumnCache(1 << 20)
  const columns = new UnionCache(budget).columnsOf('t', [])
  const read = () => columns.readRow(world, { index: 0, set: 7 }, 0, 100, bufferOf())
  const { readParts } = world
  world.readParts = (index, mint, maxt, out) => {
    readParts.call(world, index, mint, maxt, out)
    out.starts = Float64Array.of(5)
  }
  for (let i = 0; i < 4; i++) read()
  world.readParts = readParts
  world.headOf = () => 'several' as never
  columns.dropAll()
  for (let i = 0; i < 4; i++) read()
  assert.equal(budget.bytesHeld(), 0)
})
