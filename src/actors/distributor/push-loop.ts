/**
 * The distributor's loop: bodies → kernel → frames per shard; acks → answers. One body in hand at a
 * time; what blocks it (a full frame ring, or no room for its acks) never keeps acks from being read
 * or answers from being given, so that the cycle main → distributor → ingester → acks drains from
 * any state (architecture §8.3).
 */
import { emptyList } from '../../shared/base/empty-list.js'
import type { Env } from '../../shared/env/index.js'
import type { RingReader } from '../../shared/ringbuf/index.js'
import {
  ACK_HISTOGRAMS,
  ACK_REJECTED,
  ACK_RETRY,
  ACK_UNBOUND,
  type AckFrame,
  ANSWER_BYTES_MAX,
  ANSWER_HEADER_BYTES,
  answerFrameBytes,
  BODY_FORMAT,
  BODY_OTLP,
  BODY_OTLP_JSON,
  BODY_V2,
  type BodyFrame,
  cutText,
  decodeAck,
  decodeBody,
  decodeForget,
  encodeAnswer,
  FRAME_ACK,
  FRAME_ANSWER,
  FRAME_BODY,
  FRAME_FORGET,
} from '../../shared/wire/frames/index.js'
import { BODY_BYTES_USUAL, BodyInHand, type Workbench } from './body.js'
import type { DistributorBoot, LinkEnds, OversizeBody, PushAnswer } from './contract.js'
import {
  answerOf,
  createRequest,
  isAwaiting,
  isSettled,
  NOTHING_WRITTEN,
  type PushRequest,
  takeVerdict,
} from './request.js'
import type { Replica } from './route.js'

/** Bodies of one turn, so that acks are read and messages let in between. */
const BODIES_PER_TURN = 8
/** How soon a body that found a ring full is tried again, when no ack says so earlier. */
const RETRY_MS = 1

interface WaitingAnswer {
  readonly requestId: number
  readonly answer: PushAnswer
}

/** What is known of a body but its bytes. */
type BodyHead = Pick<BodyFrame, 'requestId' | 'tenant' | 'flags'>

/** A body that was decompressed with the one before it, and stands in the kernel as the second. */
interface BodyAhead {
  readonly head: BodyHead
  readonly length: number
  readonly compressedBytes: number
}

/** The loop's state. */
export class PushLoop {
  private readonly env: Env
  private readonly boot: DistributorBoot
  private readonly bench: Workbench
  private main: LinkEnds | undefined
  private hand: BodyInHand | undefined
  /** The next to be in hand. */
  private ahead: BodyAhead | undefined
  /** In order of deadline, since all have the same time. */
  private readonly requests = new Map<number, PushRequest>()
  private readonly oversize: OversizeBody[] = []
  private readonly answers = emptyList<WaitingAnswer>()
  private isRetrySet = false
  /** Shards of which it is known that they were left behind. */
  private readonly behind = new Set<number>()

  constructor(env: Env, boot: DistributorBoot, bench: Workbench) {
    this.env = env
    this.boot = boot
    this.bench = bench
  }

  /** Takes a new generation of main's link; what came on the old one is nobody's business any more. */
  linkMain(ends: LinkEnds): void {
    this.main = ends
    this.hand?.giveUp()
    this.ahead = undefined
    for (const request of this.requests.values()) request.isAnswered = true
    this.requests.clear()
    this.oversize.length = 0
    this.answers.length = 0
  }

  /** Takes a new generation of a shard's link. Pushes that waited for the old one are answered 503. */
  linkShard(index: number, ends: LinkEnds): void {
    this.failShard(index, `ingester ${index} was restarted`)
    this.bench.replicas[index]!.link(ends)
  }

  /** A shard is gone for now: pushes that need it are answered 503 at once. */
  unlinkShard(index: number): void {
    this.failShard(index, `ingester ${index} is not running`)
    this.bench.replicas[index]!.link(undefined)
  }

  /** Lets go of all links; what came on them is nobody's business any more. */
  unlinkAll(): void {
    this.hand?.giveUp()
    this.hand = undefined
    this.ahead = undefined
    this.main = undefined
    this.requests.clear()
    this.answers.length = 0
    for (const replica of this.bench.replicas) replica.link(undefined)
  }

  /** Takes a body that was too large for the ring. */
  takeOversize(body: OversizeBody): void {
    this.oversize.push(body)
  }

  /** Whether everything that was taken has been answered, and nothing waits to be taken. */
  isIdle(): boolean {
    const { main } = this
    return (
      this.hand === undefined &&
      this.ahead === undefined &&
      this.requests.size === 0 &&
      this.oversize.length === 0 &&
      this.answers.length === 0 &&
      (main === undefined || !main.reader.hasFrames())
    )
  }

