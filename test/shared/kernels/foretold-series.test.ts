/**
 * Series that come as foretold are walked, attended and scattered by a short way of their own. It
 * must end as the long way: bodies go through two kernels, one of which is made to foretell nothing.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeriesCache } from '../../../src/actors/distributor/series-cache.js'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import { createHashring } from '../../../src/shared/hashring/index.js'
import * as layout from '../../../src/shared/kernels/assembly/write-request-layout.js'
import { compileKernel } from '../../../src/shared/kernels/load.js'
import { NO_OFFENDER, WriteRequestKernel } from '../../../src/shared/kernels/write-request.js'
import { Limits } from '../../../src/shared/limits/index.js'
import { testLimits } from '../../support/limits.js'
import { below, field, labelField, sampleField, varint } from './write-request-harness.js'

const SEED = Number(process.env['SEED'] ?? 1)
const ROUNDS = 150
const TIME = 1_700_000_000_000
const [TIME_MIN, TIME_MAX] = [TIME - 1_000_000, TIME + 1_000_000]
const LIMITS = new Limits(testLimits({ max_label_names_per_series: 6 })).defaults()
const SIZES = {
  bodyBytesMax: 1 << 18,
  sourceBytesMax: 1 << 16,
  defineBytesMax: 1 << 16,
  seriesIdsMax: 4_096,
  heapBytes: 4 << 20,
  templateBytes: 1 << 20,
}

/** What became of a body: samples by shard, what was refused, what was defined. */
interface Outcome {
  readonly samples: string[][]
  readonly refused: number[]
  readonly offender: string
  readonly defined: string[]
}

class Side {
  readonly kernel: WriteRequestKernel
  private readonly cache: SeriesCache
  private readonly foretells: boolean
  /** Rows that were plain. */
  plain = 0

  constructor(shardCount: number, samplesMax: number, foretells: boolean) {
    const random = new SeededPrng(7)
    this.kernel = new WriteRequestKernel(
      compileKernel('write-request'),
      { ...SIZES, shardCount, samplesMax },
      (bytes) => random.fill(bytes),
      createHashring(shardCount),
    )
    this.kernel.setLimits(LIMITS)
    this.kernel.setTimeRange(TIME_MIN, TIME_MAX)
    this.cache = new SeriesCache(this.kernel)
    this.foretells = foretells
  }

  push(body: Uint8Array): Outcome | undefined {
    const { kernel, cache } = this
    const shards = kernel.shards.map(() => [] as string[])
    const outcome = {
      samples: shards,
      refused: [] as number[],
      offender: '',
      defined: [] as string[],
    }
    const tenant = cache.open('acme', LIMITS)
    if (!this.foretells) this.forget(tenant.record)
    kernel.bytes.set(body, kernel.body)
    kernel.beginBody(body.length)
    kernel.set(layout.TENANT, tenant.record)
    for (let code: number = layout.WALK_MORE; code !== layout.WALK_DONE; ) {
      this.beginChunk()
      code = kernel.exports.walk(kernel.context)
      while (code === layout.WALK_ROOM) {
        assert.ok(cache.makeRoom(tenant))
        code = kernel.exports.walk(kernel.context)
      }
      if (code < 0) return undefined
      const names = this.names()
      kernel.exports.attend(kernel.context)
      for (const row of this.attended()) outcome.defined.push(names.get(this.idOf(row))!)
      if (kernel.exports.defineRows(kernel.context) < 0) return undefined
      kernel.exports.scatter(kernel.context)
      this.read(names, shards)
      this.plain += kernel.get(layout.ROW_COUNT) - kernel.get(layout.OTHER_COUNT)
      const offender = kernel.get(layout.OFFENDER)
      if (offender !== NO_OFFENDER && outcome.offender === '') {
        outcome.offender = `${names.get(this.idOf(kernel.rowOfSample(offender)))} ${kernel.get(layout.OFFENDER_REASON)}`
      }
    }
    const counts = (kernel.context + layout.COUNTS) >>> 2
    outcome.refused.push(...kernel.words.subarray(counts, counts + layout.REASONS_MAX))
    return outcome
  }

  /** A new link of a shard: nothing is defined on it. */
  relink(shard: number): void {
    const { kernel } = this
    const at = kernel.shards[shard]!.defined
    kernel.bytes.fill(0, at, at + SIZES.seriesIdsMax / 8)
  }

  private forget(tenant: number): void {
    const { kernel } = this
    const next = kernel.get(layout.ID_NEXT) >>> 2
    kernel.words.fill(0, next, next + SIZES.seriesIdsMax)
    kernel.words[(tenant + layout.TENANT_PREVIOUS) >>> 2] = 0
  }

  private beginChunk(): void {
    const { kernel } = this
    kernel.beginChunk()
    for (const { record } of kernel.shards) {
      kernel.words[(record + layout.SHARD_DEFINE_SIZE) >>> 2] = 0
      kernel.words[(record + layout.SHARD_DEFINE_COUNT) >>> 2] = 0
    }
  }

  private idOf(row: number): number {
    const { kernel } = this
    const first = kernel.words[(kernel.rowAt(row) + layout.ROW_FIRST) >>> 2]!
    return kernel.words[(kernel.get(layout.COLUMN_IDS) >>> 2) + first]!
  }

