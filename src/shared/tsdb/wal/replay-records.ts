/**
 * Histograms and exemplars back from the log and from snapshots. A histogram of a time that its
 * series has is left out: an earlier copy of it is there. One that is older than the newest stored
 * came out of order, then or now.
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
import type { Covered } from './covered.js'
import type { SeriesNumbers } from './series-numbers.js'

/** Marks in the map of series numbers. */
export const UNKNOWN = 0xffffffff
/** There was no memory for the series. */
export const NO_ROOM = 0xfffffffe
/** Of a sample: it is in a block. */
export const IN_BLOCK = 0xfffffffd

/** Counts that are added to. */
export interface RecordCounts {
  samples: number
  samplesRefused: number
  samplesUnknown: number
  samplesWithoutRoom: number
}

/** What records are replayed into. */
export interface RecordTarget {
  readonly head: Head
  /** [number in the log] ref, or a mark. */
  readonly numbers: SeriesNumbers
  readonly covered: Covered
  readonly counts: RecordCounts
  /** Where the records stand: a segment of the log, or the snapshot before it. */
  readonly segment: { readonly number: number; readonly isSnapshot: boolean }
}

/** Before the records of a payload: how many u32, zero u32. */
const COUNT_BYTES = 8
/** Before a chunk: series number u32, encoding u32, length u32, 1 when it came out of order u32. */
export const CHUNK_HEAD_BYTES = 16

/** @returns false when the payload of a histograms or exemplars record is malformed */
export function replayRecords(target: RecordTarget, payload: Uint8Array): boolean {
  const { head, numbers } = target
  if (payload.length < COUNT_BYTES) return false
  // Records are read at multiples of 8 of their buffer.
  const copy = new Uint8Array(payload)
  const count = new DataView(copy.buffer).getUint32(0, true)
  return eachRecord(copy.subarray(COUNT_BYTES), count, (record) => {
    const ref = numbers.get(record.series)
    if (record.kind === RECORD_EXEMPLAR) {
      if (ref < NO_ROOM) addExemplar(head, ref, record.t, record.payload)
      return
    }
    const found = findHistogram(record.kind, record.payload)
    if (found === undefined) return
    // Floats that are newer came before, or it would not be here.
    const isLate = ref < IN_BLOCK && record.t <= head.kernel.lastTime(ref)
    addHistogram(target, ref, { t: record.t, histogram: found.histogram, isLate })
  })
}

function addExemplar(head: Head, ref: number, t: number, payload: Uint8Array): void {
  const value = new DataView(payload.buffer, payload.byteOffset).getFloat64(0, true)
  const labels = new Uint8Array(payload.subarray(8))
  head.exemplars.add(head.view.tenantOf(ref), { ref, t, value, labels })
}

function addHistogram(
  { head, covered, counts, segment }: RecordTarget,
  ref: number,
  { t, histogram, isLate }: { t: number; histogram: AnyHistogram; isLate: boolean },
): void {
  if (ref >= NO_ROOM) {
    if (ref === UNKNOWN) counts.samplesUnknown++
    else counts.samplesWithoutRoom++
    return
  }
  const place = covered.placeOf(ref, t, isLate || t <= head.histograms.maxTime(ref), segment)
  if (place === 'block') {
    counts.samplesRefused++
    return
  }
  const { histograms } = head
  const isOutOfOrder = place === 'late'
  const result = isOutOfOrder
    ? histograms.appendLate(ref, t, histogram)
    : histograms.append(ref, t, histogram)
  if (result === 'taken') counts.samplesRefused++
  else if (result === 'full' || result === false) counts.samplesWithoutRoom++
  else counts.samples++
}

/** @returns false when the payload of a snapshot's histogram chunks is malformed */
export function loadHistogramChunks(target: RecordTarget, payload: Uint8Array): boolean {
  if (payload.length < COUNT_BYTES) return false
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
  let at = COUNT_BYTES
  for (let left = view.getUint32(0, true); left > 0; left--) {
    if (payload.length - at < CHUNK_HEAD_BYTES) return false
    const ref = target.numbers.get(view.getUint32(at, true))
    const encoding = view.getUint32(at + 4, true)
    const end = at + CHUNK_HEAD_BYTES + view.getUint32(at + 8, true)
    if (end > payload.length) return false
    const isLate = view.getUint32(at + 12, true) === 1
    const bytes = payload.slice(at + CHUNK_HEAD_BYTES, end)
    if (!loadChunk(target, ref, { encoding, bytes, isLate })) return false
    at = end
  }
  return at === payload.length
}

function loadChunk(
  target: RecordTarget,
  ref: number,
  { encoding, bytes, isLate }: { encoding: number; bytes: Uint8Array; isLate: boolean },
): boolean {
  try {
    const isFloat = encoding === ENCODING_FLOAT_HISTOGRAM
    const columns = isFloat
      ? decodeFloatHistogramChunk(bytes, encoding)
      : decodeHistogramChunk(bytes, encoding)
    for (let i = 0; i < columns.size; i++) {
      const isReset = i === 0 && columns.reset === RESET_YES
      const histogram = histogramAt(columns, i)
      const hinted = isReset ? { ...histogram, counterResetHint: 'reset' as const } : histogram
      addHistogram(target, ref, { t: columns.ts[i]!, histogram: hinted, isLate })
    }
    return true
  } catch {
    return false
  }
}
