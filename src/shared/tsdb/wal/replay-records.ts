/**
 * Histograms and exemplars back from the log and from snapshots. A histogram that its series has, or
 * one older than the newest stored, is left out: an earlier copy of it is there.
 */
import {
  type AnyHistogram,
  eachRecord,
  findHistogram,
  RECORD_EXEMPLAR,
} from '../../wire/frames/index.js'
import { decodeFloatHistogramChunk } from '../chunk/float-histogram.js'
import { decodeHistogramChunk } from '../chunk/histogram.js'
import { ENCODING_FLOAT_HISTOGRAM, histogramAt, RESET_YES } from '../chunk/histogram-columns.js'
import type { Head } from '../head/head.js'

/** Marks in the map of series numbers. */
export const UNKNOWN = 0xffffffff
/** There was no memory for the series. */
export const NO_ROOM = 0xfffffffe

/** Counts that are added to. */
export interface RecordCounts {
  samples: number
  samplesRefused: number
  samplesUnknown: number
  samplesWithoutRoom: number
}

/** Before the records of a payload: how many u32, zero u32. */
const COUNT_BYTES = 8
/** Before a chunk: series number u32, encoding u32, length u32, zero u32. */
export const CHUNK_HEAD_BYTES = 16

/** @returns false when the payload of a histograms or exemplars record is malformed */
export function replayRecords(
  head: Head,
  refs: Uint32Array,
  payload: Uint8Array,
  counts: RecordCounts,
): boolean {
  if (payload.length < COUNT_BYTES) return false
  // Records are read at multiples of 8 of their buffer.
  const copy = new Uint8Array(payload)
  const count = new DataView(copy.buffer).getUint32(0, true)
  return eachRecord(copy.subarray(COUNT_BYTES), count, (record) => {
    const ref = refs[record.series] ?? UNKNOWN
    if (record.kind === RECORD_EXEMPLAR) {
      if (ref < NO_ROOM) addExemplar(head, ref, record.t, record.payload)
      return
    }
    const found = findHistogram(record.kind, record.payload)
    if (found !== undefined) addHistogram(head, ref, record.t, found.histogram, counts)
  })
}

function addExemplar(head: Head, ref: number, t: number, payload: Uint8Array): void {
  const value = new DataView(payload.buffer, payload.byteOffset).getFloat64(0, true)
  const labels = new Uint8Array(payload.subarray(8))
  head.exemplars.add(head.view.tenantOf(ref), { ref, t, value, labels })
}

function addHistogram(
  head: Head,
  ref: number,
  t: number,
  histogram: AnyHistogram,
  counts: RecordCounts,
): void {
  if (ref >= NO_ROOM) {
    if (ref === UNKNOWN) counts.samplesUnknown++
    else counts.samplesWithoutRoom++
  } else if (t <= head.histograms.maxTime(ref)) counts.samplesRefused++
  else if (head.histograms.append(ref, t, histogram)) counts.samples++
  else counts.samplesWithoutRoom++
}

/** @returns false when the payload of a snapshot's histogram chunks is malformed */
export function loadHistogramChunks(
  head: Head,
  refs: Uint32Array,
  payload: Uint8Array,
  counts: RecordCounts,
): boolean {
  if (payload.length < COUNT_BYTES) return false
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
  let at = COUNT_BYTES
  for (let left = view.getUint32(0, true); left > 0; left--) {
    if (payload.length - at < CHUNK_HEAD_BYTES) return false
    const ref = refs[view.getUint32(at, true)] ?? UNKNOWN
    const encoding = view.getUint32(at + 4, true)
    const end = at + CHUNK_HEAD_BYTES + view.getUint32(at + 8, true)
    if (end > payload.length) return false
    const chunk = payload.slice(at + CHUNK_HEAD_BYTES, end)
    if (!loadChunk(head, ref, encoding, chunk, counts)) return false
    at = end
  }
  return at === payload.length
}

function loadChunk(
  head: Head,
  ref: number,
  encoding: number,
  chunk: Uint8Array,
  counts: RecordCounts,
): boolean {
  try {
    const isFloat = encoding === ENCODING_FLOAT_HISTOGRAM
    const columns = isFloat
      ? decodeFloatHistogramChunk(chunk, encoding)
      : decodeHistogramChunk(chunk, encoding)
    for (let i = 0; i < columns.size; i++) {
      const isReset = i === 0 && columns.reset === RESET_YES
      const histogram = histogramAt(columns, i)
      const hinted = isReset ? { ...histogram, counterResetHint: 'reset' as const } : histogram
      addHistogram(head, ref, columns.ts[i]!, hinted, counts)
    }
    return true
  } catch {
    return false
  }
}
