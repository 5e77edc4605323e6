/**
 * The head of a query as clients send it, read without Node's parser: a GET without a body, alone in
 * what has come, headers one a line and each once (push-head.ts has the rest of the rules). Whatever
 * is not exactly so is left to Node. Hot: a client's heads differ in their first line only.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { emptyHeaders, isLastBy, readHeader } from './push-head.js'

/** A head. */
export interface QueryHead {
  readonly url: string
  readonly headers: IncomingHttpHeaders
  /** The client wants no further answer on this connection. */
  readonly isLast: boolean
}

const HEAD_BYTES_MAX = 16_384
const END = '\r\n\r\n'
const REQUEST_LINE = /^GET (\/[!\x24-\x7e]*) HTTP\/1\.1$/

/** All lines of a head but the first, and what they say. */
interface KnownLines {
  readonly text: string
  readonly headers: IncomingHttpHeaders
  readonly isLast: boolean
}

/** Reads the heads of one connection. */
export class QueryHeads {
  private readonly bytesMax: number
  private known: KnownLines | undefined

  /** @param bytesMax of a head, as configured */
  constructor(bytesMax: number) {
    this.bytesMax = Math.min(bytesMax, HEAD_BYTES_MAX)
  }

  /** The head that the bytes are; undefined when they are Node's to read. */
  read(bytes: Buffer): QueryHead | undefined {
    if (bytes.length > this.bytesMax) return undefined
    const text = bytes.toString('latin1')
    const firstEnd = text.indexOf('\r\n')
    const url = REQUEST_LINE.exec(text.slice(0, Math.max(0, firstEnd)))?.[1]
    if (url === undefined) return undefined
    const lines = text.slice(firstEnd)
    if (lines !== this.known?.text) {
      const known = readLines(lines)
      if (known === undefined) return undefined
      this.known = known
    }
    const { headers, isLast } = this.known
    return { url, headers, isLast }
  }
}

function readLines(text: string): KnownLines | undefined {
  // Nothing may stand behind: a body, or the next request.
  if (text.indexOf(END) !== text.length - END.length) return undefined
  const headers = emptyHeaders()
  for (const line of text.slice(2, -END.length).split('\r\n')) {
    const header = readHeader(line, headers)
    if (header === undefined || header[0] === 'content-length') return undefined
    headers[header[0]] = header[1]
  }
  const isLast = isLastBy(headers)
  if (headers['host'] === undefined || isLast === undefined) return undefined
  return { text, headers, isLast }
}
