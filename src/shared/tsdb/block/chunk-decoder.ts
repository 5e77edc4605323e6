/**
 * Decodes chunks as they lie in the segments of a block to columns: float chunks by the kernel, all
 * others by the decoders of tsdb/chunk. Checks every chunk's bounds, checksum and bit stream. One
 * per thread; it holds nothing between calls but its memory.
 *
 * Hot: once per series and block of a query; benchmark bench/macro/blocks.ts.
 */

import { fail } from '../../errors/index.js'
import { type BlockKernel, openBlockKernel } from '../../kernels/block.js'
import {
  B_FIRST,
  B_INPUT,
  B_SLACK,
  B_WRONG,
  SCAN_CHECKSUM,
  SCAN_CUT,
  SCAN_MIXED,
} from '../../kernels/block-layout.js'
import type { FloatHistogram } from '../../model/histogram.js'
import { isStale, writeStale } from '../../model/stale.js'
import { decodeFloatHistogramChunk } from '../chunk/float-histogram.js'
import { decodeHistogramChunk } from '../chunk/histogram.js'
import {
  ENCODING_FLOAT_HISTOGRAM,
  ENCODING_FLOAT_HISTOGRAM_ST,
  ENCODING_HISTOGRAM,
  ENCODING_HISTOGRAM_ST,
  ENCODING_XOR,
  ENCODING_XOR2,
  floatHistogramAt,
} from '../chunk/histogram-columns.js'
import { decodeXor2Chunk } from '../chunk/xor2.js'
import { damaged, type Place } from '../index/damage.js'

/** Samples that grow at their end. */
export interface SampleColumns {
  /** ms, ascending. */
  ts: Float64Array
  /** Stale markers keep their bits. */
  values: Float64Array
  count: number
  /** [count] undefined where a sample is a float, undefined altogether when all are. */
  histograms: (FloatHistogram | undefined)[] | undefined
  /** [count] ms, 0 where it is not known; undefined when it is known of none. */
  starts: Float64Array | undefined
}

/** Chunks of one series among bytes that `input` gave room for. */
export interface ChunkRun {
  /** Block and segment, for errors. */
  readonly place: Place
  /** Bytes in the input. */
  readonly length: number
  /** Offsets of the chunks [from, to), each of which lies `base` bytes further on in the segment. */
  readonly offsets: Uint32Array
  readonly from: number
  readonly to: number
  readonly base: number
}

const PAGE = 65536

/** Columns without samples. */
export function emptyColumns(): SampleColumns {
  return {
    ts: new Float64Array(0),
    values: new Float64Array(0),
    count: 0,
    histograms: undefined,
    starts: undefined,
  }
}

/** Decodes chunks of blocks. */
export class ChunkDecoder {
  private readonly kernel: BlockKernel = openBlockKernel()
  private bytes: Uint8Array
  private words: Uint32Array

  constructor() {
    this.bytes = new Uint8Array(this.kernel.memory.buffer)
    this.words = new Uint32Array(this.kernel.memory.buffer)
  }

  /** Room for the bytes of the next run; to be filled before `append`, and only then used. */
  input(length: number): Uint8Array {
    this.ensure(B_INPUT + length + PAGE)
    return this.bytes.subarray(B_INPUT, B_INPUT + length)
  }

