/**
 * Errors on their way between threads: id and details, from which the other side makes the same
 * AppError. An error that is not of the catalogue becomes `internal` with its text; structured
 * clone alone would lose everything but that anyway.
 */
import { AppError, type ErrorDetails, type ErrorId } from '../errors/index.js'

/** An error as it crosses. */
export interface WireError {
  readonly id: ErrorId
  readonly details: ErrorDetails
  /** Where it was thrown, for the log of the thread that called. */
  readonly stack: string
}

/** What to send in place of an error. */
export function toWireError(error: unknown): WireError {
  if (error instanceof AppError) {
    return { id: error.id, details: error.details, stack: error.stack ?? '' }
  }
  if (error instanceof Error) {
    const text = error.name === 'Error' ? error.message : `${error.name}: ${error.message}`
    return { id: 'internal', details: { text }, stack: error.stack ?? '' }
  }
  return { id: 'internal', details: { text: String(error) }, stack: '' }
}

/** The error to throw here; its cause carries the other thread's stack. */
export function fromWireError(wire: WireError): AppError {
  const cause = new Error('thrown in another thread')
  cause.stack = wire.stack
  return new AppError(wire.id, wire.details, cause)
}
