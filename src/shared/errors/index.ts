/** Errors with public ids: the catalogue, the one class, and how to raise it. */
export { AppError, type ErrorDetails, fail } from './app-error.js'
export { type ApiErrorType, ERRORS, type ErrorId, type ErrorRow } from './catalogue.js'