  /**
   * Appends the samples of a run with mint ≤ t ≤ maxt to columns, which must be older.
   *
   * @throws AppError `block-damaged`
   */
  append(run: ChunkRun, mint: number, maxt: number, out: SampleColumns): void {
    const { offsets, from, to, base, length } = run
    const count = to - from
    const list = align8(B_INPUT + length)
    this.ensure(list + count * 4 + PAGE)
    for (let i = 0; i < count; i++) this.words[(list >>> 2) + i] = offsets[from + i]! - base
    const samples = this.kernel.calls.scan(B_INPUT, length, list, count)
    if (samples === SCAN_MIXED) {
      this.appendMixed(run, mint, maxt, out)
      return
    }
    if (samples < 0) throw this.wrong(run, samples)
    const times = align8(list + count * 4)
    const values = times + samples * 8
    this.ensure(values + samples * 8 + B_SLACK)
    const kept = this.kernel.calls.decode(B_INPUT, list, count, times, values, mint, maxt)
    if (kept < 0) throw chunkWrong(run, -1 - kept, 'its samples are corrupt')
    const first = this.words[B_FIRST >>> 2]!
    const at = out.count
    grow(out, at + kept)
    const { buffer } = this.kernel.memory
    out.ts.set(new Float64Array(buffer as ArrayBuffer, times + first * 8, kept), at)
    out.values.set(new Float64Array(buffer as ArrayBuffer, values + first * 8, kept), at)
    out.count = at + kept
    if (out.histograms !== undefined) out.histograms.length = out.count
  }

  /** Chunk by chunk; float ones by the kernel all the same. */
  private appendMixed(run: ChunkRun, mint: number, maxt: number, out: SampleColumns): void {
    // The kernel's memory is used again for the float chunks among them.
    const bytes = this.bytes.slice(B_INPUT, B_INPUT + run.length)
    for (let i = run.from; i < run.to; i++) {
      const at = run.offsets[i]! - run.base
      const { body, end } = bodyOf(bytes, at)
      const encoding = bytes[body]!
      const data = bytes.subarray(body + 1, end)
      if (encoding === ENCODING_XOR) {
        this.input(end + 4 - at).set(bytes.subarray(at, end + 4))
        const one = { ...run, length: end + 4 - at, from: i, to: i + 1, base: run.offsets[i]! }
        this.append(one, mint, maxt, out)
      } else {
        try {
          appendRare({ data, encoding }, mint, maxt, out)
        } catch (error) {
          throw chunkWrong(run, i - run.from, error instanceof Error ? error.message : '', error)
        }
      }
    }
  }

  private wrong(run: ChunkRun, code: number): Error {
    const chunk = this.words[B_WRONG >>> 2]!
    if (code === SCAN_CHECKSUM) return chunkWrong(run, chunk, 'a wrong checksum')
    return chunkWrong(run, chunk, code === SCAN_CUT ? 'it has no end' : `code ${code}`)
  }

  private ensure(size: number): void {
    const { memory } = this.kernel
    if (size <= this.bytes.length) return
    memory.grow(Math.ceil((size - this.bytes.length) / PAGE))
    this.bytes = new Uint8Array(memory.buffer)
    this.words = new Uint32Array(memory.buffer)
  }
}

/** A chunk whose samples the kernel does not know. */
interface RareChunk {
  readonly data: Uint8Array
  readonly encoding: number
}

function appendRare(chunk: RareChunk, mint: number, maxt: number, out: SampleColumns): void {
  if (chunk.encoding === ENCODING_XOR2) appendXor2(chunk.data, mint, maxt, out)
  else if (isHistogram(chunk.encoding)) appendHistograms(chunk, mint, maxt, out)
  else throw fail('chunk-corrupt', { text: `encoding ${chunk.encoding} is not known` })
}

function appendXor2(data: Uint8Array, mint: number, maxt: number, out: SampleColumns): void {
  const { ts, values, starts, size } = decodeXor2Chunk(data)
  const hasStarts = starts.some((start) => start !== 0)
  let first = 0
  let end = size
  while (end > 0 && ts[end - 1]! > maxt) end--
  while (first < end && ts[first]! < mint) first++
  const at = out.count
  grow(out, at + end - first)
  out.ts.set(ts.subarray(first, end), at)
  out.values.set(values.subarray(first, end), at)
  if (hasStarts) startsOf(out).set(starts.subarray(first, end), at)
  out.count = at + end - first
  if (out.histograms !== undefined) out.histograms.length = out.count
}

