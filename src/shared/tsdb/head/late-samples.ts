/**
 * Out-of-order samples of one series on their way to a reader (head-reader.ts): runs that ascend
 * each, newest run first, are merged with each other and then with what came in order. At equal
 * times the older run stays, and before that what came in order. Values are copied as words, so that
 * the bits of a NaN stay what they are.
 */
import type { ReadBuffer } from './read-buffer.js'

/** Samples as columns: times, and values of two words each. */
interface Columns {
  readonly ts: Float64Array
  readonly words: Int32Array
}

/** Samples [from, end) of columns. */
interface Run extends Columns {
  readonly from: number
  readonly end: number
}

/** Gathers and merges; its arrays are kept from one series to the next. */
export class LateSamples {
  private from = createColumns(64)
  private to = createColumns(64)
  /** Where runs begin, and the end of the last. */
  private readonly starts: number[] = [0]

  /** Forgets all runs. @param most samples that are going to be added */
  clear(most: number): void {
    this.starts.length = 1
    if (this.from.ts.length >= most) return
    this.from = createColumns(most * 2)
    this.to = createColumns(most * 2)
  }

  /** Adds columns [0, count), which are older than the runs before. */
  addRun(ts: Float64Array, values: Float64Array, count: number): void {
    const at = this.starts.at(-1)!
    this.from.ts.set(ts.subarray(0, count), at)
    this.from.words.set(new Int32Array(values.buffer, values.byteOffset, count * 2), at * 2)
    this.starts.push(at + count)
  }

  /** Merges all runs with samples that came in order; what is outside [mint, maxt] is left out. */
  mergeInto(out: ReadBuffer, mint: number, maxt: number): void {
    while (this.starts.length > 2) this.mergePairs()
    const { ts } = this.from
    let from = 0
    let end = this.starts[1] ?? 0
    while (from < end && ts[from]! < mint) from++
    while (from < end && ts[end - 1]! > maxt) end--
    if (from === end) return
    // What is in order moves to the arrays' end, so that the merge does not overtake it.
    const inOrder = moveToEnd(out, out.count + end - from)
    const words = new Int32Array(out.values.buffer, out.values.byteOffset, out.values.length * 2)
    const target = { ts: out.ts, words }
    const first = { from: inOrder, end: inOrder + out.count, ...target }
    out.count = merge(first, { from, end, ...this.from }, target, 0)
  }

  /** Merges each two neighbouring runs to one. */
  private mergePairs(): void {
    const { starts } = this
    const runs = starts.length - 1
    let at = 0
    let kept = 0
    for (let run = 0; run < runs; run += 2) {
      const middle = starts[run + 1]!
      const newer = { from: starts[run]!, end: middle, ...this.from }
      const older = { from: middle, end: starts[run + 2] ?? middle, ...this.from }
      at = merge(older, newer, this.to, at)
      starts[++kept] = at
    }
    starts.length = kept + 1
    const merged = this.to
    this.to = this.from
    this.from = merged
  }
}

function createColumns(size: number): Columns {
  return { ts: new Float64Array(size), words: new Int32Array(size * 2) }
}

/** Makes room for `most` samples and moves the present ones to the end; where they begin. */
function moveToEnd(out: ReadBuffer, most: number): number {
  const { ts, values, count } = out
  if (most > ts.length) {
    out.ts = new Float64Array(most * 2)
    out.values = new Float64Array(most * 2)
  }
  const at = out.ts.length - count
  out.ts.set(ts.subarray(0, count), at)
  out.values.set(values.subarray(0, count), at)
  return at
}

/** Merges two runs to columns from `at` on; of equal times `first` stays. Where the result ends. */
function merge(first: Run, second: Run, to: Columns, at: number): number {
  let a = first.from
  let b = second.from
  let end = at
  while (a < first.end && b < second.end) {
    const ta = first.ts[a]!
    const tb = second.ts[b]!
    if (ta <= tb) {
      copy(first, a++, to, end++)
      if (ta === tb) b++
    } else copy(second, b++, to, end++)
  }
  while (a < first.end) copy(first, a++, to, end++)
  while (b < second.end) copy(second, b++, to, end++)
  return end
}

function copy(from: Columns, i: number, to: Columns, at: number): void {
  to.ts[at] = from.ts[i]!
  to.words[at * 2] = from.words[i * 2]!
  to.words[at * 2 + 1] = from.words[i * 2 + 1]!
}
