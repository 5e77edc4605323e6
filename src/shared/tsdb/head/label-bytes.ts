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

function uvarint(value: number): Uint8Array {
  const bytes: number[] = []
  while (value > 127) {
    bytes.push((value & 127) | 128)
    value >>>= 7
  }
  bytes.push(value)
  return Uint8Array.from(bytes)
}
