/**
 * Runs the write-request kernel on one body as a distributor does, and gives back what it made of
 * it in readable form; and makes random requests of any shape, field by field.
 */

import { SeriesCache } from '../../../src/actors/distributor/series-cache.js'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import * as layout from '../../../src/shared/kernels/assembly/write-request-layout.js'
import { compileKernel } from '../../../src/shared/kernels/load.js'
import { WriteRequestKernel } from '../../../src/shared/kernels/write-request.js'
import { Limits } from '../../../src/shared/limits/index.js'
import type { Label } from '../../../src/shared/model/labels.js'
import { decodeLabels, decodeMetadata } from '../../../src/shared/wire/remote-write/index.js'
import { testLimits } from '../../support/limits.js'

const LIMITS = new Limits(testLimits()).defaults()

const module = compileKernel('write-request')
const BODY_BYTES = 1 << 20

/** A series as the kernel saw it. */
export interface SeenSeries {
  readonly id: number
  readonly labels: Label[]
  readonly times: number[]
  readonly values: bigint[]
}

/** What the kernel made of a body. */
export interface Seen {
  readonly series: SeenSeries[]
  readonly metadata: number
  readonly histograms: number
  readonly exemplars: number
  readonly duplicates: number
  /** Calls of `walk` that ended with a full chunk. */
  readonly chunks: number
}

/** A kernel with its cache. */
export class Harness {
  readonly kernel: WriteRequestKernel
  readonly cache: SeriesCache
  readonly limits = LIMITS
  /** Asked for room in vain. */
  evictions = 0

  constructor(options: { samplesMax?: number; seriesIdsMax?: number } = {}) {
    const random = new SeededPrng(7)
    this.kernel = new WriteRequestKernel(
      module,
      {
        bodyBytesMax: BODY_BYTES,
        sourceBytesMax: BODY_BYTES,
        samplesMax: options.samplesMax ?? 65_536,
        defineBytesMax: 1 << 20,
        shardCount: 1,
        seriesIdsMax: options.seriesIdsMax ?? 65_536,
        heapBytes: 16 << 20,
        templateBytes: 1 << 20,
      },
      (bytes) => random.fill(bytes),
    )
    this.kernel.setLimits(LIMITS)
    this.cache = new SeriesCache(this.kernel)
  }

  /** Walks a decompressed body; undefined when the kernel calls it malformed. */
  walk(body: Uint8Array, tenantName = 'acme'): Seen | undefined {
    const { kernel, cache } = this
    const tenant = cache.open(tenantName, LIMITS)
    kernel.bytes.set(body, kernel.body)
    kernel.beginBody(body.length)
    kernel.set(layout.TENANT, tenant.record)
    const series: SeenSeries[] = []
    let metadata = 0
    let chunks = 0
    for (let code: number = layout.WALK_MORE; code !== layout.WALK_DONE; ) {
      kernel.beginChunk()
      code = kernel.exports.walk(kernel.context)
      while (code === layout.WALK_ROOM) {
        if (!cache.makeRoom(tenant)) {
          this.evictions++
          break
        }
        code = kernel.exports.walk(kernel.context)
      }
      if (code < 0 || !this.read(series)) return undefined
      if (!this.readMetadata()) return undefined
      metadata += kernel.get(layout.METADATA_COUNT)
      chunks++
      if (code === layout.WALK_ROOM) cache.evict(tenant)
    }
    return {
      series,
      metadata,
      histograms: kernel.get(layout.HISTOGRAMS),
      exemplars: kernel.get(layout.EXEMPLARS),
      duplicates: kernel.get(layout.DUPLICATES),
      chunks,
    }
  }

  /** Reads the chunk's rows; false when a label set is malformed. */
  private read(series: SeenSeries[]): boolean {
    const { kernel } = this
    const ids = new Uint32Array(kernel.bytes.buffer, kernel.get(layout.COLUMN_IDS))
    const times = new Float64Array(kernel.bytes.buffer, kernel.get(layout.COLUMN_TIMES))
    const values = new BigUint64Array(kernel.bytes.buffer, kernel.get(layout.COLUMN_VALUES))
    for (let row = 0; row < kernel.get(layout.ROW_COUNT); row++) {
      const [labels, length, first, count] = kernel.words.subarray(kernel.rowAt(row) >>> 2)
      const fields = kernel.rowLabels(row).slice()
      const isLong = fields.length > kernel.get(layout.LABEL_LENGTH_MAX)
      const code = isLong
        ? 0
        : kernel.exports.labelSet(kernel.context, labels!, length!, kernel.stage)
      if (code < 0) return false
      // A mark stands for a series with histograms or exemplars only.
      if (times[first!] === Number.POSITIVE_INFINITY) continue
      series.push({
        id: ids[first!]!,
        labels: decodeLabels(fields),
        times: [...times.subarray(first!, first! + count!)],
        values: [...values.subarray(first!, first! + count!)],
      })
    }
    return true
  }

  private readMetadata(): boolean {
    const { kernel } = this
    for (let i = 0; i < kernel.get(layout.METADATA_COUNT); i++) {
      const [at, length] = kernel.words.subarray((kernel.metadata >>> 2) + i * 4)
      try {
        decodeMetadata(kernel.bytes.slice(at!, at! + length!))
      } catch {
        return false
      }
    }
    return true
  }
}

