/**
 * When a tenant's head is cut and which blocks that makes: as Prometheus and Mimir do, in ranges of
 * two hours, each as soon as the head spans one and a half (tsdb/head.go, compactable); the whole head
 * when nothing has come for a while or on demand; early, up to a time shortly before now, when memory
 * is short; and by halves when chunks take more than they may.
 */
import { CHUNK_RANGE_MS } from '../../shared/kernels/head-layout.js'
import type { TimeRange } from '../compactor/contract.js'

/** `regular`: ranges that are over; `whole`: everything; `early`: all but the newest; `half`: the older half. */
export type CutKind = 'regular' | 'whole' | 'early' | 'half'

/** What is known of a head. Times are ms; infinite without samples. */
export interface HeadTimes {
  readonly mint: number
  readonly maxt: number
  readonly hasLate: boolean
}

/** A cut to be made. */
export interface CutPlan {
  /** Samples in order before this are cut. */
  readonly before: number
  /** A block each, where there are samples. */
  readonly ranges: readonly TimeRange[]
}

/** Blocks of one cut at most; the rest is for the next one. */
export const RANGES_MAX = 12
/** An early cut leaves the newest twenty minutes in the head. */
const EARLY_MS = 1_200_000
/** A cut by halves leaves the newest two. */
const HALF_KEPT_MS = 120_000

/** The cut that is due; undefined when none is. */
export function planCut(head: HeadTimes, kind: CutKind, nowMs: number): CutPlan | undefined {
  const { mint, maxt, hasLate } = head
  const ranges: TimeRange[] = []
  const end = endOf(head, kind, nowMs)
  for (let from = mint; from < end && ranges.length < RANGES_MAX; ) {
    const to = Math.min(end, (Math.floor(from / CHUNK_RANGE_MS) + 1) * CHUNK_RANGE_MS)
    if (kind === 'regular' && maxt - from <= CHUNK_RANGE_MS * 1.5) break
    ranges.push({ mint: from, maxt: to })
    from = to
  }
  if (ranges.length > 0) return { before: ranges.at(-1)!.maxt, ranges }
  // Nothing in order: what came out of order goes all the same when everything is to go.
  const isLateDue = hasLate && kind === 'whole'
  return isLateDue ? { before: Number.NEGATIVE_INFINITY, ranges } : undefined
}

function endOf({ mint, maxt }: HeadTimes, kind: CutKind, nowMs: number): number {
  if (mint > maxt) return Number.NEGATIVE_INFINITY
  if (kind === 'whole') return maxt + 1
  if (kind === 'early') return Math.min(maxt + 1, nowMs - EARLY_MS)
  if (kind === 'half') return Math.min(Math.floor((mint + maxt) / 2), maxt - HALF_KEPT_MS)
  return maxt
}
