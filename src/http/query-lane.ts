/**
 * The way of plain GETs of the query API past Node's HTTP server: what Node does for a request and its
 * answer took longer than all the rest of a small query (decision 0016). As with pushes, a
 * connection's requests are read here as long as they are of that form (query-head.ts) and for a row's
 * very path; the first that is not takes the connection to Node's server for good. Handlers, errors and
 * answers are those of the other way in.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { StopSource } from '../shared/base/stop-signal.js'
import type { AnswerHeads } from './answer-heads.js'
import { GZIP_OPTIONS, isZipped, ONE_WRITE_BYTES, piecesOf } from './bodies.js'
import type { Front, MountedEndpoint, Reply } from './handler.js'
import { type QueryHead, QueryHeads } from './query-head.js'
import { type RoutedRequest, replyTo } from './reply.js'
import type { RequestMeter } from './request-meter.js'
import type { FoundRoute, RouteTable } from './route-table.js'

/** What the lane works with. */
export interface QueryLaneParts {
  readonly front: Front
  readonly meter: RequestMeter
  readonly routes: RouteTable
  readonly heads: AnswerHeads
  readonly state: { readonly isDraining: boolean }
}

/** The connections that have brought nothing but queries, since they came here. */
export class QueryLane {
  private readonly parts: QueryLaneParts
  private readonly connections = new Set<QueryConnection>()

  constructor(parts: QueryLaneParts) {
    this.parts = parts
  }