  /** Whether a body can be taken that lies in no ring. What waits for room has a timer. */
  hasMore(): boolean {
    return this.hand === undefined && (this.ahead !== undefined || this.oversize.length > 0)
  }

  /** Requests that wait for acks. */
  inFlight(): number {
    return this.requests.size
  }

  /** One turn; false when there was nothing to do. */
  turn(): boolean {
    let hasWorked = this.readAcks()
    hasWorked = this.expire() || hasWorked
    this.tendBehind()
    hasWorked = this.sendAnswers() || hasWorked
    if (this.hand === undefined) {
      for (const replica of this.bench.replicas) hasWorked = replica.sendForgotten() || hasWorked
    }
    for (let i = 0; i < BODIES_PER_TURN; i++) {
      if (this.hand === undefined && !this.takeBody()) break
      if (this.hand === undefined) continue
      if (!this.hand.advance()) {
        this.retrySoon()
        break
      }
      const { request } = this.hand
      this.hand = undefined
      hasWorked = true
      this.settle(request)
    }
    if (this.main !== undefined) this.main.reader.isPaused = this.hand !== undefined
    return hasWorked
  }

  private readAcks(): boolean {
    let hasWorked = false
    const { replicas } = this.bench
    // By index, here and in tendBehind: an iterator is an object per turn.
    for (let at = 0; at < replicas.length; at++) {
      const replica = replicas[at]!
      const reader = replica.ends?.reader
      if (reader === undefined) continue
      let taken = 0
      // An unbound id takes the link away while its acks are read.
      while (replica.ends?.reader === reader && reader.next()) {
        taken++
        if (reader.kind === FRAME_ACK) this.takeAck(replica, decodeAck(reader.data, reader.offset))
        else if (reader.kind === FRAME_FORGET) {
          const ids = decodeForget(reader.data, reader.offset, reader.length)
          if (ids !== undefined) replica.takeForget(ids)
        }
      }
      if (taken === 0) continue
      reader.release()
      hasWorked = true
    }
    return hasWorked
  }

  /** Tells of replicas that were left behind, and has those linked anew that have caught up. */
  private tendBehind(): void {
    const { replicas } = this.bench
    for (let at = 0; at < replicas.length; at++) {
      const replica = replicas[at]!
      const { shard } = replica
      if (!replica.isBehind) {
        if (this.behind.size > 0) this.behind.delete(shard)
        continue
      }
      if (!this.behind.has(shard)) {
        this.behind.add(shard)
        this.env.log.warn('ingester takes no frames, going on without it', { shard })
        this.env.metrics.cell('nilo_distributor_replicas_left_behind_total', `${shard}`).add(1)
      }
      if (!replica.hasCaughtUp(this.env.clock.monotonic())) continue
      this.failShard(shard, `ingester ${shard} was too slow`)
      replica.link(undefined)
      this.boot.onRelink(shard)
    }
  }

  private takeAck(replica: Replica, ack: AckFrame): void {
    const { shard } = replica
    replica.acked()
    if (ack.status === ACK_UNBOUND) {
      this.env.log.warn('ingester does not know a series id', { shard })
      this.failShard(shard, `ingester ${shard} does not know a series id`)
      replica.link(undefined)
      this.boot.onRelink(shard)
      return
    }
    const request = this.requests.get(ack.requestId)
    // Acks of requests that were given up are late, not wrong.
    if (request === undefined || !isAwaiting(request, shard)) return
    if (ack.status === ACK_RETRY) {
      takeVerdict(
        request,
        replica,
        'failed',
        ack.text || `ingester ${shard} cannot take writes now`,
      )
    } else if (ack.status === ACK_REJECTED) {
      const text = ack.text || `ingester ${shard} refused samples`
      if (takeVerdict(request, replica, 'rejected', text)) takeBack(request, ack)
    } else takeVerdict(request, replica, 'good', '')
    this.settle(request)
  }

  /** A shard will not ack what it owes: pushes that cannot be good without it are answered 503. */
  private failShard(index: number, text: string): void {
    const replica = this.bench.replicas[index]!
    for (const request of [...this.requests.values()]) {
      if (!isAwaiting(request, index)) continue
      takeVerdict(request, replica, 'failed', text)
      this.settle(request)
    }
  }

  private expire(): boolean {
    if (this.requests.size === 0) return false
    const now = this.env.clock.monotonic()
    let hasWorked = false
    for (const request of this.requests.values()) {
      if (request.deadlineMs > now) break
      request.retryText ||= `the write was not acknowledged within ${this.bench.config.remoteTimeoutMs} ms`
      if (this.hand?.request === request) this.hand.giveUp()
      this.settle(request)
      hasWorked = true
    }
    return hasWorked
  }

