/**
 * Request bodies in, under bounds; answers out, under back-pressure. Hot: every push goes through
 * `readBody`, which gathers Node's chunks as they come and copies nothing (the one copy is the one
 * into the ring buffer).
 *
 * A body is admitted by its Content-Length before the first byte of it is read, and holds room as it
 * grows, so that the bytes in flight are bounded whatever clients do.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Writable } from 'node:stream'
import { createGzip, constants as zlib } from 'node:zlib'
import type { Clock, Timers } from '../shared/env/index.js'
import { type AppError, fail } from '../shared/errors/index.js'
import type { Cell } from '../shared/telemetry/index.js'
import type { Reply, RequestHead } from './handler.js'

/** A complete body: Node's own chunks, in order. */
export interface Body {
  readonly pieces: readonly Uint8Array[]
  readonly length: number
}

/** How large a body may be, and how long it may take. */
export interface BodyBounds {
  readonly bytesMax: number
  readonly timeoutMs: number
  readonly timers: Timers
  /** The error of a body over `bytesMax`. */
  tooLarge(): AppError
  readonly admission?: BodyAdmission
}

/** Where a body that is being read counts. */
export interface BodyAdmission {
  /** Whether there is room for a body of a declared length. @throws AppError when there is none */
  admit(bytes: number): void
  /** Takes room for bytes that have come. @throws AppError when there is none */
  claim(bytes: number): void
  /** The body begins to come; `cut` ends that with an error. */
  coming(cut: (error: AppError) => void): void
  /** The body is there, or given up. */
  hasCome(): void
}

/** Bytes of an unread body that are thrown away to keep the connection; past it, it is cut. */
export const DISCARD_BYTES_MAX = 16 * 1024 * 1024
/** How long throwing it away may take. */
export const DISCARD_MS = 5_000
/** A body that takes longer is cut off when there is no room for others. */
const SLOW_BODY_MS = 2_000
/** Memory is claimed in steps, so that not every piece of a body asks for it. */
const CLAIM_BYTES = 4 * 1024 * 1024
/** Below this an answer is not worth compressing. */
const GZIP_BYTES_MIN = 1024

/**
 * Reads a request's body. After an error the rest of the body is still to be discarded: see
 * `discardRest`.
 *
 * @throws AppError the bounds' own, `body-timeout`, `body-incomplete`
 */
export function readBody(incoming: IncomingMessage, bounds: BodyBounds): Promise<Body> {
  const { admission } = bounds
  const declared = incoming.headers['content-length']
  if (declared !== undefined) {
    const length = Number(declared)
    if (length > bounds.bytesMax) return Promise.reject(bounds.tooLarge())
    admission?.admit(length)
  }
  return new Promise((resolve, reject) => {
    const pieces: Uint8Array[] = []
    let length = 0
    const onData = (piece: Buffer): void => {
      length += piece.length
      try {
        if (length > bounds.bytesMax) throw bounds.tooLarge()
        admission?.claim(piece.length)
      } catch (error) {
        giveUp(error)
        return
      }
      pieces.push(piece)
    }
    let isWhole = false
    const onEnd = (): void => {
      // Nothing more will come but 'close': taking every listener off again costs more than it.
      isWhole = true
      timer.cancel()
      admission?.hasCome()
      resolve({ pieces, length })
    }
    const giveUp = (error: unknown): void => {
      if (isWhole) return
      settle()
      reject(error)
    }
    // 'close' comes after every body: an error with its stack is made for none that is whole.
    const onLost = (): void => {
      if (!isWhole) giveUp(fail('body-incomplete'))
    }
    const timer = bounds.timers.after(bounds.timeoutMs, () =>
      giveUp(fail('body-timeout', { timeoutMs: bounds.timeoutMs })),
    )
    const settle = (): void => {
      timer.cancel()
      admission?.hasCome()
      incoming.off('data', onData).off('end', onEnd).off('close', onLost)
      // A listener stays: an 'error' without one would end the process.
      incoming.off('error', onLost).on('error', ignore)
      incoming.pause()
    }
    admission?.coming(giveUp)
    incoming.on('data', onData).on('end', onEnd).on('error', onLost).on('close', onLost)
  })
}

function ignore(): void {}

/**
 * Throws away what is left of a request's body while its answer goes out, so that a client which
 * sends first and reads afterwards sees the answer; a body without end is cut off.
 */
