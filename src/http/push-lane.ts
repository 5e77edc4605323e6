/**
 * The way of pushes past Node's HTTP server. Hot: Node's request and response objects and their
 * streams were a quarter of what main did for a push, and a tenth of the server's CPU, since most of
 * it ran before V8 had optimised it (decision 0016). Here a connection's requests are read one after
 * the other as long as they are plain pushes (push-head.ts); the first that is anything else takes the
 * connection to the lane for queries or to Node's server, with every byte of it, for good. Checks,
 * bounds and answers are those of the other way in.
 *
 *   idle → (entering: who is it?) → body → busy: the distributors have it → idle
 *                         └ refused ┴→ discarding the rest of the body → idle
 *
 * What comes early (a next request before the answer) waits in the socket.
 */
import type { Socket } from 'node:net'
import type { Timer } from '../shared/env/index.js'
import { fail } from '../shared/errors/index.js'
import type { AnswerHeads } from './answer-heads.js'
import { type BodyBounds, DISCARD_BYTES_MAX, DISCARD_MS, type Ticket } from './bodies.js'
import { BodyBuffers } from './body-buffers.js'
import { errorReply, withRetryAfter } from './errors.js'
import type { Front, MountedEndpoint, Reply } from './handler.js'
import { type PushHead, PushHeads } from './push-head.js'
import type { PushWay } from './push-way.js'
import type { RequestMeter } from './request-meter.js'
import { readShared, type SharedReads } from './socket-reads.js'

/** A path for pushes: its row, and what is behind. */
export interface LaneDoor {
  readonly endpoint: MountedEndpoint
  readonly way: PushWay
}

/** What the lane works with. */
export interface PushLaneParts {
  readonly front: Front
  readonly meter: RequestMeter
  readonly doors: readonly LaneDoor[]
  readonly state: { readonly isDraining: boolean }
}

/** The connections that have brought nothing but pushes yet. */
export class PushLane {
  private readonly parts: PushLaneParts
  private readonly connections = new Set<PushConnection>()
  private readonly buffers = new BodyBuffers()
  private readonly heads: AnswerHeads

  constructor(parts: PushLaneParts, heads: AnswerHeads) {
    this.parts = parts
    this.heads = heads
  }

  /** Takes a new connection. @param serve gives it to those who take what is no push */
  take(socket: Socket, serve: () => void): void {
    if (socket.destroyed) return
    const connection = new PushConnection(this.parts, socket, {
      buffers: this.buffers,
      gone: () => void this.connections.delete(connection),
      encode: (reply, isLast) => this.encode(reply, isLast),
      serve,
    })
    this.connections.add(connection)
  }

