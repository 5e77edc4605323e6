/** A push on its way: which shards owe an ack, what went wrong, and what to answer. */
import type { PushAnswer } from './contract.js'
import type { Replica, ReplicaSet } from './route.js'

/** A push that has not been answered. */
export interface PushRequest {
  readonly id: number
  /** On the monotonic clock, in ms. */
  readonly deadlineMs: number
  /** [shards], 1 where an ack is due; then four counts per set of replicas (GOOD …). */
  readonly cells: Uint8Array
  readonly shardCount: number
  /** Sets that have been sent all of it and whose acks do not tell the outcome yet. */
  openSets: number
  /** All frames are committed (or given up). */
  isSent: boolean
  isAnswered: boolean
  /** Why the sender should send again; it wins over the others. */
  retryText: string
  /** An ingester's first rejection. */
  shardText: string
  /** What the distributor itself refused first. */
  ownText: string
  /** Why nothing, or a part that its sender must hear of, was taken; and the answer's status then. */
  refusedText: string
  refusedStatus: number
  /** What was refused alone does not make the answer an error: OTLP tells it in a success. */
  readonly toldInSuccess: boolean
  /** Samples and histograms that were refused. */
  rejected: number
  /** What was sent to shards less what they refused. */
  readonly written: { samples: number; histograms: number; exemplars: number }
}

/** Of a push that the sender is to send again. */
export const NOTHING_WRITTEN = { samples: 0, histograms: 0, exemplars: 0 }

/** What a replica says of its part of a body. */
export type ReplicaVerdict = 'good' | 'rejected' | 'failed'

/** Cells of a set: acks that are due, good ones, rejections; whether its outcome is known. */
const DUE = 0
const GOOD = 1
const REJECTED = 2
const DECIDED = 3
const SET_CELLS = 4

/** Makes a request that nothing has been sent for. */
export function createRequest(
  id: number,
  deadlineMs: number,
  counts: { readonly shards: number; readonly sets: number; readonly toldInSuccess?: boolean },
): PushRequest {
  return {
    id,
    deadlineMs,
    cells: new Uint8Array(counts.shards + counts.sets * SET_CELLS),
    shardCount: counts.shards,
    openSets: 0,
    isSent: false,
    isAnswered: false,
    retryText: '',
    shardText: '',
    ownText: '',
    refusedText: '',
    refusedStatus: 400,
    toldInSuccess: counts.toldInSuccess ?? false,
    rejected: 0,
    written: { samples: 0, histograms: 0, exemplars: 0 },
  }
}

/** A set has been sent all of the body: those of its replicas that take part will ack. */
export function awaitAcks(request: PushRequest, set: ReplicaSet): void {
  const at = request.shardCount + set.index * SET_CELLS
  for (const { shard, isIn } of set.replicas) {
    if (!isIn) continue
    request.cells[shard] = 1
    request.cells[at + DUE]!++
  }
  request.openSets++
}

/** Whether a shard owes an ack. */
export function isAwaiting(request: PushRequest, shard: number): boolean {
  return request.cells[shard] === 1
}

/**
 * Takes what a replica says (architecture §8.7): a set is good when more than half of its replicas
 * are, refuses the body when as many do, and cannot tell when neither can be any more.
 *
 * @returns true when this decided the set, and so: with `rejected`, that the body is refused
 */
export function takeVerdict(
  request: PushRequest,
  { shard, set }: Replica,
  verdict: ReplicaVerdict,
  text: string,
): boolean {
  const { cells } = request
  if (cells[shard] === 0) return false
  cells[shard] = 0
  const at = request.shardCount + set.index * SET_CELLS
  cells[at + DUE]!--
  if (verdict === 'good') cells[at + GOOD]!++
  else if (verdict === 'rejected') cells[at + REJECTED]!++
  if (cells[at + DECIDED] === 1) return false
  const [due, good, rejected] = [cells[at + DUE]!, cells[at + GOOD]!, cells[at + REJECTED]!]
  if (good < set.quorum && rejected < set.quorum) {
    if (Math.max(good, rejected) + due >= set.quorum) return false
    request.retryText ||= verdict === 'failed' ? text : 'too few ingesters agree on the write'
  } else if (rejected >= set.quorum) request.shardText ||= text
  cells[at + DECIDED] = 1
  request.openSets--
  return true
}

/** Whether the answer is known: a reason to retry, or the outcome of all sets. */
export function isSettled(request: PushRequest): boolean {
  return request.retryText !== '' || (request.isSent && request.openSets === 0)
}

/**
 * The answer: too many shards down, late or out of disk → 503 for the whole body, else the first rejection
 * → 400 (or what the refusal of a whole body says), else 200. What an ingester said goes before what validation said, as in Mimir.
 */
export function answerOf(request: PushRequest): PushAnswer {
  if (request.retryText !== '') {
    return { status: 503, text: request.retryText, retryable: true }
  }
  const { written, rejected } = request
  if (request.refusedText !== '') {
    const { refusedStatus: status, refusedText: text } = request
    return { status, text, retryable: status === 429, written, rejected }
  }
  const text = request.shardText !== '' ? request.shardText : request.ownText
  const status = text === '' || request.toldInSuccess ? 200 : 400
  return { status, text, retryable: false, written, rejected }
}
