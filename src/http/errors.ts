/**
 * Errors as HTTP answers: the JSON envelope of the Prometheus API for queries, plain text for
 * pushes and for tenant errors (whatever the API), and Mimir's Retry-After.
 */
import type { Env, Prng } from '../shared/env/index.js'
import { AppError, type ErrorId, fail } from '../shared/errors/index.js'
import { encodeError } from '../shared/wire/json/index.js'
import type { Endpoint, Front, Reply, RequestHead, RetryAfterBounds } from './handler.js'

/** What a request without a known credential is asked for. */
const CHALLENGE = 'Basic realm="nilometer", charset="UTF-8", Bearer realm="nilometer"'
const JSON_HEADERS = { 'content-type': 'application/json' }
const PLAIN: ReadonlySet<ErrorId> = new Set(['no-org-id', 'tenant-id-invalid', 'too-many-tenants'])

/** The answer to a request that failed. An error that is not ours is logged and becomes a 500. */
export function errorReply(cause: unknown, errors: Endpoint['errors'], env: Env): Reply {
  const error = appErrorOf(cause, env)
  const row = error.row()
  const reply =
    errors === 'text' || PLAIN.has(error.id)
      ? textReply(row.status, `${error.message}\n`)
      : { status: row.status, headers: JSON_HEADERS, body: encodeError(row.type, error.message) }
  if (error.id !== 'unauthorized') return reply
  return { ...reply, headers: { ...reply.headers, 'www-authenticate': CHALLENGE } }
}

/** The error itself, or `internal` around what should never have been thrown. */
export function appErrorOf(cause: unknown, env: Env): AppError {
  if (cause instanceof AppError) return cause
  const text = cause instanceof Error ? cause.message : String(cause)
  const stack = cause instanceof Error ? cause.stack : undefined
  env.log.error('request failed unexpectedly', { err: text, stack })
  return fail('internal', { text: `internal error: ${text}` }, cause)
}

/** A plain text answer. */
export function textReply(status: number, body: string): Reply {
  const headers = {
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
  }
  return { status, headers, body }
}

/** A JSON answer. */
export function jsonReply(status: number, value: unknown): Reply {
  return { status, headers: JSON_HEADERS, body: JSON.stringify(value) }
}

/** A reply with Retry-After where one may come again. */
export function withRetryAfter(reply: Reply, head: RequestHead, { config, env }: Front): Reply {
  const { retryAfter } = config
  if (retryAfter === undefined || (reply.status !== 429 && reply.status < 500)) return reply
  const seconds = retryAfterSeconds(head, retryAfter, env.prng)
  return { ...reply, headers: { ...reply.headers, 'retry-after': String(seconds) } }
}

/**
 * Seconds for Retry-After: min × 2^(attempt − 1) up to max, half of it more or less at random, within
 * [min, max]. The attempt is the sender's `Retry-Attempt`, 1 without.
 */
function retryAfterSeconds({ headers }: RequestHead, bounds: RetryAfterBounds, prng: Prng): number {
  const sent = Number(headers['retry-attempt'])
  const attempt = Number.isInteger(sent) && sent >= 1 ? Math.min(sent, 32) : 1
  const base = Math.min(bounds.maxS, bounds.minS * 2 ** (attempt - 1))
  const jitter = (prng.nextU32() / 0x1_0000_0000 - 0.5) * base
  return Math.round(Math.min(bounds.maxS, Math.max(bounds.minS, base + jitter)))
}
