/**
 * Overlapping chunks of one series → chunks that do not overlap: decoded, samples in time order, the
 * first one of a time wins, encoded anew. Also cuts deleted samples out of a chunk. What neither
 * overlaps nor is deleted never comes here: it is copied.
 */
import { fail } from '../../errors/index.js'
import type { FloatHistogram } from '../../model/histogram.js'
import { decodeFloats, type FloatColumns, FloatEncoder } from '../chunk/float-chunk.js'
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
  type HistogramColumns,
  histogramAt,
} from '../chunk/histogram-columns.js'
import { OpenHistograms } from '../chunk/open-histograms.js'
import type { BlockChunk } from './series.js'
import type { DeletedInterval } from './tombstones.js'

/** Samples of a float chunk, as Prometheus cuts them. */
const CHUNK_SAMPLES = 120

/** Collects samples of one series, in time order, as chunks. */
export class ChunkCutter {
  readonly chunks: BlockChunk[] = []
  private floats: FloatEncoder | undefined
  private histograms: OpenHistograms | undefined

  /** A float by its bits. */
  addFloat(t: number, high: number, low: number): void {
    this.endHistograms()
    if (this.floats !== undefined && this.floats.size >= CHUNK_SAMPLES) this.endFloats()
    this.floats ??= new FloatEncoder()
    this.floats.append(t, high, low)
  }

  /** Sample `index` of a histogram chunk. */
  addHistogram(columns: HistogramColumns, index: number): void {
    this.endFloats()
    const t = columns.ts[index]!
    const histogram = histogramAt(columns, index)
    const open = this.histograms
    if (open?.append(t, histogram) === true) return
    this.endHistograms()
    this.histograms = OpenHistograms.begin(t, histogram, open)
  }

  /** All chunks. */
  end(): BlockChunk[] {
    this.endFloats()
    this.endHistograms()
    return this.chunks
  }

  private endFloats(): void {
    const { floats } = this
    if (floats === undefined) return
    const { mint, maxt } = floats
    this.chunks.push({ mint, maxt, encoding: ENCODING_XOR, data: floats.bytes() })
    this.floats = undefined
  }

  private endHistograms(): void {
    const { histograms } = this
    if (histograms === undefined) return
    const maxt = histograms.maxt()
    const data = Uint8Array.from(histograms.bytes())
    this.chunks.push({ mint: histograms.mint, maxt, encoding: histograms.encoding(), data })
    this.histograms = undefined
  }
}

/** A chunk that was decoded: floats, or histograms. */
interface Decoded {
  readonly size: number
  readonly ts: Float64Array
  readonly floats: FloatColumns | undefined
  readonly histograms: HistogramColumns | undefined
}

/**
 * Decodes a chunk, and checks that its samples are in order and from mint to maxt: what is written
 * anew must not be worse than what was read. Throws AppError `chunk-corrupt`.
 */
function decode(chunk: BlockChunk): Decoded {
  const decoded = decodeAny(chunk.encoding, chunk.data)
  const { ts, size } = decoded
  let before = Number.NEGATIVE_INFINITY
  for (let i = 0; i < size; i++) {
    const t = ts[i]!
    if (!(t > before)) throw fail('chunk-corrupt', { text: `sample ${i} is out of order` })
    before = t
  }
  if (size > 0 && ts[0] === chunk.mint && before === chunk.maxt) return decoded
  const text = `a chunk of ${chunk.mint} to ${chunk.maxt} has samples of ${ts[0]} to ${before}`
  throw fail('chunk-corrupt', { text })
}

