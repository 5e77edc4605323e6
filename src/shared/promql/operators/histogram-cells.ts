/** Cells of rows that are native histograms: finding them, taking them away, what they weigh. */
import type { FloatHistogram } from '../../model/histogram.js'
import type { HistogramRow } from '../columns.js'

/** Takes away the points that are histograms. @returns whether there were any */
export function keepFloats(
  histograms: HistogramRow,
  present: Uint32Array,
  wordBase: number,
): boolean {
  let any = false
  for (let step = 0; step < histograms.length; step++) {
    if (histograms[step] === undefined) continue
    const word = wordBase + (step >>> 5)
    const bit = 1 << (step & 31)
    if ((present[word]! & bit) === 0) continue
    present[word]! &= ~bit
    any = true
  }
  return any
}

/** Calls `see` with every point of a row that is a histogram, by step. */
export function eachHistogram(
  histograms: HistogramRow,
  present: Uint32Array,
  wordBase: number,
  see: (histogram: FloatHistogram, step: number) => void,
): void {
  for (let step = 0; step < histograms.length; step++) {
    const histogram = histograms[step]
    if (histogram === undefined) continue
    if (((present[wordBase + (step >>> 5)]! >>> (step & 31)) & 1) === 1) see(histogram, step)
  }
}

/** The points that a histogram counts for beyond one; Prometheus promql/value.go, HPoint.size. */
export function extraPoints(histogram: FloatHistogram): number {
  return Math.trunc((histogramBytes(histogram) + 8) / 16) - 1
}

/** Bytes of a histogram; model/histogram/float_histogram.go, Size. */
export function histogramBytes({ positive, negative, customValues }: FloatHistogram): number {
  const spans = positive.spans.length + negative.spans.length
  const counts = positive.counts.length + negative.counts.length
  return 168 + spans * 4 + counts * 8 + customValues.length * 8
}
