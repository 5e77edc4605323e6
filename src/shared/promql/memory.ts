/**
 * What one query may use: bytes of columns, samples, and the thread's time. Every column is
 * claimed here before it is made; a refused claim fails the query alone, never the server.
 *
 * Claims are not handed back one by one. An operator notes the level before it starts and settles
 * to that level plus its result when it is done, so that everything in between (arguments, scratch
 * rows, accumulators) is given back in one step. Samples are counted as Prometheus counts them
 * (promql/engine.go, currentSamples): points that are held by live results.
 */
import { fail } from '../errors/index.js'
import type { StepMatrix } from './columns.js'
import { eachHistogram, extraPoints, histogramBytes } from './operators/histogram-cells.js'

/** Limits of one query and how it learns that nobody wants its answer any more. */
export interface QueryLimits {
  /** Points held at once; Prometheus' `query.max-samples`. */
  readonly samplesMax: number
  /** Bytes of columns held at once. */
  readonly memoryMax: number
  /** What exceeding it is called. */
  readonly memoryError?: 'query-memory' | 'err-mimir-max-estimated-memory-consumption-per-query'
  /** Asked now and then as work proceeds; may throw why else the query is to end. */
  isCanceled(): boolean
  /** Raises what the query holds of the process' memory; false when that is full. */
  readonly reserve?: (bytes: number) => boolean
}

/** Bytes that are reserved at a time. */
const RESERVE_STEP = 1 << 20

/** A level to settle to: what was in use when an operator started. */
export interface Level {
  readonly bytes: number
  readonly samples: number
}

/**
 * Units of work (samples read, steps filled) between two looks at the cancel flag, and between
 * two returns to the event loop: some 1 ms and 20 ms.
 */
const WORK_PER_CHECK = 100_000
const WORK_PER_YIELD = 2_000_000

/** Counts what one query holds, and stops it at its limits or when it is cancelled. */
export class QueryMemory {
  private bytes = 0
  private samples = 0
  /** Of the process' memory. */
  private reserved = 0
  private unchecked = 0
  private unyielded = 0
  private unticked = 0
  /** Of labels that the query has made, which are not given back while it runs; and what is kept. */
  private keptBytes = 0
  /** The highest level of bytes so far. */
  bytesPeak = 0
  /** The highest level of samples so far. */
  samplesPeak = 0
  private readonly limits: QueryLimits

  constructor(limits: QueryLimits) {
    this.limits = limits
  }

  /** Takes bytes. @throws AppError `query-memory` beyond the limit */
  claim(bytes: number): void {
    this.bytes += bytes
    this.check()
  }

  /** Takes bytes of labels, which stay taken. @throws AppError as `claim` */
  claimLabels(bytes: number): void {
    this.keptBytes += bytes
    this.check()
  }

  private check(): void {
    const held = this.bytes + this.keptBytes
    if (held > this.bytesPeak) this.bytesPeak = held
    if (held > this.limits.memoryMax) {
      throw fail(this.limits.memoryError ?? 'query-memory', { limit: this.limits.memoryMax })
    }
    if (held > this.reserved) this.reserve(held)
  }

  private reserve(held: number): void {
    const wanted = Math.ceil(held / RESERVE_STEP) * RESERVE_STEP
    if (this.limits.reserve?.(wanted) === false) {
      throw fail('overloaded', {
        text: 'the memory limit of this server is reached; try again later',
      })
    }
    this.reserved = wanted
  }

  /** A zeroed column of floats. */
  floats(length: number): Float64Array {
    this.claim(length * 8)
    return new Float64Array(length)
  }

  /** A zeroed column of ids, counts or presence bits. */
  words(length: number): Uint32Array {
    this.claim(length * 4)
    return new Uint32Array(length)
  }

  /** A zeroed column of flags. */
  flags(length: number): Uint8Array {
    this.claim(length)
    return new Uint8Array(length)
  }

  /** A zeroed matrix: no labels, nothing present. */
  matrix(series: number, steps: number): StepMatrix {
    const words = (steps + 31) >>> 5
    return {
      series,
      steps,
      words,
      sets: this.words(series),
      values: this.floats(series * steps),
      present: this.words(series * words),
      dropName: undefined,
      histograms: undefined,
    }
  }

  /** A copy whose bytes stay taken until `letGo`, whatever is settled meanwhile. @throws as `claim` */
  keep(matrix: StepMatrix): StepMatrix {
    this.keptBytes += bytesOf(matrix)
    this.check()
    return copyOf(matrix)
  }

  /** Gives back what was kept. */
  letGo(kept: StepMatrix): void {
    this.keptBytes -= bytesOf(kept)
  }

