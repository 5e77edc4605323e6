/**
 * A proxy between us and an object store that does what networks and servers do: answers late or
 * never, throttles, cuts a body, loses an answer after the work was done. A test decides per request.
 */
import { once } from 'node:events'
import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

/** What goes wrong with a request; undefined: nothing. */
export type Fault =
  /** An answer of the proxy's own. */
  | { readonly kind: 'status'; readonly status: number; readonly body?: string }
  /** The request is read and never answered. */
  | { readonly kind: 'hang' }
  /** The connection is cut before anything is sent back; the server has not seen the request. */
  | { readonly kind: 'refuse' }
  /** The server does it all; its answer is lost. */
  | { readonly kind: 'lose-answer' }
  /** The answer's body ends after so many bytes, with the connection. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** The answer's body stands still after so many bytes. */
  | { readonly kind: 'stall'; readonly afterBytes: number }
  | { readonly kind: 'delay'; readonly ms: number }

/** A request as the test's decision sees it. */
export interface ProxiedRequest {
  readonly method: string
  /** With query. */
  readonly path: string
  /** 0 for the first one. */
  readonly number: number
  /** Bytes of the answer's body sent back so far. */
  sent: number
}

/** A running proxy. */
export interface FaultProxy {
  /** `127.0.0.1:PORT`. */
  readonly host: string
  /** Requests so far. */
  readonly requests: ProxiedRequest[]
  /** Bytes of bodies sent back so far. */
  sentBytes(): number
  decide: (request: ProxiedRequest) => Fault | undefined
}

/** Starts a proxy to `target` (`host:port`); it ends with the test, or what else calls back. */
export async function startFaultProxy(
  t: Pick<TestContext, 'after'>,
  target: string,
): Promise<FaultProxy> {
  const [hostname, port] = target.split(':')
  const proxy = {
    host: '',
    requests: [] as ProxiedRequest[],
    sentBytes: () => proxy.requests.reduce((sum, { sent }) => sum + sent, 0),
  } as FaultProxy & {
    host: string
  }
  proxy.decide = () => undefined
  const server = createServer((incoming, outgoing) => {
    const { method, url } = incoming
    const seen = { method: method!, path: url!, number: proxy.requests.length, sent: 0 }
    proxy.requests.push(seen)
    const fault = proxy.decide(seen)
    if (fault?.kind === 'refuse') return void incoming.socket.resetAndDestroy()
    if (fault?.kind === 'hang') return void incoming.resume()
    if (fault?.kind === 'status') {
      incoming.resume()
      incoming.on('end', () => {
        outgoing.writeHead(fault.status, { 'content-type': 'application/xml' })
        outgoing.end(fault.body ?? '')
      })
      return
    }
    const options = { hostname, port, method: incoming.method, path: incoming.url }
    // Headers as they came: signatures cover them.
    const onward = request({ ...options, headers: incoming.rawHeaders, agent: false })
    incoming.pipe(onward)
    forward(onward, incoming, outgoing, fault, (bytes) => {
      seen.sent += bytes
    })
  })
  server.on('checkContinue', (incoming: IncomingMessage, outgoing: ServerResponse) => {
    outgoing.writeContinue()
    server.emit('request', incoming, outgoing)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  proxy.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return proxy
}

function forward(
  onward: ClientRequest,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  fault: Fault | undefined,
  count: (bytes: number) => void,
): void {
  onward.on('error', () => incoming.socket.destroy())
  onward.on('response', async (answer) => {
    if (fault?.kind === 'lose-answer') {
      answer.resume()
      answer.on('end', () => incoming.socket.resetAndDestroy())
      return
    }
    if (fault?.kind === 'delay') await new Promise((resolve) => setTimeout(resolve, fault.ms))
    outgoing.writeHead(answer.statusCode!, answer.rawHeaders)
    let passed = 0
    for await (const part of answer as AsyncIterable<Buffer>) {
      const most =
        fault?.kind === 'cut' || fault?.kind === 'stall' ? fault.afterBytes - passed : part.length
      outgoing.write(part.subarray(0, most))
      count(Math.min(most, part.length))
      passed += part.length
      if (most >= part.length) continue
      if (fault?.kind === 'cut') setImmediate(() => incoming.socket.destroy())
      return
    }
    outgoing.end()
  })
}