  private attended(): number[] {
    const { kernel } = this
    const at = kernel.attention >>> 2
    return [...kernel.words.subarray(at, at + kernel.get(layout.ATTENTION_COUNT))]
  }

  /** Label bytes of the chunk's series, by id. */
  private names(): Map<number, string> {
    const names = new Map<number, string>()
    for (let row = 0; row < this.kernel.get(layout.ROW_COUNT); row++) {
      names.set(this.idOf(row), Buffer.from(this.kernel.rowLabels(row)).toString('latin1'))
    }
    return names
  }

  private read(names: ReadonlyMap<number, string>, shards: string[][]): void {
    const { kernel } = this
    const { buffer } = kernel.bytes
    for (const [index, shard] of kernel.shards.entries()) {
      const count = kernel.words[(shard.record + layout.SHARD_COUNT) >>> 2]!
      const ids = new Uint32Array(buffer, shard.ids, count)
      const times = new Float64Array(buffer, shard.times, count)
      const values = new BigUint64Array(buffer, shard.values, count)
      for (let i = 0; i < count; i++) {
        shards[index]!.push(`${names.get(ids[i]!)} ${times[i]} ${values[i]}`)
      }
    }
  }
}

function isRefused(index: number): boolean {
  return index % 29 === 28
}

/** A series of this number, the same labels each time; some break a limit. */
function labelsOf(index: number): Buffer {
  const labels = [labelField('__name__', `metric_${index}`)]
  if (index % 3 !== 0) labels.push(labelField('pod', 'p'.repeat((index * 37) % 300)))
  if (isRefused(index)) labels.push(labelField('not valid', 'x'))
  return Buffer.concat(labels)
}

/** What is odd in a scrape. */
const CALM = 0
const TIMES = 1
const ALL = 2

function timeOf(random: SeededPrng, now: number, odd: number): number {
  if (odd === CALM) return now

  const times = [TIME_MAX + 1, TIME_MIN - 1, TIME_MAX, TIME_MIN, 5, 2 ** 42, 2 ** 45]
  return below(random, 100) === 0 ? times[below(random, times.length)]! : now
}

function samplesOf(random: SeededPrng, now: number, odd: number): Buffer {
  const value = below(random, 3) === 0 ? 0 : random.nextU32() / 7
  const usual = sampleField(timeOf(random, now, odd), value)
  if (odd !== ALL) return usual
  switch (below(random, 80)) {
    case 0:
      return Buffer.concat([usual, sampleField(timeOf(random, now + 1, odd), 2)])
    case 1:
      // The value last, then a time of ten bytes, then a field that nobody knows.
      return field(
        2,
        Buffer.concat([Buffer.from([16]), varint(now), Buffer.from([9]), Buffer.alloc(8)]),
      )
    case 2:
      return field(2, Buffer.concat([Buffer.from([16]), varint(-5n)]))
    case 3:
      return Buffer.concat([usual, field(9, Buffer.from('abc'))])
    case 4:
      return Buffer.concat([usual, field(3, Buffer.from([9, 0, 0, 0, 0, 0, 0, 0, 0]))])
    case 5:
      return Buffer.alloc(0)
    default:
      return usual
  }
}

/** A scrape of series [0, count), in order, all of them; or nearly so. */
function scrapeOf(random: SeededPrng, count: number, now: number, odd: number): Buffer {
  const parts: Buffer[] = []
  for (let i = 0; i < count; i++) {
    const kind = odd === ALL ? below(random, 100) : 99
    // One that is refused has no chunk dealt in the short way.
    if (kind === 0 || (odd !== ALL && isRefused(i))) continue
    const index = kind === 1 ? below(random, count) : i
    const series = Buffer.concat([labelsOf(index), samplesOf(random, now, odd)])
    parts.push(field(1, series, kind === 2 ? 1 : 0))
    if (kind === 3) parts.push(field(3, Buffer.from([8, 1])))
  }
  return Buffer.concat(parts)
}

for (const [shardCount, samplesMax] of [
  [1, 65_536],
  [1, 50],
  [3, 65_536],
] as const) {
  test(`foretold series end as all others do: ${shardCount} shards, chunks of ${samplesMax} (seed ${SEED})`, () => {
    const random = new SeededPrng(SEED)
    const short = new Side(shardCount, samplesMax, true)
    const long = new Side(shardCount, samplesMax, false)
    let rows = 0
    let refused = 0
    for (let round = 0; round < ROUNDS; round++) {
      const count = round < 20 ? 40 : 90
      if (below(random, 15) === 0) {
        const shard = below(random, shardCount)
        short.relink(shard)
        long.relink(shard)
      }
      const odd = [ALL, CALM, CALM, TIMES, TIMES][round % 5]!
      const body = scrapeOf(random, count, TIME + round * 10_000 - 900_000, odd)
      if (odd === ALL && below(random, 3) === 0)
        body[below(random, body.length)]! ^= 1 << below(random, 8)
      const outcome = short.push(body)
      assert.deepEqual(outcome, long.push(body), `round ${round}`)
      rows += count
      refused += outcome?.refused.reduce((sum, one) => sum + one, 0) ?? 0
    }
    assert.equal(long.plain, 0)
    assert.ok(short.plain > rows / 2, `${short.plain} of ${rows} are plain`)
    assert.ok(refused > 100, `${refused} refused`)
  })
}
