/**
 * What main holds of the distributors: hands each push body to one of them and gives its answer
 * back. The body is copied once, into the ring buffer; nothing here looks inside it.
 */
import { type Link, runLoop } from '../../shared/actor/index.js'
import { fnv1 } from '../../shared/base/fnv.js'
import { createIntakeCell, IntakeCell } from '../../shared/base/intake.js'
import type { Env } from '../../shared/env/index.js'
import { fail } from '../../shared/errors/index.js'
import { Doorbell, framesFitting } from '../../shared/ringbuf/index.js'
import {
  ANSWER_BYTES_MAX,
  bodyFrameBytes,
  decodeAnswer,
  encodeBody,
  FRAME_ANSWER,
  FRAME_BODY,
} from '../../shared/wire/frames/index.js'
import type { OversizeBody, PushAnswer } from './contract.js'

/** How long a push may wait for room in a ring. */
const WAIT_MS = 1_000
/** How soon rings are looked at again while pushes wait: a reader that frees room posts nothing. */
const RETRY_MS = 2
/** Pushes that wait at once; more are refused straight away. */
const WAITING_MAX = 2_000

/** Names of tenants kept as bytes; beyond so many all are forgotten. */
const TENANTS_KNOWN_MAX = 16_384

/** What the client needs of a link. */
export type DistributorLink = Pick<Link, 'index' | 'writer' | 'reader' | 'port'>

interface Distributor {
  readonly link: DistributorLink
  /** Answers that are sure to fit in the answer ring. */
  readonly inFlightMax: number
  readonly inFlight: Map<number, (answer: PushAnswer) => void>
  nextId: number
}

interface WaitingPush {
  readonly tenant: Uint8Array
  readonly pieces: readonly Uint8Array[]
  readonly bytes: number
  readonly flags: number
  readonly untilMs: number
  readonly resolve: (answer: PushAnswer) => void
  readonly reject: (error: Error) => void
}

/** Hands pushes to distributors. */
export class DistributorClient {
  /** For the boot data of those who stand back before pushes. */
  readonly intakeCell = createIntakeCell()
  private readonly env: Env
  private readonly intake = new IntakeCell(this.intakeCell)
  private readonly doorbell = new Doorbell()
  private readonly distributors: (Distributor | undefined)[]
  private waiting: WaitingPush[] = []
  private isClosed = false
  private isRetrySet = false
  private takenCount = 0
  /** Names of tenants as bytes: senders come again. */
  private readonly tenantBytes = new Map<string, Uint8Array>()

  /** @param count of distributors, linked or not yet */
  constructor(env: Env, count: number) {
    this.env = env
    this.distributors = new Array<Distributor | undefined>(count).fill(undefined)
  }

  /** Takes a link, in place of an earlier one; pushes in flight on that are answered 503. */
  link(link: DistributorLink): void {
    this.unlink(link.index)
    this.distributors[link.index] = {
      link,
      inFlightMax: framesFitting(link.reader.data.length, ANSWER_BYTES_MAX),
      inFlight: new Map(),
      nextId: 1,
    }
    this.doorbell.add(link.reader, link.port)
  }

  /** A distributor is gone until it is linked again; pushes in flight to it are answered 503. */
  unlink(index: number): void {
    const gone = this.distributors[index]
    if (gone === undefined) return
    this.distributors[index] = undefined
    this.doorbell.remove(gone.link.reader)
    const text = `distributor ${index} was restarted; send again`
    for (const resolve of gone.inFlight.values()) resolve({ status: 503, text, retryable: true })
    this.intake.note(this.inFlight())
    this.doorbell.poke()
  }

  /**
   * Takes one complete body, snappy-compressed as it came.
   *
   * @param pieces the body in order, `bytes` in all
   * @param ownership `kept`: they are not changed until the promise settles; `lent`: until this returns,
   *   so they are copied when there is no room now
   * @throws AppError `overloaded` after a second without room, `actor-down`, `shutting-down`
   */
  push(
    tenant: string,
    pieces: readonly Uint8Array[],
    bytes: number,
    flags = 0,
    ownership: 'kept' | 'lent' = 'kept',
  ): Promise<PushAnswer> {
    this.takenCount++
    return new Promise((resolve, reject) => {
      const untilMs = this.env.clock.monotonic() + WAIT_MS
      const push = { tenant: this.bytesOf(tenant), pieces, bytes, flags, untilMs, resolve, reject }
      if (this.isClosed) reject(fail('shutting-down'))
      else if (this.waiting.length >= WAITING_MAX) reject(overloaded())
      else if (this.waiting.length > 0 || !this.place(push)) {
        // Behind those that wait already: who came later does not take the room from them.
        if (ownership === 'lent') push.pieces = [new Uint8Array(joined(pieces, bytes))]
        this.waiting.push(push)
        this.retrySoon()
      }
      this.intake.note(this.inFlight())
    })
  }

  /** Pushes that were taken so far. */
  taken(): number {
    return this.takenCount
  }

  /** Pushes that have not been answered. */
  inFlight(): number {
    let count = this.waiting.length
    for (const distributor of this.distributors) count += distributor?.inFlight.size ?? 0
    return count
  }