/** Decodes a chunk of any encoding; throws AppError `chunk-corrupt`. */
function decodeAny(encoding: number, data: Uint8Array): Decoded {
  if (encoding === ENCODING_XOR || encoding === ENCODING_XOR2) {
    const floats = decodeFloats(data, encoding)
    return { size: floats.size, ts: floats.ts, floats, histograms: undefined }
  }
  const isWhole = encoding === ENCODING_HISTOGRAM || encoding === ENCODING_HISTOGRAM_ST
  const isFloat = encoding === ENCODING_FLOAT_HISTOGRAM || encoding === ENCODING_FLOAT_HISTOGRAM_ST
  if (!isWhole && !isFloat) throw fail('chunk-corrupt', { text: `encoding ${encoding}` })
  const histograms = isWhole
    ? decodeHistogramChunk(data, encoding)
    : decodeFloatHistogramChunk(data, encoding)
  return { size: histograms.size, ts: histograms.ts, floats: undefined, histograms }
}

/** Times of a chunk's samples, ms; throws AppError `chunk-corrupt`. */
export function timesOfChunk(encoding: number, data: Uint8Array): Float64Array {
  return decodeAny(encoding, data).ts
}

/** A sample as a value, for dumps. */
export type ChunkSample = readonly [t: number, value: number | FloatHistogram]

/** Samples of a chunk; throws AppError `chunk-corrupt`. */
export function* samplesOfChunk(chunk: BlockChunk): Generator<ChunkSample> {
  const { size, ts, floats, histograms } = decode(chunk)
  const values = floats === undefined ? undefined : new Float64Array(floats.words.buffer)
  for (let i = 0; i < size; i++) {
    yield [ts[i]!, values === undefined ? floatHistogramAt(histograms!, i) : values[i]!]
  }
}

/** Chunks of one source in time order, gone through sample by sample. */
class ChunkChain {
  private readonly chunks: readonly BlockChunk[]
  private next = 0
  private open: Decoded | undefined
  private index = 0
  /** Time of the sample at hand; Infinity at the end. */
  t = Infinity

  constructor(chunks: readonly BlockChunk[]) {
    this.chunks = chunks
    this.advance()
  }

  advance(): void {
    this.index++
    while (this.open === undefined || this.index >= this.open.size) {
      const chunk = this.chunks[this.next++]
      if (chunk === undefined) {
        this.t = Infinity
        return
      }
      this.open = decode(chunk)
      this.index = 0
    }
    this.t = this.open.ts[this.index]!
  }

  put(into: ChunkCutter): void {
    const { floats, histograms } = this.open!
    const i = this.index
    if (floats !== undefined) into.addFloat(this.t, floats.words[i * 2 + 1]!, floats.words[i * 2]!)
    else into.addHistogram(histograms!, i)
  }
}

/** Merges the samples of several sources; of equal times the first source's. */
export function mergeSamples(sources: readonly (readonly BlockChunk[])[]): BlockChunk[] {
  const chains = sources.map((chunks) => new ChunkChain(chunks))
  const cutter = new ChunkCutter()
  for (;;) {
    let first = chains[0]!
    for (const chain of chains) if (chain.t < first.t) first = chain
    const { t } = first
    if (t === Infinity) return cutter.end()
    first.put(cutter)
    for (const chain of chains) while (chain.t <= t) chain.advance()
  }
}

/** A chunk without the samples of some intervals: none, itself, or one or more of the rest. */
export function withoutDeleted(
  chunk: BlockChunk,
  deleted: readonly DeletedInterval[],
): readonly BlockChunk[] {
  const { mint, maxt } = chunk
  const touching = deleted.filter((part) => part.mint <= maxt && part.maxt >= mint)
  if (touching.length === 0) return [chunk]
  if (touching.some((part) => part.mint <= mint && part.maxt >= maxt)) return []
  const { size, ts, floats, histograms } = decode(chunk)
  const cutter = new ChunkCutter()
  for (let i = 0; i < size; i++) {
    const t = ts[i]!
    if (touching.some((part) => part.mint <= t && part.maxt >= t)) continue
    if (floats !== undefined) cutter.addFloat(t, floats.words[i * 2 + 1]!, floats.words[i * 2]!)
    else cutter.addHistogram(histograms!, i)
  }
  return cutter.end()
}
