/** How damage of a block is told: which block, which part of it, what is wrong there. */
import { type AppError, fail } from '../../errors/index.js'

/** The place that is being read; a reader makes one per section. */
export interface Place {
  /** ULID, or whatever the reader calls its block. */
  readonly block: string
  /** `index: symbols`, `chunks/000001` and so on. */
  readonly section: string
}

/** The error to throw: AppError `block-damaged`. */
export function damaged(place: Place, text: string, cause?: unknown): AppError {
  return fail('block-damaged', { block: place.block, section: place.section, text }, cause)
}