  /** Reads answers and places pushes that waited; false when there was nothing to do. */
  turn(): boolean {
    let hasWorked = false
    for (const distributor of this.distributors) {
      if (distributor !== undefined) hasWorked = readAnswers(distributor) || hasWorked
    }
    hasWorked = this.placeWaiting() || hasWorked
    if (hasWorked) this.intake.note(this.inFlight())
    return hasWorked
  }

  /** Takes turns until `close`. */
  run(): Promise<void> {
    const turn = () => this.turn()
    // Pushes that wait have a timer.
    const hasMore = () => false
    return runLoop(
      { turn, hasMore, isStopped: () => this.isClosed },
      this.doorbell,
      this.env.timers,
    )
  }

  /** Takes no more pushes. Those in flight should have been answered before. */
  close(): void {
    this.isClosed = true
    for (const push of this.waiting.splice(0)) push.reject(fail('shutting-down'))
    for (let index = 0; index < this.distributors.length; index++) this.unlink(index)
    this.doorbell.poke()
  }

  private placeWaiting(): boolean {
    if (this.waiting.length === 0) return false
    const now = this.env.clock.monotonic()
    const before = this.waiting.length
    const isUp = this.distributors.some((distributor) => distributor !== undefined)
    // Where one found no room a larger one finds none.
    let bytesFailed = Number.POSITIVE_INFINITY
    this.waiting = this.waiting.filter((push) => {
      if (push.bytes < bytesFailed) {
        if (this.place(push)) return false
        bytesFailed = push.bytes
      }
      if (now < push.untilMs) return true
      push.reject(isUp ? overloaded() : fail('actor-down', { actor: 'distributor' }))
      return false
    })
    if (this.waiting.length > 0) this.retrySoon()
    return this.waiting.length < before
  }

  /** Writes a push to its tenant's distributor, or the next whose ring is at most half full. */
  private place(push: WaitingPush): boolean {
    const { distributors } = this
    const first = distributors.length === 1 ? 0 : fnv1(push.tenant) % distributors.length
    let fuller: Distributor | undefined
    for (let i = 0; i < distributors.length; i++) {
      const distributor = distributors[(first + i) % distributors.length]
      if (distributor === undefined || distributor.inFlight.size >= distributor.inFlightMax)
        continue
      const { writer } = distributor.link
      if (writer.spare() * 2 >= writer.data.length) {
        if (send(distributor, push)) return true
      } else fuller ??= distributor
    }
    return fuller !== undefined && send(fuller, push)
  }

  private bytesOf(tenant: string): Uint8Array {
    const known = this.tenantBytes.get(tenant)
    if (known !== undefined) return known
    if (this.tenantBytes.size >= TENANTS_KNOWN_MAX) this.tenantBytes.clear()
    const bytes = new Uint8Array(Buffer.from(tenant))
    this.tenantBytes.set(tenant, bytes)
    return bytes
  }

  private retrySoon(): void {
    if (this.isRetrySet) return
    this.isRetrySet = true
    this.env.timers.after(RETRY_MS, () => {
      this.isRetrySet = false
      this.doorbell.poke()
    })
  }
}

function send(distributor: Distributor, push: WaitingPush): boolean {
  const { link } = distributor
  const { tenant, pieces, bytes, flags } = push
  const requestId = distributor.nextId
  const frame = bodyFrameBytes(tenant.length, bytes)
  if (frame > link.writer.data.length / 4) {
    const body = joined(pieces, bytes)
    const message: OversizeBody = { requestId, tenant: Buffer.from(tenant).toString(), flags, body }
    link.port.postMessage(message, [body])
  } else {
    const offset = link.writer.reserve(FRAME_BODY, frame)
    if (offset < 0) return false
    const head = { requestId, flags, tenant, bodyBytes: bytes }
    encodeBody(link.writer.data, offset, head, pieces)
    link.writer.commit()
  }
  distributor.nextId = (requestId + 1) >>> 0
  distributor.inFlight.set(requestId, push.resolve)
  return true
}

function joined(pieces: readonly Uint8Array[], bytes: number): ArrayBuffer {
  const body = new Uint8Array(bytes)
  let at = 0
  for (const piece of pieces) {
    body.set(piece, at)
    at += piece.length
  }
  return body.buffer
}

function readAnswers(distributor: Distributor): boolean {
  const { reader } = distributor.link
  let taken = 0
  while (reader.next()) {
    taken++
    if (reader.kind !== FRAME_ANSWER) continue
    // Written out: a rest of all but the id is copied by V8's runtime.
    const frame = decodeAnswer(reader.data, reader.offset)
    const { requestId, status, text, retryable, written, rejected } = frame
    const resolve = distributor.inFlight.get(requestId)
    distributor.inFlight.delete(requestId)
    resolve?.({ status, text, retryable, written, rejected })
  }
  if (taken > 0) reader.release()
  return taken > 0
}

function overloaded(): Error {
  return fail('overloaded', {
    text: 'distributors are busy: no room for the write within a second',
  })
}
