/**
 * How many samples, exemplars and metadata records a request has, without looking at what they are:
 * for requests that are refused as a whole, and for those too large for one chunk, of which a rate
 * limit must be decided before the first chunk leaves. Malformed ones are counted as far as they go.
 */
import { readAt, readLength, readVarint, skipValue } from './proto'
import { ITEM_OTHERS, ITEM_SAMPLES } from './write-request-layout'

/** Tags of a request's series and metadata. */
const SERIES_V1: u64 = 10
const METADATA_V1: u64 = 26
const SERIES_V2: u64 = 42
/** Fields of a series; the numbers of exemplars and histograms are swapped in remote write 2.0. */
const SAMPLES: u64 = 2
const HISTOGRAMS_V1: u64 = 4
const HISTOGRAMS_V2: u64 = 3

let samples: u32 = 0
let others: u32 = 0

/** Formats: remote write 1.0 and 2.0, OTLP. */
const FORMAT_V2: u32 = 1
const FORMAT_OTLP: u32 = 2
/** How deep data points are: resource, scope, metric, kind of data, point. */
const OTLP_DEPTH: u32 = 4

/** Counts what stands in [p, end), into ITEM_SAMPLES (histograms are samples too) and ITEM_OTHERS. */
export function countItems(c: usize, p: usize, end: usize, format: u32): void {
  samples = 0
  others = 0
  if (format == FORMAT_OTLP) countPoints(p, end, 0)
  else countRequest(p, end, format == FORMAT_V2)
  store<u32>(c, samples, ITEM_SAMPLES)
  store<u32>(c, others, ITEM_OTHERS)
}

/** The data points below a message of OTLP. */
function countPoints(p: usize, end: usize, depth: u32): void {
  while (p < end) {
    const tag = readVarint(p, end)
    if (readAt == 0) return
    if (!isInner(tag, depth)) {
      skipValue(tag, readAt, end)
      if (readAt == 0) return
      p = readAt
      continue
    }
    const length = readLength(readAt, end)
    if (readAt == 0) return
    const from = readAt
    p = from + length
    if (depth == OTLP_DEPTH) samples++
    else countPoints(from, p, depth + 1)
  }
}

/** Whether a field leads to data points. */
function isInner(tag: u64, depth: u32): bool {
  if (depth == 0 || depth == OTLP_DEPTH) return tag == 10
  if (depth < 3) return tag == 18
  return tag == 42 || tag == 58 || tag == 74 || tag == 82 || tag == 90
}

function countRequest(p: usize, end: usize, isV2: bool): void {
  const seriesTag = isV2 ? SERIES_V2 : SERIES_V1
  while (p < end) {
    const tag = readVarint(p, end)
    if (readAt == 0) break
    if (tag == seriesTag) {
      const length = readLength(readAt, end)
      if (readAt == 0) break
      p = readAt + length
      countSeries(readAt, p, isV2)
      continue
    }
    if (!isV2 && tag == METADATA_V1) others++
    skipValue(tag, readAt, end)
    if (readAt == 0) break
    p = readAt
  }
}

function countSeries(p: usize, end: usize, isV2: bool): void {
  const histograms = isV2 ? HISTOGRAMS_V2 : HISTOGRAMS_V1
  while (p < end) {
    const tag = readVarint(p, end)
    if (readAt == 0) return
    const field = tag >> 3
    if ((tag & 7) == 2) {
      if (field == SAMPLES || field == histograms) samples++
      else if (field == HISTOGRAMS_V1 || field == HISTOGRAMS_V2) others++
    }
    skipValue(tag, readAt, end)
    if (readAt == 0) return
    p = readAt
  }
}
