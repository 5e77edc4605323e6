/**
 * Query results as bytes of Prometheus' API, straight from columns; hot: the loop over samples is
 * the kernel's. Called by the querier, one encoder per thread. Benchmark:
 * bench/shared/wire/json.bench.ts.
 *
 * Lists are written with a comma before every element; the first one is then made a bracket.
 */
import { printFloatPlain } from '../../base/go-number.js'
import { type JsonKernel, openJsonKernel } from '../../kernels/json.js'
import {
  J_BLOCK,
  J_HEAD,
  J_NEXT,
  J_OUT,
  J_OUT_BYTES,
  J_PRESENT,
  J_ROWS,
  J_SLACK,
  J_TIMES,
  J_VALUES,
} from '../../kernels/json-layout.js'
import type { LabelSource, QueryAnswer, QueryData, SampleColumns, StepColumns } from './answer.js'
import { histogramJson, timeJson } from './histogram.js'
import { LabelCache } from './label-cache.js'
import { hasHistograms, type MixedSamples, rangeSamples, stepSamples } from './mixed.js'
import { cutBefore } from './pieces.js'
import { quoteStringResult } from './quote.js'
import { type AnswerNotes, closeAnswer, OPEN } from './small.js'

const LIMIT = J_OUT + J_OUT_BYTES
const BRACKET = 0x5b

/** Writes `,"value":` and the time of a vector's rows behind it. */
const VALUE_KEY = ',"value":'

/** Writes query results as the bytes of an API answer. */
export class JsonEncoder {
  private readonly kernel: JsonKernel
  private readonly memory: Buffer
  private readonly labels: LabelCache
  /** [J_BLOCK] of the kernel's memory. */
  private readonly values: Float64Array
  private readonly times: Float64Array
  private readonly present: Uint32Array
  /** [J_BLOCK × 2] address and length. */
  private readonly rows: Uint32Array
  private readonly next: Uint32Array
  private pieces: Uint8Array<ArrayBuffer>[] = []
  private at = J_OUT
  private tick: (() => void) | undefined = undefined

  constructor() {
    this.kernel = openJsonKernel()
    const { buffer } = this.kernel.bytes
    this.memory = Buffer.from(buffer)
    this.labels = new LabelCache(this.kernel.bytes)
    this.values = new Float64Array(buffer, J_VALUES, J_BLOCK)
    this.times = new Float64Array(buffer, J_TIMES, J_BLOCK)
    this.present = new Uint32Array(buffer, J_PRESENT, J_BLOCK / 32)
    this.rows = new Uint32Array(buffer, J_ROWS, J_BLOCK * 2)
    this.next = new Uint32Array(buffer, J_NEXT, 1)
  }

  /**
   * The whole answer, envelope included, in pieces of at most 1 MiB that own their buffers.
   * @param more JSON that stands behind the result, with its comma
   * @param tick is called for each piece, and may throw
   */
  encode(answer: QueryAnswer, more = '', tick?: () => void): Uint8Array<ArrayBuffer>[] {
    this.pieces = []
    this.at = J_OUT
    this.tick = tick
    this.labels.use(answer.labels)
    const type = answer.data.type === 'samples' ? 'matrix' : answer.data.type
    this.write(`{"status":"success","data":{"resultType":"${type}","result":`)
    this.writeData(answer.data)
    this.write(`${more}}${closeAnswer(answer)}`)
    this.flush()
    const pieces = this.pieces
    this.pieces = []
    return pieces
  }

  /**
   * Series, as /api/v1/series lists them, in the order of the set ids given; each written once for all answers.
   * @param tick is called for each, and may throw
   */
  encodeSeries(
    sets: Uint32Array,
    labels: LabelSource,
    notes: AnswerNotes = {},
    tick: () => void = () => {},
  ): Uint8Array<ArrayBuffer>[] {
    this.pieces = []
    this.at = J_OUT
    this.tick = undefined
    this.labels.use(labels)
    this.write(`${OPEN}[`)
    for (let i = 0; i < sets.length; i++) {
      tick()
      if (i > 0) this.write(',')
      this.writeSet(sets[i]!)
    }
    this.write(`]${closeAnswer(notes)}`)
    this.flush()
    const pieces = this.pieces
    this.pieces = []
    return pieces
  }

  private writeSet(set: number): void {
    let address = this.labels.find(set)
    if (address === 0) {
      // The cache is full, or the set is too long for it.
      this.labels.clear()
      address = this.labels.find(set)
    }
    if (address === 0) {
      this.write(this.labels.text(set))
      return
    }
    const length = this.labels.lengthOf(set)
    this.reserve(length)
    this.memory.copyWithin(this.at, address, address + length)
    this.at += length
  }

