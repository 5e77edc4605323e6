/**
 * Labels as the bytes that define a series (wire/frames/write.ts): per label, sorted by name,
 * uvarint length, name, uvarint length, value. For cold paths and tests; on the hot path the
 * distributor's kernel writes them.
 */
import type { Labels } from '../../model/labels.js'

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

function uvarint(value: number): Uint8Array {
  const bytes: number[] = []
  while (value > 127) {
    bytes.push((value & 127) | 128)
    value >>>= 7
  }
  bytes.push(value)
  return Uint8Array.from(bytes)
}