export function discardRest(incoming: IncomingMessage, timers: Timers): void {
  if (incoming.complete || incoming.destroyed) {
    incoming.resume()
    return
  }
  let length = 0
  const cut = (): void => {
    incoming.socket.destroy()
  }
  const timer = timers.after(DISCARD_MS, cut)
  incoming.on('data', (piece: Buffer) => {
    length += piece.length
    if (length > DISCARD_BYTES_MAX) cut()
  })
  incoming.once('close', () => timer.cancel())
  incoming.once('end', () => timer.cancel())
  incoming.on('error', ignore)
  incoming.resume()
}

/** What bounds the pushes in flight; maxima of 0 are no bounds. */
export interface AdmissionBounds {
  /** Whether the tenant may push at all now. @throws AppError when it may not */
  check(tenant: string): void
  requestsMax(): number
  bytesMax(): number
  readonly clock: Clock
  /** Show what is in flight. */
  readonly requestsCell: Cell
  readonly bytesCell: Cell
  /** Claims so many bytes of the process' memory for bodies; false when there is no room for more. */
  claimMemory(bytes: number): boolean
  /** Hears of the bytes of each request that is over and leaves garbage. */
  letGo(bytes: number): void
}

/**
 * Bounds on the pushes in flight: their number and the bytes that have come of their bodies. What a
 * body only promises holds no room; when there is none left, bodies that have been coming for long
 * are cut off, so that slow senders do not keep the others out.
 */
export class Admission {
  private readonly bounds: AdmissionBounds
  private requests = 0
  private bytes = 0
  private claimed = 0
  /** Tickets whose bodies have not come whole, the oldest first. */
  readonly coming = new Set<Ticket>()

  constructor(bounds: AdmissionBounds) {
    this.bounds = bounds
  }

  /**
   * Lets one request of a tenant in; every ticket is returned exactly once.
   *
   * @param leavesGarbage whether its body comes in memory that is to be collected afterwards
   * @throws AppError `err-mimir-distributor-max-inflight-push-requests`, and what `check` throws
   */
  enter(tenant: string, leavesGarbage = true): Ticket {
    const { clock } = this.bounds
    const requestsMax = this.bounds.requestsMax()
    while (requestsMax > 0 && this.requests >= requestsMax) {
      if (this.cutSlowest()) continue
      throw fail('err-mimir-distributor-max-inflight-push-requests', { max: requestsMax })
    }
    this.bounds.check(tenant)
    this.requests++
    this.show()
    return new Ticket(this, clock.monotonic(), leavesGarbage)
  }

  /** For tickets. @throws AppError when there is no room for so many bytes */
  makeRoom(bytes: number, asker: Ticket): void {
    const bytesMax = this.bounds.bytesMax()
    while (bytesMax > 0 && this.bytes + bytes > bytesMax) {
      if (this.cutSlowest(asker)) continue
      throw fail('err-mimir-distributor-max-inflight-push-requests-bytes', { max: bytesMax })
    }
    while (!this.claimFor(this.bytes + bytes)) {
      if (this.cutSlowest(asker)) continue
      throw fail('overloaded', {
        text: 'the memory limit of this server is reached (memory_limit)',
      })
    }
  }

  private claimFor(bytes: number): boolean {
    const wanted = Math.ceil(bytes / CLAIM_BYTES) * CLAIM_BYTES
    // Down by more than a step only: what comes and goes would ask all the time.
    if (wanted <= this.claimed && wanted + CLAIM_BYTES >= this.claimed) return true
    if (!this.bounds.claimMemory(wanted)) return false
    this.claimed = wanted
    return true
  }

  /** Cuts off the body that has been coming for the longest time; false when none is slow. */
  private cutSlowest(asker?: Ticket): boolean {
    const slowSince = this.bounds.clock.monotonic() - SLOW_BODY_MS
    for (const ticket of this.coming) {
      if (ticket.since > slowSince) return false
      if (ticket === asker) continue
      ticket.leave()
      const text = `no room for a body that takes longer than ${SLOW_BODY_MS} ms to come`
      ticket.cut?.(fail('overloaded', { text }))
      return true
    }
    return false
  }

  /** For tickets: bytes of a body have come. */
  take(bytes: number): void {
    this.bytes += bytes
    this.bounds.bytesCell.set(this.bytes)
  }

  /** For tickets: a request is over. */
  release(bytes: number, leavesGarbage: boolean): void {
    this.requests--
    this.bytes -= bytes
    this.show()
    this.claimFor(this.bytes)
    if (leavesGarbage) this.bounds.letGo(bytes)
  }

  private show(): void {
    this.bounds.requestsCell.set(this.requests)
    this.bounds.bytesCell.set(this.bytes)
  }
}

/** One admitted request. */
export class Ticket implements BodyAdmission {
  /** When it came in, monotonic ms. */
  readonly since: number
  /** Ends the coming of its body. */
  cut: ((error: AppError) => void) | undefined
  private readonly admission: Admission
  private readonly leavesGarbage: boolean
  private bytes = 0
  private isIn = true
  private isComing = false

