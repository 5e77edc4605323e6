/**
 * The tombstones file of a block: what is deleted of its series and still in its chunks
 * (Prometheus tsdb/docs/format/tombstones.md).
 *
 *   magic 0x0130BA30 u32 | version u8 | entries | CRC-32C of the entries u32
 *   entry: series uvarint | mint varint | maxt varint, both inclusive
 */
import { crc32c } from '../../base/crc32c.js'
import { Cursor, readU32 } from '../index/cursor.js'
import { damaged } from '../index/damage.js'
import { ByteList } from '../index/lists.js'

const MAGIC = 0x0130ba30
const VERSION = 1

/** Deleted samples of one series: mint ≤ t ≤ maxt, ms. */
export interface DeletedInterval {
  readonly mint: number
  readonly maxt: number
}

/** By series reference; intervals sorted and apart. */
export type Tombstones = ReadonlyMap<number, readonly DeletedInterval[]>

/** The file's bytes. */
export function encodeTombstones(tombstones: Tombstones): Uint8Array {
  const out = new ByteList(64)
  out.u32(MAGIC)
  out.u8(VERSION)
  for (const ref of [...tombstones.keys()].sort((a, b) => a - b)) {
    for (const { mint, maxt } of tombstones.get(ref)!) {
      out.uvarint(ref)
      out.varint(mint)
      out.varint(maxt)
    }
  }
  out.u32(crc32c(out.view().subarray(5)))
  return out.view()
}

/**
 * Reads it.
 * @throws AppError `block-damaged`
 */
export function decodeTombstones(bytes: Uint8Array, block: string): Tombstones {
  const place = { block, section: 'tombstones' }
  const end = bytes.length - 4
  if (end < 5 || readU32(bytes, 0) !== MAGIC) throw damaged(place, 'this is no tombstones file')
  if (bytes[4] !== VERSION) throw damaged(place, `version ${bytes[4]} is not known`)
  if (crc32c(bytes.subarray(5, end)) !== readU32(bytes, end)) throw damaged(place, 'wrong checksum')
  const cursor = new Cursor(bytes, place, 5, end)
  const found = new Map<number, DeletedInterval[]>()
  while (cursor.at < end) {
    const ref = cursor.uvarint()
    const interval = { mint: cursor.varint(), maxt: cursor.varint() }
    const list = found.get(ref)
    if (list === undefined) found.set(ref, [interval])
    else list.push(interval)
  }
  for (const [ref, list] of found) found.set(ref, joinIntervals(list))
  return found
}

/** Sorts intervals, and joins those that touch. */
export function joinIntervals(list: readonly DeletedInterval[]): DeletedInterval[] {
  const joined: { mint: number; maxt: number }[] = []
  for (const { mint, maxt } of [...list].sort((a, b) => a.mint - b.mint)) {
    const last = joined.at(-1)
    if (last !== undefined && mint <= last.maxt + 1) last.maxt = Math.max(last.maxt, maxt)
    else if (mint <= maxt) joined.push({ mint, maxt })
  }
  return joined
}
