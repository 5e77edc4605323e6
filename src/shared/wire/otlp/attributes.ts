/**
 * Attributes of OTLP (opentelemetry.proto.common.v1, KeyValue and AnyValue) as byte strings: keys as
 * they are, values as text, as the OpenTelemetry collector prints them.
 */
import { eachField, readBytes, readFloat, readVarint, skip } from '../remote-write/decode.js'

/** One attribute. */
export interface Attribute {
  readonly key: string
  readonly value: string
}

/** Values nested deeper than this are cut off. */
const DEPTH_MAX = 64

/**
 * Reads key-value fields that follow each other, whatever their number.
 *
 * @throws AppError `bad-data` when one is malformed
 */
export function decodeAttributes(bytes: Uint8Array): Attribute[] {
  const usual = findShortTexts(bytes)
  if (usual !== undefined) return usual
  const attributes: Attribute[] = []
  eachField(bytes, (tag, cursor) => {
    if ((tag & 7n) === 2n) attributes.push(decodeKeyValue(readBytes(cursor)))
    else skip(tag, cursor)
  })
  return attributes
}

/**
 * Attributes whose values are texts and whose lengths take one byte each, put as protobuf's libraries
 * do: nearly all. Undefined when one is not like that. Half of what a new series costs went into them.
 */
function findShortTexts(bytes: Uint8Array): Attribute[] | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const attributes: Attribute[] = []
  let at = 0
  while (at < text.length) {
    const [tag, size] = [text[at]!, text[at + 1]!]
    if (tag < 8 || (tag & 0x87) !== 2 || !(size < 0x80) || text[at + 2] !== KEY_TAG)
      return undefined
    const end = at + 2 + size
    const keyAt = at + 4
    const keyEnd = keyAt + text[at + 3]!
    const valueAt = keyEnd + 4
    if (text[keyEnd] !== VALUE_TAG || text[keyEnd + 2] !== TEXT_TAG) return undefined
    // With these lengths both messages are as long as they say.
    if (valueAt + text[keyEnd + 3]! !== end || text[keyEnd + 1] !== end - keyEnd - 2)
      return undefined
    if (end > text.length) return undefined
    const key = text.toString('latin1', keyAt, keyEnd)
    attributes.push({ key, value: text.toString('latin1', valueAt, end) })
    at = end
  }
  return attributes
}

/** Tags of a KeyValue and of a text in an AnyValue. */
const KEY_TAG = 10
const VALUE_TAG = 18
const TEXT_TAG = 10

/** Reads the key-value fields of one number in a message: a resource's (1) or a scope's (3). */
export function decodeAttributesOf(message: Uint8Array, field: number): Attribute[] {
  const attributes: Attribute[] = []
  eachField(message, (tag, cursor) => {
    const isOurs = tag >> 3n === BigInt(field) && (tag & 7n) === 2n
    if (isOurs) attributes.push(decodeKeyValue(readBytes(cursor)))
    else skip(tag, cursor)
  })
  return attributes
}

/** Name, version and attributes of an InstrumentationScope message. @throws AppError `bad-data` */
export function decodeScope(message: Uint8Array): {
  readonly name: string
  readonly version: string
  readonly attributes: readonly Attribute[]
} {
  let name = ''
  let version = ''
  eachField(message, (tag, cursor) => {
    if (tag === 10n) name = byteString(readBytes(cursor))
    else if (tag === 18n) version = byteString(readBytes(cursor))
    else skip(tag, cursor)
  })
  return { name, version, attributes: decodeAttributesOf(message, 3) }
}

/** Reads one KeyValue message. @throws AppError `bad-data` */
export function decodeKeyValue(bytes: Uint8Array): Attribute {
  let key = ''
  let value = ''
  eachField(bytes, (tag, cursor) => {
    if (tag === 10n) key = byteString(readBytes(cursor))
    else if (tag === 18n) value = printValue(decodeValue(readBytes(cursor), 0))
    else skip(tag, cursor)
  })
  return { key, value }
}

