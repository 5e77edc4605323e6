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
  const hasStarts = a.starts !== undefined || b.starts !== undefined
  out.starts = hasStarts ? new Float64Array(room) : undefined
  let i = 0
  let j = 0
  let count = 0
  // The usual case: one run ends before the other begins.
  if (a.count > 0 && b.count > 0 && a.ts[0]! > b.ts[b.count - 1]!) {
    count = appendRest(b, 0, out, 0)
    out.count = appendRest(a, 0, out, count)
    return
  }
  if (a.count > 0 && b.count > 0 && a.ts[a.count - 1]! < b.ts[0]!) {
    count = appendRest(a, 0, out, 0)
    i = a.count
  }
  while (i < a.count && j < b.count) {
    const isFirst = a.ts[i]! <= b.ts[j]!
    if (a.ts[i] === b.ts[j]) j++
    const from = isFirst ? a : b
    const at = isFirst ? i++ : j++
    if (out.histograms !== undefined) out.histograms[count] = from.histograms?.[at]
    if (out.starts !== undefined) out.starts[count] = from.starts?.[at] ?? 0
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
  if (out.starts !== undefined && from.starts !== undefined) {
    out.starts.set(from.starts.subarray(at, from.count), count)
  }
  return count + from.count - at
}
