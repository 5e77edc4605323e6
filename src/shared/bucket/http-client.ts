/**
 * Requests of the backends that have no client library: node:http with kept connections. A request
 * ends with its signal, also while the body of its answer is read.
 */
import { type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { Readable } from 'node:stream'
import type { HttpOptions } from './http-options.js'

/** What is sent. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  /** Bytes, or pieces of them; of pieces the caller gives the `content-length`. */
  readonly body?: Uint8Array | Iterable<Uint8Array>
  readonly signal: AbortSignal
}

/** What came back; the body must be read or `drained`. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Readable
}

/** Longest error text that is kept. */
const TEXT_BYTES_MAX = 2000

/** Sends a request; resolves with the head of the answer. */
export function sendHttp(options: HttpOptions, request: HttpRequest): Promise<HttpAnswer> {
  const { method, url, body, signal } = request
  const isSecure = url.startsWith('https:')
  const headers: Record<string, string> = { ...request.headers }
  if (body instanceof Uint8Array) headers['content-length'] = String(body.length)
  else if (body === undefined && method !== 'GET' && method !== 'HEAD') {
    headers['content-length'] = '0'
  }
  return new Promise((resolve, reject) => {
    const send = isSecure ? requestHttps : requestHttp
    const agent = isSecure ? options.agents.https : options.agents.http
    const timeout = options.headerTimeoutMs
    const outgoing = send(url, { method, headers, agent, signal, timeout })
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')))
    outgoing.on('error', reject)
    outgoing.on('response', (answer: IncomingMessage) =>
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer }),
    )
    if (body === undefined || body instanceof Uint8Array) outgoing.end(body)
    else Readable.from(body).on('error', reject).pipe(outgoing)
  })
}

/** Reads away what nobody wants, so that the connection can be used again; the start of it as text. */
export async function drained(answer: HttpAnswer): Promise<string> {
  let text = ''
  for await (const part of answer.body) {
    if (text.length < TEXT_BYTES_MAX) text += (part as Buffer).toString('utf8')
  }
  return text.slice(0, TEXT_BYTES_MAX).trim()
}

/** Bytes that the head of an answer announces; undefined when it does not. */
export function announcedSize(answer: HttpAnswer): number | undefined {
  const length = answer.headers['content-length']
  return length === undefined ? undefined : Number(length)
}

/** Closes the connections that are kept. */
export function closeHttp(options: HttpOptions): void {
  options.agents.http.destroy()
  options.agents.https.destroy()
}