/** Bytes as a byte string. */
export function byteString(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

type Value =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'plain'; readonly value: boolean | number | bigint | null }
  | { readonly kind: 'bytes'; readonly base64: string }
  | { readonly kind: 'list'; readonly items: readonly Value[] }
  | { readonly kind: 'map'; readonly entries: readonly (readonly [string, Value])[] }

const NOTHING: Value = { kind: 'plain', value: null }

function decodeValue(bytes: Uint8Array, depth: number): Value {
  let value: Value = NOTHING
  if (depth > DEPTH_MAX) return value
  eachField(bytes, (tag, cursor) => {
    if (tag === 10n) value = { kind: 'text', text: byteString(readBytes(cursor)) }
    else if (tag === 16n) value = { kind: 'plain', value: readVarint(cursor) !== 0n }
    else if (tag === 24n) value = { kind: 'plain', value: BigInt.asIntN(64, readVarint(cursor)) }
    else if (tag === 33n) value = { kind: 'plain', value: readFloat(cursor) }
    else if (tag === 42n) value = { kind: 'list', items: decodeList(readBytes(cursor), depth) }
    else if (tag === 50n) value = { kind: 'map', entries: decodeMap(readBytes(cursor), depth) }
    else if (tag === 58n) {
      const base64 = Buffer.from(readBytes(cursor)).toString('base64')
      value = { kind: 'bytes', base64 }
    } else skip(tag, cursor)
  })
  return value
}

function decodeList(bytes: Uint8Array, depth: number): Value[] {
  const items: Value[] = []
  eachField(bytes, (tag, cursor) => {
    if (tag === 10n) items.push(decodeValue(readBytes(cursor), depth + 1))
    else skip(tag, cursor)
  })
  return items
}

function decodeMap(bytes: Uint8Array, depth: number): [string, Value][] {
  const entries = new Map<string, Value>()
  eachField(bytes, (tag, cursor) => {
    if (tag !== 10n) {
      skip(tag, cursor)
      return
    }
    let key = ''
    let value: Value = NOTHING
    eachField(readBytes(cursor), (inner, at) => {
      if (inner === 10n) key = byteString(readBytes(at))
      else if (inner === 18n) value = decodeValue(readBytes(at), depth + 1)
      else skip(inner, at)
    })
    entries.set(key, value)
  })
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1))
}

/** A value as the text of a label. */
function printValue(value: Value): string {
  if (value.kind === 'text') return value.text
  if (value.kind === 'bytes') return value.base64
  if (value.kind === 'plain') return value.value === null ? '' : printPlain(value.value)
  return Buffer.from(jsonOf(value)).toString('latin1')
}

function printPlain(value: boolean | number | bigint): string {
  if (Object.is(value, -0)) return '-0'
  if (typeof value === 'number' && !Number.isFinite(value)) {
    const text = Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
    return `json: unsupported value: ${text}`
  }
  return String(value)
}

/** JSON as Go writes it: keys sorted, characters that HTML minds escaped. */
function jsonOf(value: Value): string {
  switch (value.kind) {
    case 'text':
      return quote(value.text)
    case 'bytes':
      return quote(value.base64)
    case 'plain': {
      const isText = typeof value.value === 'number' && !Number.isFinite(value.value)
      return isText ? quote(printPlain(value.value as number)) : String(value.value)
    }
    case 'list':
      return `[${value.items.map(jsonOf).join(',')}]`
    case 'map':
      return `{${value.entries.map(([key, item]) => `${quote(key)}:${jsonOf(item)}`).join(',')}}`
  }
}

function quote(text: string): string {
  const decoded = Buffer.from(text, 'latin1').toString('utf8')
  return JSON.stringify(decoded).replace(
    /[<>&\u2028\u2029]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
