/**
 * The head of a push as senders write it, read without Node's parser (RFC 9112, the part of it that
 * leaves no room for doubt): a POST to one of the paths for pushes with a Content-Length, headers one
 * a line and each once. Whatever is not exactly so is left to Node, so nothing has to be refused here
 * and nothing can be read in two ways. Hot: a connection's heads differ in their Content-Length and
 * the tenant only, so all but the first are known by three comparisons of bytes.
 */
import type { IncomingHttpHeaders } from 'node:http'

/** A head, and where its body is. */
export interface PushHead {
  /** Which of the paths it is for. */
  readonly path: number
  readonly headers: IncomingHttpHeaders
  /** Where the body starts in the bytes that were read. */
  readonly bodyAt: number
  readonly bodyBytes: number
  /** The sender wants no further answer on this connection. */
  readonly isLast: boolean
}

const HEAD_END = Buffer.from('\r\n\r\n')
const HEAD_BYTES_MAX = 4096
const HEADER_LINE =
  /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?[ \t]*$/
const LENGTH = /^\d{1,10}$/
/** Headers that change how a message is framed or answered. */
const FOR_NODE: ReadonlySet<string> = new Set([
  'transfer-encoding',
  'expect',
  'upgrade',
  'trailer',
  'te',
  'proxy-connection',
  '__proto__',
])

/** A header whose value changes from head to head. */
interface Hole {
  readonly isLength: boolean
  /** All between the value before and this one. */
  readonly before: string
}

/** What a head is but for the digits of its Content-Length, and the tenant where it names one. */
interface KnownHead {
  readonly path: number
  readonly holes: readonly Hole[]
  /** All behind the last hole, with the empty line. */
  readonly after: string
  readonly isLast: boolean
  /** So much of what came is looked at: a head with the longest values that are likely. */
  readonly bytesMax: number
}

const LENGTH_HEADER = 'content-length'
const TENANT_HEADER = 'x-scope-orgid'
/** A value that is read alike by whoever looks for the end of its line. */
const PLAIN_VALUE = /^[\x21-\x7e]+$/
const DIGITS_MAX = 10
/** By so much a head may be longer than the last one and be known all the same: another tenant. */
const LONGER_MAX = 160
const [CR, ZERO, NINE] = [0x0d, 0x30, 0x39] as const

/**
 * Headers of a head. Those of all clients are of one hidden class, whatever they send: V8 would make
 * code for those that it has met.
 */
export function emptyHeaders(): Record<string, string> {
  return Object.create(null) as Record<string, string>
}

/** Reads the heads of one connection. */
export class PushHeads {
  private readonly requestLines: readonly string[]
  private readonly bytesMax: number
  private known: KnownHead | undefined
  /** Of the last head, without Content-Length. */
  private headers: IncomingHttpHeaders = emptyHeaders()
  /** Of the last head: where its body starts, and how long that is. */
  private bodyAt = 0
  private bodyBytes = 0

  /** @param bytesMax of a head, as configured */
  constructor(paths: readonly string[], bytesMax: number) {
    this.requestLines = paths.map((path) => `POST ${path} HTTP/1.1`)
    this.bytesMax = Math.min(bytesMax, HEAD_BYTES_MAX)
  }

  /** The head that the bytes begin with; undefined when it is not whole or is Node's to read. */
  read(bytes: Buffer): PushHead | undefined {
    if (!this.matchKnown(bytes) && !this.readNew(bytes)) return undefined
    const { bodyAt, bodyBytes, headers } = this
    const { path, isLast } = this.known!
    return { path, headers, isLast, bodyAt, bodyBytes }
  }