  /** A copy like any other matrix. @throws as `claim` and `hold` */
  copy(matrix: StepMatrix): StepMatrix {
    this.claim(bytesOf(matrix))
    this.hold(countPoints(matrix) + weighHistograms(matrix).extraPoints)
    return copyOf(matrix)
  }

  /** Counts points that are held from now on. @throws AppError `query-execution` beyond the limit */
  hold(samples: number): void {
    this.touch(samples)
    this.samples += samples
  }

  /** Counts points that are held for a moment only. @throws AppError `query-execution` */
  touch(samples: number): void {
    const peak = this.samples + samples
    if (peak > this.samplesPeak) this.samplesPeak = peak
    if (peak > this.limits.samplesMax) throw tooManySamples()
  }

  level(): Level {
    return { bytes: this.bytes, samples: this.samples }
  }

  /** Gives everything back that was taken since `level` but the matrix and its points. */
  settle(level: Level, kept: StepMatrix): void {
    const histograms = weighHistograms(kept)
    const points = countPoints(kept) + histograms.extraPoints
    // Arguments and result are held together for a moment.
    this.touch(0)
    this.samples = level.samples + points
    this.bytes = level.bytes + matrixBytes(kept) + histograms.bytes
  }

  /**
   * Notes work done where nothing can be awaited, and looks at the cancel flag now and then.
   * @throws AppError `query-canceled`
   */
  tick(units: number): void {
    this.unticked += units
    if (this.unticked < WORK_PER_CHECK) return
    this.unticked = 0
    this.checkCanceled()
  }

  /** Notes work done, cheaply; `true` when it is time to call `breathe`. */
  worked(units: number): boolean {
    this.unchecked += units
    return this.unchecked >= WORK_PER_CHECK
  }

  /**
   * Looks at the cancel flag, and lets the event loop turn when it has not for long, so that
   * messages (a cancellation among them) get through.
   * @throws AppError `query-canceled`
   */
  async breathe(): Promise<void> {
    this.unyielded += this.unchecked
    this.unchecked = 0
    if (this.unyielded >= WORK_PER_YIELD) {
      this.unyielded = 0
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    this.checkCanceled()
  }

  /** @throws AppError `query-canceled` */
  checkCanceled(): void {
    if (this.limits.isCanceled()) throw fail('query-canceled')
  }
}

/** Prometheus' text. */
function tooManySamples(): Error {
  return fail('query-execution', {
    text: 'query processing would load too many samples into memory in query execution',
  })
}

/** Points present in a matrix. */
export function countPoints(matrix: StepMatrix): number {
  return countBits(matrix.present, 0, matrix.series * matrix.words)
}

/** Bits set in words [from, to). */
export function countBits(words: Uint32Array, from: number, to: number): number {
  let count = 0
  for (let i = from; i < to; i++) {
    let word = words[i]!
    if (word === 0) continue
    word -= (word >>> 1) & 0x55555555
    word = (word & 0x33333333) + ((word >>> 2) & 0x33333333)
    count += Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
  }
  return count
}

/** What the histograms of a matrix weigh: bytes, and points beyond one each. */
function weighHistograms(matrix: StepMatrix): { bytes: number; extraPoints: number } {
  const weight = { bytes: 0, extraPoints: 0 }
  const { histograms, present, words } = matrix
  for (let row = 0; histograms !== undefined && row < matrix.series; row++) {
    const cells = histograms[row]
    if (cells === undefined) continue
    eachHistogram(cells, present, row * words, (histogram) => {
      weight.bytes += histogramBytes(histogram)
      weight.extraPoints += extraPoints(histogram)
    })
  }
  return weight
}

function matrixBytes(matrix: StepMatrix): number {
  const flags = matrix.dropName === undefined ? 0 : matrix.dropName.byteLength
  return matrix.values.byteLength + matrix.present.byteLength + matrix.sets.byteLength + flags
}

/** Bytes of a matrix's rows and of the histograms in them. */
function bytesOf(matrix: StepMatrix): number {
  const { series, steps, words, dropName } = matrix
  const row = steps * 8 + words * 4 + 4 + (dropName === undefined ? 0 : 1)
  return series * row + weighHistograms(matrix).bytes
}

/** The rows again; histograms themselves are shared. */
function copyOf(matrix: StepMatrix): StepMatrix {
  const { series, steps, words, sets, values, present, dropName, histograms } = matrix
  return {
    series,
    steps,
    words,
    sets: sets.slice(0, series),
    values: values.slice(0, series * steps),
    present: present.slice(0, series * words),
    dropName: dropName?.slice(0, series),
    histograms: histograms?.slice(0, series).map((row) => row?.slice()),
  }
}
