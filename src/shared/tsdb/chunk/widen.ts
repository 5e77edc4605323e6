/**
 * Layouts of histograms of one series compared and widened: when does a chunk take one more
 * histogram, and with which buckets. The rules are Prometheus' (tsdb/chunkenc: appendable,
 * expandSpansBothWays), so that chunks are cut where it cuts them.
 */

/** Where the buckets of two sides go in what has them all. */
export interface Union {
  readonly spans: Int32Array
  /** [buckets of a] place of each. */
  readonly fromA: Int32Array
  readonly fromB: Int32Array
  readonly size: number
}

/** Bucket indexes of spans, ascending. */
function indexesOf(spans: Int32Array): number[] {
  const indexes: number[] = []
  let index = 0
  for (let i = 0; i < spans.length; i += 2) {
    index += spans[i]!
    for (let left = spans[i + 1]!; left > 0; left--) indexes.push(index++)
  }
  return indexes
}

/** The buckets of both; `a`'s own spans when they cover `b`'s. */
export function uniteSpans(a: Int32Array, b: Int32Array): Union {
  const left = indexesOf(a)
  const right = indexesOf(b)
  const fromA = new Int32Array(left.length)
  const fromB = new Int32Array(right.length)
  const all: number[] = []
  let i = 0
  let j = 0
  while (i < left.length || j < right.length) {
    const x = left[i] ?? Number.POSITIVE_INFINITY
    const y = right[j] ?? Number.POSITIVE_INFINITY
    if (x <= y) fromA[i++] = all.length
    if (y <= x) fromB[j++] = all.length
    all.push(Math.min(x, y))
  }
  const spans = all.length === left.length ? a : spansOf(all)
  return { spans, fromA, fromB, size: all.length }
}

function spansOf(indexes: readonly number[]): Int32Array {
  const spans: number[] = []
  let next = 0
  for (const index of indexes) {
    if (spans.length > 0 && index === next) spans[spans.length - 1]!++
    else spans.push(index - next, 1)
    next = index + 1
  }
  return Int32Array.from(spans)
}

/** Counts at their places among more buckets; empty ones are 0. */
export function placeCounts(
  counts: ArrayLike<number>,
  places: Int32Array,
  size: number,
): Float64Array {
  const placed = new Float64Array(size)
  for (let i = 0; i < places.length; i++) placed[places[i]!] = counts[i]!
  return placed
}

/** Differences to counts. */
export function countsOf(deltas: ArrayLike<number>): Float64Array {
  const counts = new Float64Array(deltas.length)
  let count = 0
  for (let i = 0; i < deltas.length; i++) {
    count += deltas[i]!
    counts[i] = count
  }
  return counts
}

/** Counts to differences, into a column. */
export function putDeltas(counts: Float64Array, to: Float64Array, at: number): void {
  let before = 0
  for (let i = 0; i < counts.length; i++) {
    to[at + i] = counts[i]! - before
    before = counts[i]!
  }
}
