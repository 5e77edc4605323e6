/**
 * Request bodies in, under bounds; answers out, under back-pressure. Hot: every push goes through
 * `readBody`, which gathers Node's chunks as they come and copies nothing (the one copy is the one
 * into the ring buffer).
 *
 * A body is admitted by its Content-Length before the first byte of it is read, or as it grows when
 * it comes chunked, so that the bytes in flight are bounded whatever clients do.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Writable } from 'node:stream'
import { createGzip, constants as zlib } from 'node:zlib'
import type { Timers } from '../shared/env/index.js'
import { type AppError, fail } from '../shared/errors/index.js'
import type { Cell } from '../shared/telemetry/index.js'
import type { Reply } from './handler.js'

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
  /** Claims bytes before they are read; throws when there is no room. */
  claim(bytes: number): void
}

/** Bytes of an unread body that are thrown away to keep the connection; past it, it is cut. */
const DISCARD_BYTES_MAX = 16 * 1024 * 1024
const DISCARD_MS = 5_000
/** Below this an answer is not worth compressing. */
const GZIP_BYTES_MIN = 1024

/**
 * Reads a request's body. After an error the rest of the body is still to be discarded: see
 * `discardRest`.
 *
 * @throws AppError the bounds' own, `body-timeout`, `body-incomplete`
 */
export function readBody(incoming: IncomingMessage, bounds: BodyBounds): Promise<Body> {
  const declared = incoming.headers['content-length']
  const isChunked = declared === undefined
  if (!isChunked) {
    const length = Number(declared)
    if (length > bounds.bytesMax) return Promise.reject(bounds.tooLarge())
    bounds.claim(length)
  }
  return new Promise((resolve, reject) => {
    const pieces: Uint8Array[] = []
    let length = 0
    const onData = (piece: Buffer): void => {
      length += piece.length
      try {
        if (length > bounds.bytesMax) throw bounds.tooLarge()
        if (isChunked) bounds.claim(piece.length)
      } catch (error) {
        settle()
        reject(error)
        return
      }
      pieces.push(piece)
    }
    let isWhole = false
    const onEnd = (): void => {
      // Nothing more will come but 'close': taking every listener off again costs more than it.
      isWhole = true
      timer.cancel()
      resolve({ pieces, length })
    }
    const onLost = (): void => {
      if (isWhole) return
      settle()
      reject(fail('body-incomplete'))
    }
    const timer = bounds.timers.after(bounds.timeoutMs, () => {
      settle()
      reject(fail('body-timeout', { timeoutMs: bounds.timeoutMs }))
    })
    const settle = (): void => {
      timer.cancel()
      incoming.off('data', onData).off('end', onEnd).off('close', onLost)
      // A listener stays: an 'error' without one would end the process.
      incoming.off('error', onLost).on('error', ignore)
      incoming.pause()
    }
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

/** Bounds on the pushes in flight: their number and the bytes that their bodies take. */
export class Admission {
  private requests = 0
  private bytes = 0
  private readonly requestsMax: number
  private readonly bytesMax: number
  private readonly requestsCell: Cell
  private readonly bytesCell: Cell

  /** Maxima of 0 are no bounds; the cells show what is in flight. */
  constructor(bounds: {
    requestsMax: number
    bytesMax: number
    requestsCell: Cell
    bytesCell: Cell
  }) {
    this.requestsMax = bounds.requestsMax
    this.bytesMax = bounds.bytesMax
    this.requestsCell = bounds.requestsCell
    this.bytesCell = bounds.bytesCell
  }

  /**
   * Lets one request in; every ticket is returned exactly once.
   *
   * @throws AppError `err-mimir-distributor-max-inflight-push-requests`
   */
  enter(): Ticket {
    if (this.requestsMax > 0 && this.requests >= this.requestsMax) {
      throw fail('err-mimir-distributor-max-inflight-push-requests', { max: this.requestsMax })
    }
    this.requests++
    this.requestsCell.set(this.requests)
    let held = 0
    return {
      claim: (bytes) => {
        if (this.bytesMax > 0 && this.bytes + bytes > this.bytesMax) {
          const id = 'err-mimir-distributor-max-inflight-push-requests-bytes'
          throw fail(id, { max: this.bytesMax })
        }
        held += bytes
        this.bytes += bytes
        this.bytesCell.set(this.bytes)
      },
      leave: () => {
        this.requests--
        this.bytes -= held
        held = 0
        this.requestsCell.set(this.requests)
        this.bytesCell.set(this.bytes)
      },
    }
  }
}

/** One admitted request. */
export interface Ticket {
  /** @throws AppError `err-mimir-distributor-max-inflight-push-requests-bytes` */
  claim(bytes: number): void
  leave(): void
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
  const pieces = typeof reply.body === 'string' ? [Buffer.from(reply.body)] : (reply.body ?? [])
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  outgoing.statusCode = reply.status
  for (const [name, value] of Object.entries(reply.headers ?? {})) outgoing.setHeader(name, value)
  if (reply.compress === true) outgoing.setHeader('vary', 'Accept-Encoding')
  const isZipped = reply.compress === true && length >= GZIP_BYTES_MIN && takesGzip(incoming)
  if (isZipped) outgoing.setHeader('content-encoding', 'gzip')
  else outgoing.setHeader('content-length', length)
  if (incoming.method === 'HEAD' || length === 0) {
    outgoing.end()
    return
  }
  if (pieces.length === 1 && !isZipped) {
    outgoing.setTimeout(stallMs, () => outgoing.destroy())
    outgoing.end(pieces[0])
    return
  }
  outgoing.setTimeout(stallMs, () => outgoing.destroy())
  if (!isZipped) {
    await writePieces(outgoing, pieces, outgoing)
    return
  }
  // Level 1: answers are repetitive text, higher levels cost three times as much for a tenth.
  const gzip = createGzip({ level: zlib.Z_BEST_SPEED, chunkSize: 64 * 1024 })
  outgoing.once('close', () => gzip.destroy())
  gzip.on('error', () => outgoing.destroy())
  gzip.pipe(outgoing)
  await writePieces(gzip, pieces, outgoing)
}

/** Whether the client takes gzip: named in Accept-Encoding and not with q=0. */
export function takesGzip(incoming: IncomingMessage): boolean {
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