  /** Takes the next body in hand, if there is one. */
  private takeBody(): boolean {
    const { ahead } = this
    if (ahead !== undefined) {
      this.ahead = undefined
      this.begin(ahead.head)
      const { kernel } = this.bench
      this.hand!.openUnpacked(kernel.secondBody, ahead.length, ahead.compressedBytes)
      return true
    }
    const large = this.oversize.shift()
    if (large !== undefined) {
      this.begin(large)
      this.hand!.open(new Uint8Array(large.body))
      return true
    }
    const reader = this.main?.reader
    if (reader === undefined || !reader.next()) return false
    if (reader.kind === FRAME_BODY) {
      const frame = decodeBody(reader.data, reader.offset)
      this.begin(frame)
      if (!this.openWithNext(frame, reader)) this.hand!.open(bytesOf(frame, reader))
    }
    reader.release()
    return true
  }

  /**
   * Decompresses the body in hand together with the next one, where that is here and both are remote
   * write of the usual size; false when the one in hand is still to be opened.
   */
  private openWithNext(frame: BodyFrame, reader: RingReader): boolean {
    if (!isSnappy(frame) || !reader.next()) return false
    const { kernel, config } = this.bench
    const bytesMax = Math.min(BODY_BYTES_USUAL, config.maxRecvMsgSize)
    const next = reader.kind === FRAME_BODY ? decodeBody(reader.data, reader.offset) : undefined
    const isDone =
      next !== undefined &&
      isSnappy(next) &&
      kernel.decompressBoth(bytesOf(frame, reader), bytesOf(next, reader), bytesMax)
    // What is damaged or large is opened alone when its turn comes, and answered for.
    if (isDone && kernel.unpacked(1) >= 0) {
      this.ahead = { head: next, length: kernel.unpacked(1), compressedBytes: next.bodyLength }
    } else reader.putBack()
    if (!isDone || kernel.unpacked(0) < 0) return false
    this.hand!.openUnpacked(kernel.body, kernel.unpacked(0), frame.bodyLength)
    return true
  }

  private begin(head: BodyHead): void {
    const { requestId, tenant } = head
    const deadlineMs = this.env.clock.monotonic() + this.bench.config.remoteTimeoutMs
    const { replicas, sets } = this.bench
    const format = head.flags & BODY_FORMAT
    const request = createRequest(requestId, deadlineMs, {
      shards: replicas.length,
      sets: sets.length,
      toldInSuccess: format === BODY_OTLP || format === BODY_OTLP_JSON,
    })
    this.requests.set(requestId, request)
    this.hand = new BodyInHand(this.bench, request, tenant, head.flags)
  }

  /** Answers a request when all is known. */
  private settle(request: PushRequest): void {
    if (request.isAnswered || !isSettled(request)) return
    request.isAnswered = true
    this.requests.delete(request.id)
    this.answers.push({ requestId: request.id, answer: answerOf(request) })
    this.sendAnswers()
  }

  /** Main leaves room for the answers of all that is in flight, so this does not wait in practice. */
  private sendAnswers(): boolean {
    if (this.answers.length === 0 || this.main === undefined) return false
    const { writer } = this.main
    let sent = 0
    for (const { requestId, answer } of this.answers) {
      const text = cutText(answer.text, ANSWER_BYTES_MAX - ANSWER_HEADER_BYTES)
      const offset = writer.reserve(FRAME_ANSWER, answerFrameBytes(text))
      if (offset < 0) break
      const written = answer.written ?? NOTHING_WRITTEN
      const rejected = answer.rejected ?? 0
      encodeAnswer(writer.data, offset, { requestId, ...answer, written, rejected }, text)
      writer.commit()
      sent++
    }
    if (sent === this.answers.length) this.answers.length = 0
    else this.answers.splice(0, sent)
    return sent > 0
  }

  private retrySoon(): void {
    if (this.isRetrySet) return
    this.isRetrySet = true
    this.env.timers.after(RETRY_MS, () => {
      this.isRetrySet = false
      this.boot.poke()
    })
  }
}

/** Whether a body is remote write. */
function isSnappy({ flags }: BodyHead): boolean {
  return (flags & BODY_FORMAT) <= BODY_V2
}

/** The body of a frame that was taken and not released. */
function bytesOf({ bodyAt, bodyLength }: BodyFrame, { data }: RingReader): Uint8Array {
  return data.subarray(bodyAt, bodyAt + bodyLength)
}

/** Takes what a shard refused off what was written. */
function takeBack(request: PushRequest, ack: AckFrame): void {
  const { written } = request
  for (const [reason, count] of ack.reasons) {
    if (reason !== ACK_HISTOGRAMS) request.rejected += count
    if (reason === ACK_HISTOGRAMS) {
      written.histograms -= count
      written.samples += count
    } else written.samples -= count
  }
}
