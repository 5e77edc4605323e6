/**
 * Windows of series that have the same times, as those of one target do: found once per query and
 * times, together with what functions make of times alone. Hot.
 */
import type { SharedTimes } from '../functions/kernel.js'
import type { QueryMemory } from '../memory.js'

/** Windows over times that several series have. */
export interface SharedWindows extends SharedTimes {
  /** Samples that they were found in: of the same array, a series may have fewer. */
  readonly count: number
  readonly from: Int32Array
  readonly to: Int32Array
  /** Samples of the fullest window. */
  readonly fullest: number
}

/** Windows of so few steps are found as fast as they are looked up. */
const STEPS_MIN = 8
/** Keeping windows costs as much as finding them: not worth it for pairs of series. */
const SERIES_MIN = 3
/** Arrays of times that are remembered. */
const TIMES_MAX = 4096
/** What the windows of one call may hold. */
const BYTES_MAX = 4 << 20
/** Per step: both ends, and what a function keeps. */
const STEP_BYTES = 8 + 32

/** The windows of one call, by the array that has their times. */
export class WindowsByTimes {
  private readonly memory: QueryMemory
  private readonly steps: number
  /** A number: so many series have had them so far. */
  private readonly found = new Map<Float64Array, SharedWindows | number>()
  private room: number

  constructor(steps: number, memory: QueryMemory) {
    this.memory = memory
    this.steps = steps
    this.room = steps < STEPS_MIN ? 0 : Math.floor(BYTES_MAX / (steps * STEP_BYTES))
  }

  /** Those of so many samples at these times, if they have been found. */
  of(times: Float64Array, count: number): SharedWindows | undefined {
    const known = this.found.get(times)
    return typeof known === 'object' && known.count === count ? known : undefined
  }

  /** Whether windows of these times are to be kept: when a third series has them, and there is room. */
  takes(times: Float64Array): boolean {
    const known = this.found.get(times) ?? 0
    if (this.room === 0 || typeof known !== 'number') return false
    if (known > 0 || this.found.size < TIMES_MAX) this.found.set(times, known + 1)
    return known + 1 >= SERIES_MIN
  }

  /** Keeps windows; the arrays are copied. */
  keep(
    times: Float64Array,
    { count, fullest, from, to }: Omit<SharedWindows, 'kept'>,
  ): SharedWindows {
    this.memory.claim(this.steps * STEP_BYTES)
    this.room--
    const windows = { count, fullest, from: from.slice(), to: to.slice(), kept: undefined }
    this.found.set(times, windows)
    return windows
  }
}
