/**
 * Labels as the bytes that define a series (wire/frames/write.ts): per label, sorted by name,
 * uvarint length, name, uvarint length, value. For cold paths and tests; on the hot path the
 * distributor's kernel writes them.
 */
import { fail } from '../../errors/index.js'
import type { Label, Labels } from '../../model/labels.js'

/** Bytes of a label set, whose labels are sorted by name already. */
export function encodeLabels(labels: Labels): Uint8Array {
  const parts: Uint8Array[] = []
  for (const { name, value } of labels) parts.push(encodePair(name, value))
  return Buffer.concat(parts)
}

/** Bytes of one label. */
export function encodePair(name: string, value: string): Uint8Array {
  const nameBytes = Buffer.from(name)
  const valueBytes = Buffer.from(value)
  const prefix = uvarint(nameBytes.length)
  return Buffer.concat([prefix, nameBytes, uvarint(valueBytes.length), valueBytes])
}

/** The labels of bytes that encodeLabels makes. @throws AppError `internal` when they are cut off */
export function decodeLabels(bytes: Uint8Array): Labels {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const labels: Label[] = []
  let at = 0
  const text = (): string => {
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = buffer[at++]
      if (byte === undefined || shift > 28) throw fail('internal', { text: 'labels are cut off' })
      length |= (byte & 127) << shift
      if (byte < 128) break
    }
    if (length > buffer.length - at) throw fail('internal', { text: 'labels are cut off' })
    at += length
    return buffer.toString('utf8', at - length, at)
  }
  while (at < buffer.length) labels.push({ name: text(), value: text() })
  return labels
}

/**
 * Finds the bytes of a label (encodePair) among those of a label set, reading none of it as text.
 *
 * @param labels where the label set lies in `bytes`
 * @returns a view of them; undefined when there is no such label, or the set is cut off
 */
export function findPairBytes(
  bytes: Uint8Array,
  labels: { readonly from: number; readonly end: number },
  name: Uint8Array,
): Uint8Array | undefined {
  let at = labels.from
  const skipText = (): number => {
    let length = 0
    for (let shift = 0; shift <= 28; shift += 7) {
      const byte = bytes[at++] ?? 0
      length |= (byte & 127) << shift
      if (byte < 128) break
    }
    at += length >>> 0
    return length
  }
  while (at < labels.end) {
    const start = at
    const nameLength = skipText()
    const nameEnd = at
    skipText()
    if (at > labels.end) return undefined
    if (nameLength === name.length && endsWith(bytes, nameEnd, name)) {
      return bytes.subarray(start, at)
    }
  }
  return undefined
}

function endsWith(bytes: Uint8Array, end: number, text: Uint8Array): boolean {
  const from = end - text.length
  for (let i = 0; i < text.length; i++) if (bytes[from + i] !== text[i]) return false
  return true
}

function uvarint(value: number): Uint8Array {
  const bytes: number[] = []
  while (value > 127) {
    bytes.push((value & 127) | 128)
    value >>>= 7
  }
  bytes.push(value)
  return Uint8Array.from(bytes)
}