/** A varint; `extra` bytes longer than needed. */
export function varint(value: bigint | number, extra = 0): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  while (rest >= 128n) {
    bytes.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  for (let i = 0; i < extra; i++) {
    bytes[bytes.length - 1]! |= 128
    bytes.push(0)
  }
  return Buffer.from(bytes)
}

/** A length-delimited field. */
export function field(number: number, bytes: Uint8Array, extra = 0): Buffer {
  return Buffer.concat([varint(number * 8 + 2, extra), varint(bytes.length), bytes])
}

/** A Label field of a series. */
export function labelField(name: string, value: string | Uint8Array): Buffer {
  return field(1, Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.from(value))]))
}

/** A Sample field of a series, as Prometheus writes it: a value of 0 is left out. */
export function sampleField(time: number, value: number): Buffer {
  const number = Buffer.alloc(8)
  number.writeDoubleLE(value)
  const parts = value === 0 ? [] : [Buffer.from([9]), number]
  return field(2, Buffer.concat([...parts, Buffer.from([16]), varint(time)]))
}

/** A request of random shape: mostly usual series, the rest as odd as the format allows. */
export function randomRequest(random: SeededPrng, seriesCount: number): Buffer {
  const parts: Buffer[] = []
  for (let i = 0; i < seriesCount; i++) {
    parts.push(below(random, 4) === 0 ? oddSeries(random) : usualSeries(random))
    if (below(random, 12) === 0) parts.push(unknownField(random, 9))
    if (below(random, 12) === 0) parts.push(randomMetadata(random))
  }
  return Buffer.concat(parts)
}

function usualSeries(random: SeededPrng): Buffer {
  const value = below(random, 3) === 0 ? 0 : random.nextU32() / 7
  const sample = sampleField(1_700_000_000_000 + below(random, 1e6), value)
  return field(1, Buffer.concat([...randomLabels(random), sample]))
}

function oddSeries(random: SeededPrng): Buffer {
  const fields = randomLabels(random)
  const samples = below(random, 5)
  for (let i = 0; i < samples; i++) fields.push(oddSample(random))
  if (below(random, 3) === 0) fields.push(field(3, random3(random)))
  if (below(random, 3) === 0) fields.push(field(4, random3(random)))
  if (below(random, 3) === 0) fields.push(unknownField(random, 6))
  if (below(random, 2) === 0) shuffle(random, fields)
  return field(1, Buffer.concat(fields), below(random, 2))
}

function oddSample(random: SeededPrng): Buffer {
  const number = Buffer.alloc(8)
  random.fill(number)
  const times = [-5n, 0n, 1_700_000_000_000n, 9_007_199_254_740_993n, -(2n ** 63n)]
  const parts = [
    Buffer.concat([Buffer.from([9]), number]),
    Buffer.concat([Buffer.from([16]), varint(times[below(random, times.length)]!)]),
    ...(below(random, 4) === 0 ? [unknownField(random, 3)] : []),
  ]
  shuffle(random, parts)
  return field(2, Buffer.concat(parts.slice(below(random, 2))), below(random, 3))
}

function randomLabels(random: SeededPrng): Buffer[] {
  const labels = [labelField('__name__', `metric_${below(random, 20)}`)]
  for (let i = below(random, 5); i > 0; i--) {
    labels.push(labelField(`label_${i}`, 'v'.repeat(below(random, 40))))
  }
  return labels
}

function randomMetadata(random: SeededPrng): Buffer {
  const parts = [
    Buffer.concat([Buffer.from([8]), varint(below(random, 9))]),
    field(2, Buffer.from('metric')),
    field(4, Buffer.from('some help')),
  ]
  return field(3, Buffer.concat(parts))
}

function unknownField(random: SeededPrng, number: number): Buffer {
  const type = [0, 1, 2, 5][below(random, 4)]!
  const tag = varint(number * 8 + type)
  if (type === 0) return Buffer.concat([tag, varint(random.nextU32())])
  if (type === 1) return Buffer.concat([tag, Buffer.alloc(8, 0xff)])
  if (type === 5) return Buffer.concat([tag, Buffer.alloc(4, 0xff)])
  return field(number, random3(random))
}

function random3(random: SeededPrng): Buffer {
  const bytes = Buffer.alloc(3)
  random.fill(bytes)
  return bytes
}

/** A random number in [0, limit). */
export function below(random: SeededPrng, limit: number): number {
  return random.nextU32() % limit
}

function shuffle(random: SeededPrng, list: unknown[]): void {
  for (let i = list.length - 1; i > 0; i--) {
    const j = below(random, i + 1)
    const swapped = list[i]
    list[i] = list[j]
    list[j] = swapped
  }
}

/** Damages bytes in one of several ways. */
export function mutate(random: SeededPrng, bytes: Uint8Array): Uint8Array {
  const damaged = Buffer.from(bytes)
  const at = below(random, damaged.length)
  switch (below(random, 5)) {
    case 0:
      return damaged.subarray(0, at)
    case 1:
      damaged[at] = random.nextU32()
      return damaged
    case 2:
      damaged[at] = [0, 0x7f, 0x80, 0xff, 0x0a, 0x12][below(random, 6)]!
      return damaged
    case 3:
      return Buffer.concat([damaged.subarray(0, at), random3(random), damaged.subarray(at)])
    default:
      return Buffer.concat([damaged.subarray(0, at), damaged.subarray(at + 1 + below(random, 4))])
  }
}