  private writeData(data: QueryData): void {
    switch (data.type) {
      case 'string':
        this.write(`[${printFloatPlain(data.atMs / 1000)},${quoteStringResult(data.value)}]`)
        break
      case 'scalar':
        this.write(`[${printFloatPlain(data.atMs / 1000)},"${printFloatPlain(data.value)}"]`)
        break
      case 'vector':
        this.writeVector(data.matrix, data.order, data.atMs)
        break
      case 'matrix':
        this.writeMatrix(data.matrix, data.order, data.range)
        break
      case 'samples':
        this.writeSampleMatrix(data.matrix, data.order)
        break
    }
  }

  /** Text of any length. */
  private write(text: string): void {
    for (let from = 0; from < text.length; ) {
      const to = cutBefore(text, from + (J_OUT_BYTES >> 2))
      if (this.at + (to - from) * 3 > LIMIT) this.flush()
      this.at += this.memory.write(text.slice(from, to), this.at, 'utf8')
      from = to
    }
  }

  private flush(): void {
    if (this.at === J_OUT) return
    this.tick?.()
    this.pieces.push(this.kernel.bytes.slice(J_OUT, this.at))
    this.at = J_OUT
  }

  private reserve(bytes: number): void {
    if (this.at + bytes > LIMIT) this.flush()
  }

  private writeVector(matrix: StepColumns, order: Uint32Array, atMs: number): void {
    const head = this.prepareHead(atMs)
    let isFirst = true
    let count = 0
    for (const row of order) {
      if ((matrix.present[row * matrix.words]! & 1) === 0) continue
      const set = matrix.sets[row]!
      const histogram = matrix.histograms?.[row]?.[0]
      if (histogram !== undefined) {
        isFirst = this.writeRows(count, head, isFirst)
        count = 0
        const separator = isFirst ? '[' : ','
        const sample = `[${timeJson(atMs)},${histogramJson(histogram)}]`
        this.write(`${separator}{"metric":${this.labels.text(set)},"histogram":${sample}}`)
        isFirst = false
        continue
      }
      let address = this.labels.find(set)
      if (address === 0) {
        // The cache is full, or the set is too long for it.
        isFirst = this.writeRows(count, head, isFirst)
        count = 0
        this.labels.clear()
        address = this.labels.find(set)
      }
      const value = matrix.values[row * matrix.steps]!
      if (address === 0) {
        this.writeLongRow(set, value, head, isFirst)
        isFirst = false
        continue
      }
      this.rows[count * 2] = address
      this.rows[count * 2 + 1] = this.labels.lengthOf(set)
      this.values[count] = value
      if (++count < J_BLOCK) continue
      isFirst = this.writeRows(count, head, isFirst)
      count = 0
    }
    isFirst = this.writeRows(count, head, isFirst)
    this.write(isFirst ? '[]' : ']')
  }

  /** Puts `,"value":[<time>,"` where the kernel reads it; returns its length. */
  private prepareHead(atMs: number): number {
    const length = this.memory.write(VALUE_KEY, J_HEAD, 'latin1')
    const time = this.kernel.calls.prepareVector(J_HEAD + length, atMs)
    // The kernel has put a comma before the bracket.
    this.memory.copyWithin(J_HEAD + length, J_HEAD + length + 1, J_HEAD + length + time)
    return length + time - 1
  }

  /** Writes the gathered rows; returns whether the next one would be the first of the list. */
  private writeRows(count: number, head: number, isFirst: boolean): boolean {
    let done = 0
    while (done < count) {
      const from = this.at
      this.at = this.kernel.calls.writeRows(done, count, head, this.at, LIMIT)
      if (isFirst && this.at > from) {
        this.memory[from] = BRACKET
        isFirst = false
      }
      done = this.next[0]!
      if (done < count) this.flush()
    }
    return isFirst
  }

  private writeLongRow(set: number, value: number, head: number, isFirst: boolean): void {
    this.write(`${isFirst ? '[' : ','}{"metric":${this.labels.text(set)}`)
    this.reserve(J_SLACK)
    this.memory.copy(this.memory, this.at, J_HEAD, J_HEAD + head)
    this.at = this.kernel.calls.writeNumber(this.at + head, value)
    this.write('"]}')
  }

