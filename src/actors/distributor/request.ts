/** A push on its way: which shards owe an ack, what went wrong, and what to answer. */
import type { PushAnswer } from './contract.js'

/** A push that has not been answered. */
export interface PushRequest {
  readonly id: number
  /** On the monotonic clock, in ms. */
  readonly deadlineMs: number
  /** [shards], 1 where an ack is due. */
  readonly awaiting: Uint8Array
  awaitingCount: number
  /** All frames are committed (or given up). */
  isSent: boolean
  isAnswered: boolean
  /** Why the sender should send again; it wins over the others. */
  retryText: string
  /** An ingester's first rejection. */
  shardText: string
  /** What the distributor itself refused first. */
  ownText: string
  /** What was sent to shards less what they refused. */
  readonly written: { samples: number; histograms: number; exemplars: number }
}

/** Of a push that the sender is to send again. */
export const NOTHING_WRITTEN = { samples: 0, histograms: 0, exemplars: 0 }

/** Makes a request that nothing has been sent for. */
export function createRequest(id: number, deadlineMs: number, shardCount: number): PushRequest {
  return {
    id,
    deadlineMs,
    awaiting: new Uint8Array(shardCount),
    awaitingCount: 0,
    isSent: false,
    isAnswered: false,
    retryText: '',
    shardText: '',
    ownText: '',
    written: { samples: 0, histograms: 0, exemplars: 0 },
  }
}

/** Whether the answer is known: a reason to retry, or all acks. */
export function isSettled(request: PushRequest): boolean {
  return request.retryText !== '' || (request.isSent && request.awaitingCount === 0)
}

/**
 * The answer: a shard down, late or out of disk → 503 for the whole body, else the first rejection
 * → 400, else 200. What an ingester said goes before what validation said, as in Mimir.
 */
export function answerOf(request: PushRequest): PushAnswer {
  if (request.retryText !== '') {
    return { status: 503, text: request.retryText, retryable: true }
  }
  const text = request.shardText !== '' ? request.shardText : request.ownText
  const { written } = request
  return { status: text === '' ? 200 : 400, text, retryable: false, written }
}
