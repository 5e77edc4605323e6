/** Bodies of remote read: snappy (block format) around prometheus.ReadRequest. */
import { AppError, fail } from '../../errors/index.js'
import type { Matcher } from '../../model/matcher.js'
import { loadSnappy } from '../compression/index.js'
import { type Cursor, eachField, readBytes, readVarint, skip } from '../remote-write/decode.js'

/** One query of a request; times in ms, both inclusive. */
export interface ReadQuery {
  readonly mint: number
  readonly maxt: number
  readonly matchers: readonly Matcher[]
}

/** A request. */
export interface ReadRequest {
  readonly queries: readonly ReadQuery[]
  /** The sender takes STREAMED_XOR_CHUNKS, and likes that best. */
  readonly isStreamed: boolean
}

const OPS: readonly Matcher['op'][] = ['=', '!=', '=~', '!~']
const STREAMED_XOR_CHUNKS = 1n

/**
 * Decodes a body.
 * @param bytesMax what it may unpack to
 * @throws AppError `bad-data`, `body-too-large`
 */
export function decodeReadRequest(body: Uint8Array, bytesMax: number): ReadRequest {
  try {
    return decode(unpack(body, bytesMax))
  } catch (error) {
    if (!(error instanceof AppError) || error.id !== 'bad-data') throw error
    const why = error.message.replace('malformed write request: ', '')
    throw fail('bad-data', { text: `malformed read request: ${why}` }, error)
  }
}

function unpack(body: Uint8Array, bytesMax: number): Uint8Array {
  // The length stands first: it is looked at before anything is made room for.
  const cursor = { bytes: body, at: 0 }
  const length = Number(readVarint(cursor))
  if (length > bytesMax) throw fail('body-too-large', { max: bytesMax })
  try {
    return loadSnappy().uncompressSync(Buffer.from(body), { asBuffer: true }) as Buffer
  } catch (error) {
    throw fail('bad-data', { text: 'the body is not snappy' }, error)
  }
}

function decode(bytes: Uint8Array): ReadRequest {
  const queries: ReadQuery[] = []
  let first: bigint | undefined
  eachField(bytes, (tag, cursor) => {
    if (tag === 10n) queries.push(decodeQuery(readBytes(cursor)))
    else if (tag === 16n) first ??= readVarint(cursor)
    else if (tag === 18n) {
      const packed: Cursor = { bytes: readBytes(cursor), at: 0 }
      while (packed.at < packed.bytes.length) {
        const type = readVarint(packed)
        first ??= type
      }
    } else skip(tag, cursor)
  })
  return { queries, isStreamed: first === STREAMED_XOR_CHUNKS }
}

function decodeQuery(bytes: Uint8Array): ReadQuery {
  let mint = 0
  let maxt = 0
  const matchers: Matcher[] = []
  eachField(bytes, (tag, cursor) => {
    if (tag === 8n) mint = readInt(cursor)
    else if (tag === 16n) maxt = readInt(cursor)
    else if (tag === 26n) matchers.push(decodeMatcher(readBytes(cursor)))
    else skip(tag, cursor)
  })
  return { mint, maxt, matchers }
}

function decodeMatcher(bytes: Uint8Array): Matcher {
  let type = 0
  let name = ''
  let value = ''
  eachField(bytes, (tag, cursor) => {
    if (tag === 8n) type = Number(readVarint(cursor))
    else if (tag === 18n) name = readText(cursor)
    else if (tag === 26n) value = readText(cursor)
    else skip(tag, cursor)
  })
  const op = OPS[type]
  if (op === undefined) throw fail('bad-data', { text: `a matcher of type ${type}` })
  return { name, op, value }
}

function readInt(cursor: Cursor): number {
  return Number(BigInt.asIntN(64, readVarint(cursor)))
}

function readText(cursor: Cursor): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(readBytes(cursor))
}
