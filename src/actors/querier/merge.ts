/**
 * Merging the samples of one series that lies in several shards: after a change of the shard count
 * old samples may be in another shard than new ones, and replicas hold the same twice.
 */
import type { SampleBuffer } from '../../shared/promql/index.js'

/**
 * Merges two runs of samples in time order into a third buffer. Of samples at one time the first
 * run's wins.
 */
export function mergeSamples(a: SampleBuffer, b: SampleBuffer, out: SampleBuffer): void {
  const room = a.count + b.count
  if (out.ts.length < room) {
    out.ts = new Float64Array(room)
    out.values = new Float64Array(room)
  }
  const hasHistograms = a.histograms !== undefined || b.histograms !== undefined
  out.histograms = hasHistograms ? [] : undefined
  let i = 0
  let j = 0
  let count = 0
  while (i < a.count && j < b.count) {
    const isFirst = a.ts[i]! <= b.ts[j]!
    if (a.ts[i] === b.ts[j]) j++
    const from = isFirst ? a : b
    const at = isFirst ? i++ : j++
    if (out.histograms !== undefined) out.histograms[count] = from.histograms?.[at]
    out.ts[count] = from.ts[at]!
    out.values[count++] = from.values[at]!
  }
  count = appendRest(a, i, out, count)
  out.count = appendRest(b, j, out, count)
}

function appendRest(from: SampleBuffer, at: number, out: SampleBuffer, count: number): number {
  out.ts.set(from.ts.subarray(at, from.count), count)
  out.values.set(from.values.subarray(at, from.count), count)
  if (out.histograms !== undefined) {
    for (let i = at; i < from.count; i++) out.histograms[count + i - at] = from.histograms?.[i]
  }
  return count + from.count - at
}