  private writeMatrix(
    matrix: StepColumns,
    order: Uint32Array,
    range: { readonly start: number; readonly step: number },
  ): void {
    const { steps, words } = matrix
    // More steps than a block has: their times are prepared anew for every block.
    const isOneBlock = steps <= J_BLOCK
    if (isOneBlock) this.kernel.calls.prepareSteps(range.start, range.step, steps)
    for (let index = 0; index < order.length; index++) {
      const row = order[index]!
      const cells = matrix.histograms?.[row]
      if (cells !== undefined) {
        const samples = stepSamples(matrix, row, cells, range)
        this.writeMixed(matrix.sets[row]!, index === 0, samples)
        continue
      }
      this.openSeries(matrix.sets[row]!, index === 0)
      let isFirst = true
      for (let from = 0; from < steps; from += J_BLOCK) {
        const count = Math.min(J_BLOCK, steps - from)
        const base = row * steps + from
        const word = row * words + from / 32
        this.values.set(matrix.values.subarray(base, base + count))
        this.present.set(matrix.present.subarray(word, word + Math.ceil(count / 32)))
        if (!isOneBlock) {
          this.kernel.calls.prepareSteps(range.start + from * range.step, range.step, count)
        }
        isFirst = this.writePoints(this.kernel.calls.writePoints, count, isFirst)
      }
      this.closeSeries(isFirst)
    }
    this.write(order.length === 0 ? '[]' : ']')
  }

  private writeSampleMatrix(matrix: SampleColumns, order: Uint32Array): void {
    for (let index = 0; index < order.length; index++) {
      const row = order[index]!
      const end = matrix.offsets[row + 1]!
      if (hasHistograms(matrix, row)) {
        this.writeMixed(matrix.sets[row]!, index === 0, rangeSamples(matrix, row))
        continue
      }
      this.openSeries(matrix.sets[row]!, index === 0)
      let isFirst = true
      for (let from = matrix.offsets[row]!; from < end; from += J_BLOCK) {
        const to = Math.min(from + J_BLOCK, end)
        this.times.set(matrix.ts.subarray(from, to))
        this.values.set(matrix.values.subarray(from, to))
        isFirst = this.writePoints(this.kernel.calls.writeSamples, to - from, isFirst)
      }
      this.closeSeries(isFirst)
    }
    this.write(order.length === 0 ? '[]' : ']')
  }

  /** A series with histograms: its floats, if it has any, then the histograms. */
  private writeMixed(set: number, isFirst: boolean, samples: MixedSamples): void {
    const { ts, values, histograms } = samples
    this.write(`${isFirst ? '[' : ','}{"metric":${this.labels.text(set)}`)
    for (let from = 0; from < ts.length; from += J_BLOCK) {
      const to = Math.min(from + J_BLOCK, ts.length)
      this.times.set(ts.subarray(from, to))
      this.values.set(values.subarray(from, to))
      if (from === 0) this.write(',"values":')
      this.writePoints(this.kernel.calls.writeSamples, to - from, from === 0)
    }
    if (ts.length > 0) this.write(']')
    let separator = ',"histograms":['
    for (const { ms, histogram } of histograms) {
      this.write(`${separator}[${timeJson(ms)},${histogramJson(histogram)}]`)
      separator = ','
    }
    this.write(histograms.length > 0 ? ']}' : '}')
  }

  private openSeries(set: number, isFirst: boolean): void {
    let address = this.labels.find(set)
    if (address === 0) {
      this.labels.clear()
      address = this.labels.find(set)
    }
    if (address === 0) {
      this.write(`${isFirst ? '[' : ','}{"metric":${this.labels.text(set)},"values":`)
      return
    }
    const length = this.labels.lengthOf(set)
    this.reserve(length + J_SLACK)
    const from = this.at
    this.at = this.kernel.calls.openSeries(from, address, length)
    if (isFirst) this.memory[from] = BRACKET
  }

  /** Writes the points of a block; returns whether the series has none so far. */
  private writePoints(
    call: (from: number, to: number, out: number, limit: number) => number,
    count: number,
    isFirst: boolean,
  ): boolean {
    let done = 0
    while (done < count) {
      const from = this.at
      this.at = call(done, count, from, LIMIT)
      if (isFirst && this.at > from) {
        this.memory[from] = BRACKET
        isFirst = false
      }
      done = this.next[0]!
      if (done < count) this.flush()
    }
    return isFirst
  }

  private closeSeries(isEmpty: boolean): void {
    this.reserve(3)
    if (isEmpty) this.memory[this.at++] = BRACKET
    this.memory[this.at++] = 0x5d
    this.memory[this.at++] = 0x7d
  }
}
