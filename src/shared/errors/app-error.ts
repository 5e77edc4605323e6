/**
 * The one error class of the project: an id of the catalogue and the details that fill its message.
 * It crosses threads as `{id, details}` (shared/actor) and is answered by http/errors.ts.
 */
import { ERRORS, type ErrorId, type ErrorRow } from './catalogue.js'

/** What fills the `{name}` places of a catalogue message; small plain values only. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean>>

/** An error of the catalogue; made by {@link fail}. */
export class AppError extends Error {
  readonly id: ErrorId
  readonly details: ErrorDetails

  constructor(id: ErrorId, details: ErrorDetails = {}, cause?: unknown) {
    super(render(ERRORS[id].message, details), cause === undefined ? undefined : { cause })
    this.name = 'AppError'
    this.id = id
    this.details = details
  }

  /** The catalogue row: HTTP status, API error type, retryable. */
  row(): ErrorRow {
    return ERRORS[this.id]
  }
}

/** Makes the error to throw: `throw fail('query-parse', { text })`. */
export function fail(id: ErrorId, details: ErrorDetails = {}, cause?: unknown): AppError {
  return new AppError(id, details, cause)
}

function render(message: string, details: ErrorDetails): string {
  return message.replace(/\{(\w+)\}/g, (place, name: string) => String(details[name] ?? place))
}
