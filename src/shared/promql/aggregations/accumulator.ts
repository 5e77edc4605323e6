/**
 * Aggregations that keep a value per group and step: rows go in one by one and are forgotten. The
 * result's own columns hold the running value; presence bits tell where a group has begun.
 */
import type { StepMatrix } from '../columns.js'
import type { QueryMemory } from '../memory.js'

/** The state of one aggregation. */
export interface Accumulator {
  /** Takes a row of the input into a group. */
  add(
    group: number,
    values: Float64Array,
    base: number,
    present: Uint32Array,
    wordBase: number,
  ): void
  /** Turns running values into results. */
  finish(): void
}

/** @param out one row per group, nothing present yet; its values and bits are the running state */
export type AccumulatorFactory = (out: StepMatrix, memory: QueryMemory) => Accumulator