  /** An answer in the bytes of HTTP/1.1. */
  private encode(reply: Reply, isLast: boolean): string | Buffer {
    const { body = '' } = reply
    if (reply.status === 200 && body === '' && reply.headers === undefined && !isLast)
      return this.heads.done()
    const head = this.heads.start(reply, isLast)
    if (typeof body === 'string')
      return `${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
    const length = body.reduce((sum, piece) => sum + piece.length, 0)
    const whole = `${head}content-length: ${length}\r\n\r\n`
    return length === 0 ? whole : Buffer.concat([Buffer.from(whole), ...body])
  }

  /** Ends the connections on which nothing goes on. */
  closeIdle(): void {
    for (const connection of this.connections) connection.closeIdle()
  }

  /** Cuts every connection off. */
  closeAll(): void {
    for (const connection of this.connections) connection.destroy()
  }
}

/** A body may promise more than it brings: so much is taken on its word. */
const BODY_BYTES_AT_ONCE = 256 << 10

/** Answers from here on may have Retry-After. */
const RETRY_STATUS_MIN = 429

/** Where nothing has come. */
const NOTHING: Buffer = Buffer.alloc(0)

type Phase = 'idle' | 'entering' | 'body' | 'busy' | 'discarding' | 'stalled'

/** A push that has begun to come. */
interface Push {
  readonly head: PushHead
  readonly door: LaneDoor
  tenant: string
  /** It is known who sends. */
  isOpen: boolean
  flags: number
  /** What has come of the body but its last piece; it grows as that does, whatever was promised. */
  body: Buffer | undefined
  /** Bytes of the body that have not come. */
  left: number
  ticket: Ticket | undefined
  timer: Timer | undefined
  /** Counts it; to be called once. */
  readonly done: (status: number, isWhole: boolean) => void
}

/** What pushes of a connection have in common as long as their heads are alike. */
interface SenderKnown {
  readonly headers: PushHead['headers']
  readonly door: LaneDoor
  readonly tenant: string
  /** The gate says so at once, and will again. */
  readonly isFixed: boolean
  readonly flags: number
  readonly bounds: BodyBounds
}

/** What a connection tells the lane. */
interface Owner {
  readonly buffers: BodyBuffers
  gone(): void
  encode(reply: Reply, isLast: boolean): string | Buffer
  /** Others take over. */
  serve(): void
}

class PushConnection {
  private readonly parts: PushLaneParts
  private readonly socket: Socket
  private readonly owner: Owner
  private readonly heads: PushHeads
  private readonly reads: SharedReads
  private phase: Phase = 'idle'
  private push: Push | undefined
  /** Of the last push that was let in. */
  private sender: SenderKnown | undefined
  /** What came before it could be looked at; while there is some the socket is paused. */
  private early: Buffer[] = []
  /** The answer that is due is the last one. */
  private isEnding = false
  /** Bytes of a refused body that may still come. */
  private discardMax = 0

  constructor(parts: PushLaneParts, socket: Socket, owner: Owner) {
    this.parts = parts
    this.socket = socket
    this.owner = owner
    const { config } = parts.front
    const paths = parts.doors.map(({ endpoint }) => endpoint.fullPath)
    this.heads = new PushHeads(paths, config.headerBytesMax)
    socket.setTimeout(config.idleTimeoutMs)
    socket.on('end', this.onEnd).on('close', this.onClose)
    socket.on('error', this.onError).on('timeout', this.onTimeout)
    this.reads = readShared(socket, this.onData)
  }

  closeIdle(): void {
    if (this.phase === 'idle') this.socket.destroySoon()
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** @param bytes are good until this returns */
  private readonly onData = (bytes: Buffer): void => {
    if (this.phase === 'body') this.takePiece(this.push!, bytes)
    else if (this.phase === 'discarding') this.discard(this.push!, bytes)
    else if (this.phase === 'idle') this.begin(bytes)
    else this.keep(bytes)
  }

  private readonly onEnd = (): void => {
    if (this.phase === 'busy') this.isEnding = true
    else this.socket.destroySoon()
  }

  private readonly onClose = (): void => {
    this.owner.gone()
    const { push } = this
    // What the distributors have is ended by their answer.
    if (push === undefined || this.phase === 'busy') return
    this.push = undefined
    const isAnswered = this.phase === 'discarding'
    this.settle(push)
    if (!isAnswered) push.done(499, false)
  }

  private readonly onError = (error: Error): void => {
    this.parts.front.env.log.debug('client lost', { err: error.message })
  }

  private readonly onTimeout = (): void => {
    if (this.phase === 'idle' || this.phase === 'stalled') this.socket.destroy()
  }

  private begin(bytes: Buffer): void {
    const head = this.heads.read(bytes)
    if (head === undefined) {
      this.leave(bytes)
      return
    }
    const { front, meter, doors, state } = this.parts
    const door = doors[head.path]!
    const { endpoint } = door
    const { bodyAt, bodyBytes, headers } = head
    // Written out: what is spread is copied by V8's runtime.
    const push: Push = {
      head,
      door,
      tenant: '',
      isOpen: false,
      flags: 0,
      body: undefined,
      left: bodyBytes,
      ticket: undefined,
      timer: undefined,
      done: meter.begin('POST', endpoint.route),
    }
    this.push = push
    this.phase = 'entering'
    const came = bodyAt < bytes.length ? bytes.subarray(bodyAt) : NOTHING
    try {
      if (state.isDraining) throw fail('shutting-down')
      const { sender } = this
      if (sender?.isFixed === true && sender.headers === headers && sender.door === door) {
        this.open(push, sender, came)
        return
      }
      const entered = front.gate.enter({ headers, socket: this.socket }, endpoint)
      if (typeof entered === 'string') {
        this.meet(push, entered, true, came)
        return
      }
      if (came.length > 0) this.keep(came)
      entered.then(
        (tenant) => this.meet(push, tenant, false, this.takeEarly()),
        (error: unknown) => this.refuse(push, error, this.takeEarly()),
      )
    } catch (error) {
      this.refuse(push, error, came)
    }
  }

  /** It is known who sends. */
  private meet(push: Push, tenant: string, isFixed: boolean, came: Buffer): void {
    const { door, head } = push
    const { headers } = head
    push.isOpen = true
    let sender: SenderKnown
    try {
      const flags = door.way.flagsOf(headers)
      const bounds = door.way.bounds(this.parts.front)
      sender = { headers, door, tenant, isFixed, flags, bounds }
    } catch (error) {
      this.refuse(push, error, came)
      return
    }
    this.sender = sender
    this.open(push, sender, came)
  }

  /** The body may come. */
  private open(push: Push, { tenant, flags, bounds }: SenderKnown, came: Buffer): void {
    // The client may have gone meanwhile.
    if (this.push !== push) return
    push.isOpen = true
    push.flags = flags
    try {
      push.ticket = this.parts.front.admission.enter(tenant, this.reads.leavesGarbage)
      if (push.left > bounds.bytesMax) throw bounds.tooLarge()
      push.ticket.admit(push.left)
    } catch (error) {
      this.refuse(push, error, came)
      return
    }
    push.tenant = tenant
    this.phase = 'body'
    if (push.left === 0) this.submit(push, NOTHING)
    if (came.length > 0) this.onData(came)
    if (this.push === push && this.phase === 'body') this.await(push)
  }

  /** The body is on its way: it has its time, and goes when there is no room for it. */
  private await(push: Push): void {
    const { env, config } = this.parts.front
    const timeoutMs = config.readTimeoutMs
    push.ticket!.coming((error) => this.refuse(push, error))
    push.timer = env.timers.after(timeoutMs, () =>
      this.refuse(push, fail('body-timeout', { timeoutMs })),
    )
  }

  private takePiece(push: Push, bytes: Buffer): void {
    const { left } = push
    const piece = bytes.length > left ? bytes.subarray(0, left) : bytes
    try {
      push.ticket!.claim(piece.length)
    } catch (error) {
      this.refuse(push, error, bytes)
      return
    }
    if (piece.length < left) {
      this.append(push, piece)
      return
    }
    this.submit(push, piece)
    if (bytes.length > left) this.keep(bytes.subarray(left))
  }

  private append(push: Push, piece: Buffer): void {
    const { buffers } = this.owner
    const { bodyBytes } = push.head
    const came = bodyBytes - push.left
    push.body ??= buffers.take(Math.min(bodyBytes, BODY_BYTES_AT_ONCE))
    while (push.body.length < came + piece.length) push.body = buffers.grow(push.body, came)
    piece.copy(push.body, came)
    push.left -= piece.length
  }

  /**
   * Hands the body over. Most come whole in one read, which is copied once, to where the distributors
   * find it.
   *
   * @param last the rest of it, good until this returns
   */
  private submit(push: Push, last: Buffer): void {
    const { front } = this.parts
    const { door, tenant, flags, body, left } = push
    push.timer?.cancel()
    push.ticket!.hasCome()
    push.left = 0
    this.phase = 'busy'
    const length = push.head.bodyBytes
    const pieces = body === undefined ? [last] : [body.subarray(0, length - left), last]
    front.distributors.push(tenant, pieces, length, flags, 'lent').then(
      (answer) => this.answer(push, door.way.replyOf(answer, flags)),
      (error: unknown) => this.answer(push, this.failureOf(push, error)),
    )
    this.giveBody(push)
  }

  private failureOf({ door, head, isOpen }: Push, error: unknown): Reply {
    const { front } = this.parts
    const told = isOpen ? door.way.failed?.(error, front, head.headers) : undefined
    return told ?? errorReply(error, door.endpoint.errors, front.env)
  }

  private answer(push: Push, reply: Reply): void {
    this.settle(push)
    this.push = undefined
    if (this.socket.destroyed) push.done(reply.status, false)
    else if (this.send(push, reply)) this.next()
    else {
      this.phase = 'stalled'
      this.socket.once('drain', () => this.next())
    }
  }

  /** Answers without the body, or the rest of it, which is thrown away so that the answer is read. */
  private refuse(push: Push, error: unknown, came: Buffer = NOTHING): void {
    if (this.push !== push) return
    const { front } = this.parts
    this.settle(push)
    this.send(push, this.failureOf(push, error))
    this.phase = 'discarding'
    this.discardMax = DISCARD_BYTES_MAX
    push.timer = front.env.timers.after(DISCARD_MS, () => this.socket.destroy())
    if (came.length > 0) this.onData(came)
    if (this.push === push && push.left === 0) this.discard(push, NOTHING)
    else this.socket.resume()
  }

  private discard(push: Push, bytes: Buffer): void {
    const discarded = Math.min(bytes.length, push.left)
    push.left -= discarded
    this.discardMax -= discarded
    if (this.discardMax < 0) this.socket.destroy()
    if (push.left > 0) return
    push.timer?.cancel()
    this.push = undefined
    if (bytes.length > discarded) this.keep(bytes.subarray(discarded))
    this.next()
  }

  /** Writes an answer; false when the client has not taken enough of the earlier ones. */
  private send({ head, done }: Push, reply: Reply): boolean {
    const { front, state } = this.parts
    this.isEnding = this.isEnding || state.isDraining || head.isLast
    const { socket } = this
    const mayComeAgain = reply.status >= RETRY_STATUS_MIN
    const whole = mayComeAgain
      ? withRetryAfter(reply, { headers: head.headers, socket }, front)
      : reply
    done(reply.status, true)
    return socket.write(this.owner.encode(whole, this.isEnding))
  }

  /** The next request, which may be here already. */
  private next(): void {
    this.phase = 'idle'
    if (this.isEnding) {
      this.socket.destroySoon()
      return
    }
    if (this.early.length > 0) this.onData(this.takeEarly())
  }

  /** Keeps what has come for later, and lets no more come. */
  private keep(bytes: Buffer): void {
    this.early.push(Buffer.from(bytes))
    this.socket.pause()
  }

  private takeEarly(): Buffer {
    const { early } = this
    this.early = []
    this.socket.resume()
    return early.length === 0 ? NOTHING : Buffer.concat(early)
  }

  /** Gives the connection away, with the bytes of the request that it is given for. */
  private leave(bytes: Buffer): void {
    const { socket } = this
    socket.off('end', this.onEnd).off('close', this.onClose)
    socket.off('error', this.onError).off('timeout', this.onTimeout)
    this.reads.giveBack()
    socket.setTimeout(0)
    this.owner.gone()
    socket.pause()
    socket.unshift(Buffer.from(bytes))
    this.owner.serve()
    socket.resume()
  }

  /** Gives back what a push holds. */
  private settle(push: Push): void {
    push.timer?.cancel()
    push.ticket?.hasCome()
    push.ticket?.leave()
    this.giveBody(push)
  }

  private giveBody(push: Push): void {
    if (push.body !== undefined) this.owner.buffers.give(push.body)
    push.body = undefined
  }
}