  /** Takes a connection. @param serve gives it to Node's server */
  take(socket: Socket, serve: () => void): void {
    if (socket.destroyed) return
    const gone = (): void => void this.connections.delete(connection)
    const connection = new QueryConnection(this.parts, socket, { gone, serve })
    this.connections.add(connection)
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

/** What a connection tells the lane. */
interface Owner {
  gone(): void
  /** Node's server takes over. */
  serve(): void
}

/** Rows that come this way: of the query API, and without a body. */
function isTaken({ method, prefix, errors }: MountedEndpoint): boolean {
  return method === 'GET' && prefix === 'prometheus' && errors === 'json'
}

class QueryConnection {
  private readonly parts: QueryLaneParts
  private readonly socket: Socket
  private readonly owner: Owner
  private readonly heads: QueryHeads
  private isBusy = false
  /** The answer goes out: a client that takes nothing of it is cut off. */
  private isSending = false
  /** What has come early; while there is some the socket is paused. */
  private early: Buffer[] = []
  /** The answer that is due is the last one. */
  private isEnding = false
  /** Stops the query whose client has gone. */
  private stop: StopSource | undefined

  constructor(parts: QueryLaneParts, socket: Socket, owner: Owner) {
    this.parts = parts
    this.socket = socket
    this.owner = owner
    const { config } = parts.front
    this.heads = new QueryHeads(config.headerBytesMax)
    socket.setTimeout(config.idleTimeoutMs)
    socket.on('end', this.onEnd).on('close', this.onClose)
    socket.on('error', this.onError).on('timeout', this.onTimeout).on('data', this.onData)
  }

  closeIdle(): void {
    if (!this.isBusy) this.socket.destroySoon()
  }

  destroy(): void {
    this.socket.destroy()
  }

  private readonly onData = (bytes: Buffer): void => {
    if (this.isBusy) {
      this.early.push(bytes)
      this.socket.pause()
      return
    }
    const head = this.heads.read(bytes)
    const found = head === undefined ? undefined : this.parts.routes.find('GET', head.url)
    if (head === undefined || found === undefined || !isTaken(found.endpoint)) this.leave(bytes)
    else void this.serve(head, found)
  }

  /** The client has gone, also where it still waits for an answer: its query is not wanted any more. */
  private readonly onEnd = (): void => {
    this.socket.destroySoon()
  }

  private readonly onClose = (): void => {
    this.owner.gone()
    this.stop?.abort()
  }

  private readonly onError = (error: Error): void => {
    this.parts.front.env.log.debug('client lost', { err: error.message })
  }

  private readonly onTimeout = (): void => {
    if (!this.isBusy || this.isSending) this.socket.destroy()
  }

  private async serve(head: QueryHead, { endpoint, param }: FoundRoute): Promise<void> {
    const { front, meter, state } = this.parts
    const { socket } = this
    this.isBusy = true
    const done = meter.begin('GET', endpoint.route)
    const { url, headers } = head
    // All that handlers of a GET look at.
    const incoming = { method: 'GET', url, headers, socket } as IncomingMessage
    const request: RoutedRequest = { incoming, endpoint, param, signal: () => this.signal() }
    const reply = await replyTo(request, front, state)
    this.stop = undefined
    this.isEnding = this.isEnding || state.isDraining || head.isLast
    try {
      if (!socket.destroyed) await this.send(incoming, reply)
    } catch (error) {
      socket.destroy(error as Error)
    }
    done(reply.status, !socket.destroyed)
    this.isBusy = false
    this.next()
  }

  private signal(): StopSource {
    this.stop = new StopSource()
    if (this.socket.destroyed) this.stop.abort()
    return this.stop
  }

  /** Writes an answer; resolves when the next one may follow, or the client has gone. */
  private async send(incoming: IncomingMessage, reply: Reply): Promise<void> {
    const { bytesText } = reply
    const pieces = bytesText === undefined ? piecesOf(reply) : []
    const length = bytesText?.length ?? pieces.reduce((sum, piece) => sum + piece.length, 0)
    const isGzip = isZipped(incoming, reply, length)
    let head = this.parts.heads.start(reply, this.isEnding)
    if (reply.compress === true) head += 'vary: Accept-Encoding\r\n'
    if (!isGzip && length <= ONE_WRITE_BYTES) {
      // As text, each byte a character: head and body are one string then, and one write.
      const body = bytesText ?? Buffer.concat(pieces).toString('latin1')
      const isTaken = this.socket.write(`${head}content-length: ${length}\r\n\r\n${body}`, 'latin1')
      if (!isTaken) await this.taken()
      return
    }
    if (isGzip) {
      head += 'content-encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n'
      await this.sendZipped(head, piecesOf(reply))
      return
    }
    this.socket.write(`${head}content-length: ${length}\r\n\r\n`, 'latin1')
    for (const piece of bytesText === undefined ? pieces : piecesOf(reply)) {
      if (this.socket.destroyed) return
      if (!this.socket.write(piece)) await this.taken()
    }
  }

  private async sendZipped(head: string, pieces: readonly Uint8Array[]): Promise<void> {
    const { socket } = this
    const zipped = Readable.from(pieces, { objectMode: false }).pipe(createGzip(GZIP_OPTIONS))
    let before = head
    for await (const piece of zipped as AsyncIterable<Buffer>) {
      if (socket.destroyed) return
      socket.cork()
      socket.write(`${before}${piece.length.toString(16)}\r\n`, 'latin1')
      const isTaken = socket.write(piece)
      socket.uncork()
      before = '\r\n'
      if (!isTaken) await this.taken()
    }
    if (!socket.destroyed && !socket.write('\r\n0\r\n\r\n')) await this.taken()
  }

  /** Resolves when the client has taken what was written, or is gone. */
  private taken(): Promise<void> {
    const { socket } = this
    const { stallTimeoutMs, idleTimeoutMs } = this.parts.front.config
    if (socket.destroyed || !socket.writableNeedDrain) return Promise.resolve()
    this.isSending = true
    socket.setTimeout(stallTimeoutMs)
    return new Promise((resolve) => {
      const done = (): void => {
        socket.off('drain', done).off('close', done)
        this.isSending = false
        socket.setTimeout(idleTimeoutMs)
        resolve()
      }
      socket.on('drain', done).on('close', done)
    })
  }

  /** The next request, which may be here already. */
  private next(): void {
    if (this.isEnding) {
      this.socket.destroySoon()
      return
    }
    if (this.early.length === 0) return
    const bytes = Buffer.concat(this.early)
    this.early = []
    this.socket.resume()
    this.onData(bytes)
  }

  /** Gives the connection to Node's server, with the bytes of the request that it is given for. */
  private leave(bytes: Buffer): void {
    const { socket } = this
    socket.off('end', this.onEnd).off('close', this.onClose).off('data', this.onData)
    socket.off('error', this.onError).off('timeout', this.onTimeout)
    socket.setTimeout(0)
    this.owner.gone()
    socket.pause()
    socket.unshift(bytes)
    this.owner.serve()
    socket.resume()
  }
}