  constructor(admission: Admission, since: number, leavesGarbage: boolean) {
    this.admission = admission
    this.since = since
    this.leavesGarbage = leavesGarbage
  }

  admit(bytes: number): void {
    this.admission.makeRoom(bytes, this)
  }

  claim(bytes: number): void {
    this.admission.makeRoom(bytes, this)
    this.bytes += bytes
    this.admission.take(bytes)
  }

  coming(cut: (error: AppError) => void): void {
    this.cut = cut
    this.isComing = true
    this.admission.coming.add(this)
  }

  hasCome(): void {
    if (!this.isComing) return
    this.isComing = false
    this.admission.coming.delete(this)
  }

  leave(): void {
    if (!this.isIn) return
    this.isIn = false
    this.hasCome()
    this.admission.release(this.bytes, this.leavesGarbage)
  }
}

/** Answers up to this size leave with their head, in one write. */
export const ONE_WRITE_BYTES = 8_192
/** Level 1: answers are repetitive text, higher levels cost three times as much for a tenth. */
export const GZIP_OPTIONS = { level: zlib.Z_BEST_SPEED, chunkSize: 64 * 1024 } as const

/** The body of a reply, in order. */
export function piecesOf({ body, bytesText }: Reply): readonly Uint8Array[] {
  if (bytesText !== undefined) return [Buffer.from(bytesText, 'latin1')]
  return typeof body === 'string' ? [Buffer.from(body)] : (body ?? [])
}

/** Whether a reply with a body of so many bytes is gzipped. */
export function isZipped(incoming: RequestHead, reply: Reply, length: number): boolean {
  return reply.compress === true && length >= GZIP_BYTES_MIN && takesGzip(incoming)
}

/**
 * Sends a reply and waits until it is out or the client has gone; never rejects. A client that
 * takes no byte for `stallMs` is cut off.
 */
export async function sendReply(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  reply: Reply,
  stallMs: number,
): Promise<void> {
  if (outgoing.destroyed || outgoing.headersSent) return
  const pieces = piecesOf(reply)
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  outgoing.statusCode = reply.status
  for (const [name, value] of Object.entries(reply.headers ?? {})) outgoing.setHeader(name, value)
  if (reply.compress === true) outgoing.setHeader('vary', 'Accept-Encoding')
  const isGzip = isZipped(incoming, reply, length)
  if (isGzip) outgoing.setHeader('content-encoding', 'gzip')
  else outgoing.setHeader('content-length', length)
  if (incoming.method === 'HEAD' || length === 0) {
    outgoing.end()
    return
  }
  if (length <= ONE_WRITE_BYTES && !isGzip) {
    // As text, each byte a character: head and body are one string then, and one write.
    outgoing.end(Buffer.concat(pieces).toString('latin1'), 'latin1')
    // What the socket has taken needs no watching.
    if (outgoing.writableLength > 0) outgoing.setTimeout(stallMs, () => outgoing.destroy())
    return
  }
  outgoing.setTimeout(stallMs, () => outgoing.destroy())
  if (pieces.length === 1 && !isGzip) {
    outgoing.end(pieces[0])
    return
  }
  if (!isGzip) {
    await writePieces(outgoing, pieces, outgoing)
    return
  }
  const gzip = createGzip(GZIP_OPTIONS)
  outgoing.once('close', () => gzip.destroy())
  gzip.on('error', () => outgoing.destroy())
  gzip.pipe(outgoing)
  await writePieces(gzip, pieces, outgoing)
}

/** Whether the client takes gzip: named in Accept-Encoding and not with q=0. */
export function takesGzip(incoming: RequestHead): boolean {
  const header = incoming.headers['accept-encoding']
  const text = Array.isArray(header) ? header.join(',') : header
  if (text === undefined) return false
  return text.split(',').some((part) => /^\s*gzip\s*(;(?!\s*q=0(\.0*)?\s*$)|$)/i.test(part))
}

/** Writes one piece at a time, waiting for room; stops when the client has gone. */
async function writePieces(
  sink: Writable,
  pieces: readonly Uint8Array[],
  outgoing: ServerResponse,
): Promise<void> {
  for (const piece of pieces) {
    if (outgoing.destroyed || sink.destroyed) return
    if (sink.write(piece)) continue
    await new Promise<void>((resolve) => {
      const done = (): void => {
        sink.off('drain', done)
        outgoing.off('close', done)
        resolve()
      }
      sink.on('drain', done)
      outgoing.on('close', done)
    })
  }
  if (!sink.destroyed) sink.end()
}