  /** Reads a head that is like the last one, but for its Content-Length and the tenant; false when it is not. */
  private matchKnown(bytes: Buffer): boolean {
    const { known } = this
    if (known === undefined) return false
    const { holes, after } = known
    const text = bytes.toString('latin1', 0, Math.min(bytes.length, known.bytesMax))
    let length = 0
    let tenant: string | undefined
    let at = 0
    for (let i = 0; i < holes.length; i++) {
      const { before, isLength } = holes[i]!
      if (!text.startsWith(before, at)) return false
      at += before.length
      const from = at
      if (isLength) {
        at = digitsEnd(text, from)
        if (at === from) return false
        length = Number(text.slice(from, at))
        continue
      }
      const last = this.headers[TENANT_HEADER] as string
      at += last.length
      if (text.startsWith(last, from) && text.charCodeAt(at) === CR) continue
      at = text.indexOf('\r\n', from)
      if (at < 0) return false
      tenant = text.slice(from, at)
      if (!PLAIN_VALUE.test(tenant)) return false
    }
    if (!text.startsWith(after, at)) return false
    if (tenant !== undefined) {
      // Another object: whoever has the last one may look at it still.
      this.headers = Object.assign(emptyHeaders(), this.headers, { [TENANT_HEADER]: tenant })
    }
    this.bodyAt = at + after.length
    this.bodyBytes = length
    return true
  }

  /** Reads a head that is not known; false when it is not whole or is Node's to read. */
  private readNew(bytes: Buffer): boolean {
    const end = bytes.subarray(0, this.bytesMax).indexOf(HEAD_END)
    if (end < 0) return false
    this.bodyAt = end + HEAD_END.length
    // With the line break of the last header.
    this.bodyBytes = this.parse(bytes.toString('latin1', 0, end + 2))
    return this.bodyBytes >= 0
  }

  /** Reads a head line by line, and knows it from then on; its Content-Length, -1 when it is Node's to read. */
  private parse(text: string): number {
    const [first = '', ...lines] = text.split('\r\n')
    const path = this.requestLines.indexOf(first)
    if (path < 0 || lines.pop() !== '') return -1
    const headers = emptyHeaders()
    const holes: Hole[] = []
    let length: number | undefined
    let at = first.length + 2
    // Where the last hole ended.
    let from = 0
    for (const line of lines) {
      const header = readHeader(line, headers)
      if (header === undefined) return -1
      const [name, value] = header
      const isLength = name === LENGTH_HEADER
      if (isLength) {
        if (length !== undefined || !LENGTH.test(value)) return -1
        length = Number(value)
      } else headers[name] = value
      if (isLength || name === TENANT_HEADER) {
        const valueAt = at + line.lastIndexOf(value)
        holes.push({ isLength, before: text.slice(from, valueAt) })
        from = valueAt + value.length
      }
      at += line.length + 2
    }
    if (length === undefined || headers['host'] === undefined) return -1
    const isLast = isLastBy(headers)
    if (isLast === undefined) return -1
    const after = `${text.slice(from)}\r\n`
    const bytesMax = Math.min(text.length + LONGER_MAX, this.bytesMax)
    this.known = { path, holes, after, isLast, bytesMax }
    this.headers = headers
    return length
  }
}

/** Where the digits end that a text has at a place; that place when they are none, or too many. */
function digitsEnd(text: string, from: number): number {
  let at = from
  for (; at <= from + DIGITS_MAX; at++) {
    const code = text.charCodeAt(at)
    // Not so behind the end of the text either, where it is NaN.
    if (!(code >= ZERO && code <= NINE)) return at
  }
  return from
}

/**
 * Name, in lower case, and value of a line of a head; undefined when it is Node's to read.
 *
 * @param before headers that stand before it
 */
export function readHeader(
  line: string,
  before: Readonly<Record<string, string>>,
): readonly [name: string, value: string] | undefined {
  const match = HEADER_LINE.exec(line)
  if (match === null) return undefined
  const name = match[1]!.toLowerCase()
  if (FOR_NODE.has(name) || before[name] !== undefined) return undefined
  return [name, match[2] ?? '']
}

/** Whether the client wants no further answer on the connection; undefined when Node is to tell. */
export function isLastBy(headers: Readonly<Record<string, string>>): boolean | undefined {
  const connection = (headers['connection'] ?? 'keep-alive').toLowerCase()
  if (connection !== 'keep-alive' && connection !== 'close') return undefined
  return connection === 'close'
}
