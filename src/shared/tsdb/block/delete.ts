/**
 * Which samples of a block a deletion takes: per series an interval, as far as the series goes in
 * this block, beside what was deleted of it before (Prometheus tsdb/block.go, Delete).
 */
import type { Disk } from '../../env/index.js'
import type { Matcher } from '../../model/matcher.js'
import type { IndexReader } from '../index/reader.js'
import { selectRefs } from '../index/select.js'
import {
  type DeletedInterval,
  decodeTombstones,
  encodeTombstones,
  joinIntervals,
  type Tombstones,
} from './tombstones.js'

/** Samples that are to be deleted: of series that any of the selectors matches, ms, both ends inclusive. */
export interface DeletedSelection {
  readonly selectors: readonly (readonly Matcher[])[]
  readonly mint: number
  readonly maxt: number
}

/** What a deletion means to a block. */
export interface BlockDeletion {
  /** All of the block's, those from before too. */
  readonly tombstones: Tombstones
  /** Series that have chunks in the time. */
  readonly series: number
  /** Those chunks. */
  readonly chunks: number
  /** Whether the deletion takes anything that the tombstones before did not. */
  readonly isNew: boolean
}

/** Series read at once. */
const BATCH = 4096

/**
 * Adds a deletion to a block's tombstones.
 *
 * @param pause awaited between slices of work
 * @throws AppError `block-damaged`
 */
export async function deletionIn(
  block: { readonly index: IndexReader; readonly tombstones: Tombstones },
  { selectors, mint, maxt }: DeletedSelection,
  pause: () => Promise<void> = async () => {},
): Promise<BlockDeletion> {
  const refs = new Set<number>()
  for (const matchers of selectors) {
    for (const ref of await selectRefs(block.index, matchers)) refs.add(ref)
  }
  const sorted = Uint32Array.from(refs).sort()
  const tombstones = new Map<number, readonly DeletedInterval[]>(block.tombstones)
  let [series, chunks, isNew] = [0, 0, false]
  for (let from = 0; from < sorted.length; from += BATCH) {
    const columns = await block.index.series(sorted.subarray(from, from + BATCH))
    for (let i = 0; i < columns.count; i++) {
      const [first, end] = [columns.chunkEnds[i]!, columns.chunkEnds[i + 1]!]
      let overlapping = 0
      for (let at = first; at < end; at++) {
        if (columns.mints[at]! <= maxt && columns.maxts[at]! >= mint) overlapping++
      }
      if (overlapping === 0) continue
      series++
      chunks += overlapping
      const ref = columns.refs[i]!
      const before = tombstones.get(ref) ?? []
      const interval = {
        mint: Math.max(mint, columns.mints[first]!),
        maxt: Math.min(maxt, columns.maxts[end - 1]!),
      }
      if (before.some((old) => old.mint <= interval.mint && old.maxt >= interval.maxt)) continue
      isNew = true
      tombstones.set(ref, joinIntervals([...before, interval]))
    }
    await pause()
  }
  return { tombstones, series, chunks, isNew }
}

/** The name of the file in a block's folder. */
export const TOMBSTONES_FILE = 'tombstones'

/** A file of this size says that nothing is deleted: header and checksum. */
export const TOMBSTONES_NONE_BYTES = 9

/** Whether a block on this machine has any. */
export function hasTombstones(disk: Disk, folder: string): boolean {
  const facts = disk.findFacts(`${folder}/${TOMBSTONES_FILE}`)
  return facts !== undefined && facts.size > TOMBSTONES_NONE_BYTES
}

/** Writes the tombstones of a block on this machine, durably. @throws AppError `disk-failed` */
export function writeTombstones(disk: Disk, folder: string, tombstones: Tombstones): void {
  disk.replaceFile(`${folder}/${TOMBSTONES_FILE}`, encodeTombstones(tombstones))
}

/** Those of a block on this machine; none without the file. @throws AppError `block-damaged` */
export function readTombstones(disk: Disk, folder: string, block: string): Tombstones {
  const path = `${folder}/${TOMBSTONES_FILE}`
  return disk.exists(path) ? decodeTombstones(disk.readFile(path), block) : new Map()
}