function appendHistograms(chunk: RareChunk, mint: number, maxt: number, out: SampleColumns): void {
  const { data, encoding } = chunk
  const isFloat = encoding === ENCODING_FLOAT_HISTOGRAM || encoding === ENCODING_FLOAT_HISTOGRAM_ST
  const decode = isFloat ? decodeFloatHistogramChunk : decodeHistogramChunk
  const columns = decode(data, encoding)
  if (out.histograms === undefined) {
    out.histograms = new Array<FloatHistogram | undefined>(out.count).fill(undefined)
  }
  grow(out, out.count + columns.size)
  for (let i = 0; i < columns.size; i++) {
    const t = columns.ts[i]!
    if (t < mint || t > maxt) continue
    const at = out.count++
    out.ts[at] = t
    out.values[at] = 0
    if (isStale(columns.sums[i]!)) {
      writeStale(out.values, at)
      out.histograms[at] = undefined
    } else out.histograms[at] = floatHistogramAt(columns, i)
    if (columns.starts !== undefined) startsOf(out)[at] = columns.starts[i]!
  }
}

function isHistogram(encoding: number): boolean {
  return (
    encoding === ENCODING_HISTOGRAM ||
    encoding === ENCODING_FLOAT_HISTOGRAM ||
    encoding === ENCODING_HISTOGRAM_ST ||
    encoding === ENCODING_FLOAT_HISTOGRAM_ST
  )
}

/** The start column, made when the first start is known. */
function startsOf(out: SampleColumns): Float64Array {
  if (out.starts === undefined || out.starts.length < out.ts.length) {
    const starts = new Float64Array(out.ts.length)
    if (out.starts !== undefined) starts.set(out.starts)
    out.starts = starts
  }
  return out.starts
}

/** Samples that others own. */
interface GivenColumns {
  readonly ts: Float64Array
  readonly values: Float64Array
  readonly count: number
  readonly histograms: (FloatHistogram | undefined)[] | undefined
  readonly starts?: Float64Array | undefined
}

/** Appends samples to columns that end before them. */
export function appendColumns(out: SampleColumns, from: GivenColumns): void {
  const at = out.count
  grow(out, at + from.count)
  out.ts.set(from.ts.subarray(0, from.count), at)
  out.values.set(from.values.subarray(0, from.count), at)
  out.count = at + from.count
  if (from.starts !== undefined) startsOf(out).set(from.starts.subarray(0, from.count), at)
  if (from.histograms !== undefined && out.histograms === undefined) {
    out.histograms = new Array<FloatHistogram | undefined>(at).fill(undefined)
  }
  if (out.histograms === undefined) return
  for (let i = 0; i < from.count; i++) out.histograms[at + i] = from.histograms?.[i]
}

/** Room for so many samples, keeping those there are. */
export function grow(out: SampleColumns, room: number): void {
  if (room <= out.ts.length) return
  const size = Math.max(room, Math.min(out.ts.length * 2, room + PAGE))
  const ts = new Float64Array(size)
  const values = new Float64Array(size)
  ts.set(out.ts.subarray(0, out.count))
  values.set(out.values.subarray(0, out.count))
  out.ts = ts
  out.values = values
}

/** Encoding byte and end of data of a chunk that has been scanned. */
function bodyOf(bytes: Uint8Array, at: number): { body: number; end: number } {
  let length = 0
  let scale = 1
  let body = at
  for (;;) {
    const byte = bytes[body++]!
    length += (byte & 127) * scale
    if (byte < 128) return { body, end: body + 1 + length }
    scale *= 128
  }
}

function chunkWrong(run: ChunkRun, index: number, text: string, cause?: unknown): Error {
  return damaged(run.place, `the chunk at ${run.offsets[run.from + index]}: ${text}`, cause)
}

function align8(at: number): number {
  return (at + 7) & ~7
}
