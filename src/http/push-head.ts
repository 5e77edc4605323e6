/**
 * The head of a push as senders write it, read without Node's parser (RFC 9112, the part of it that
 * leaves no room for doubt): a POST to one of the paths for pushes with a Content-Length, headers one
 * a line and each once. Whatever is not exactly so is left to Node, so nothing has to be refused here
 * and nothing can be read in two ways. Hot: a connection's heads differ in their Content-Length only,
 * so all but the first are known by two comparisons of bytes.
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

/** What a head is but for the digits of its Content-Length. */
interface KnownHead {
  readonly path: number
  readonly before: string
  readonly after: string
  readonly headers: IncomingHttpHeaders
  readonly isLast: boolean
}

/** Reads the heads of one connection. */
export class PushHeads {
  private readonly requestLines: readonly string[]
  private readonly bytesMax: number
  private known: KnownHead | undefined

  /** @param bytesMax of a head, as configured */
  constructor(paths: readonly string[], bytesMax: number) {
    this.requestLines = paths.map((path) => `POST ${path} HTTP/1.1`)
    this.bytesMax = Math.min(bytesMax, HEAD_BYTES_MAX)
  }

  /** The head that the bytes begin with; undefined when it is not whole or is Node's to read. */
  read(bytes: Buffer): PushHead | undefined {
    const end = bytes.subarray(0, this.bytesMax).indexOf(HEAD_END)
    if (end < 0) return undefined
    // With the line break of the last header.
    const text = bytes.toString('latin1', 0, end + 2)
    const known = this.known ?? parse(text, this.requestLines)
    if (known === undefined) return undefined
    let length = lengthIn(text, known)
    if (length < 0) {
      this.known = parse(text, this.requestLines)
      if (this.known === undefined) return undefined
      length = lengthIn(text, this.known)
    } else this.known = known
    const { path, headers, isLast } = this.known
    return { path, headers, isLast, bodyAt: end + 4, bodyBytes: length }
  }
}

/** The Content-Length of a head that is otherwise equal to a known one; -1 when it is not. */
function lengthIn(text: string, { before, after }: KnownHead): number {
  if (text.length <= before.length + after.length) return -1
  if (!text.startsWith(before) || !text.endsWith(after)) return -1
  const digits = text.slice(before.length, text.length - after.length)
  return LENGTH.test(digits) ? Number(digits) : -1
}

function parse(text: string, requestLines: readonly string[]): KnownHead | undefined {
  const [first = '', ...lines] = text.split('\r\n')
  const path = requestLines.indexOf(first)
  if (path < 0 || lines.pop() !== '') return undefined
  const headers: Record<string, string> = {}
  let before: string | undefined
  let at = first.length + 2
  for (const line of lines) {
    const match = HEADER_LINE.exec(line)
    if (match === null) return undefined
    const name = match[1]!.toLowerCase()
    const value = match[2] ?? ''
    if (FOR_NODE.has(name) || headers[name] !== undefined) return undefined
    if (name === 'content-length') {
      if (!LENGTH.test(value)) return undefined
      before = text.slice(0, at + line.lastIndexOf(value))
    }
    headers[name] = value
    at += line.length + 2
  }
  if (before === undefined || headers['host'] === undefined) return undefined
  const connection = (headers['connection'] ?? 'keep-alive').toLowerCase()
  if (connection !== 'keep-alive' && connection !== 'close') return undefined
  const after = text.slice(before.length + headers['content-length']!.length)
  // Of the one head that was parsed: whoever looks for the length has it apart.
  delete headers['content-length']
  return { path, before, after, headers, isLast: connection === 'close' }
}
