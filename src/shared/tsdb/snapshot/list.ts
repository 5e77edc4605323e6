/** The snapshots of a shard, as files. */
import type { Disk } from '../../env/index.js'
import { newerVersion, type Segment } from '../wal/reader.js'
import {
  decodeSnapshotHeader,
  findSnapshotNumber,
  isUnfinishedSnapshot,
  SNAPSHOT_HEADER_BYTES,
} from './format.js'

/** A snapshot file. Its batches are read like those of a segment. */
export interface Snapshot {
  readonly segment: Segment
  /** No series had this number or a greater one; 0 when the header cannot be read. */
  readonly nextNumber: number
}

/**
 * Snapshots, newest first.
 * @throws AppError `data-version` when a newer program wrote one
 */
export function listSnapshots(disk: Disk, folder: string): Snapshot[] {
  const snapshots: Snapshot[] = []
  for (const name of disk.list(folder)) {
    const number = findSnapshotNumber(name)
    if (number === undefined) continue
    const path = `${folder}/${name}`
    const file = disk.open(path, 'read')
    const header = Buffer.alloc(SNAPSHOT_HEADER_BYTES)
    const read = file.read(header, 0)
    const size = file.size()
    file.close()
    const found = decodeSnapshotHeader(header.subarray(0, read))
    if ('unknownVersion' in found) throw newerVersion(path, found.unknownVersion)
    const isGood = 'createdMs' in found
    const segment = {
      folder,
      path,
      number,
      size,
      createdMs: isGood ? found.createdMs : 0,
      damage: isGood ? undefined : found.damage,
      isLast: false,
      bytesMissing: 0,
    }
    snapshots.push({ segment, nextNumber: isGood ? found.nextNumber : 0 })
  }
  return snapshots.reverse()
}

/** Removes all snapshots but the two newest, and what interrupted ones left. */
export function removeOldSnapshots(disk: Disk, folder: string, isStarting: boolean): void {
  const names = disk.list(folder)
  const whole = names.filter((name) => findSnapshotNumber(name) !== undefined)
  const old = whole.slice(0, -2)
  const unfinished = isStarting ? names.filter(isUnfinishedSnapshot) : []
  for (const name of [...old, ...unfinished]) disk.remove(`${folder}/${name}`)
}

/** Numbers of the snapshots in a folder, ascending. */
export function snapshotNumbers(disk: Disk, folder: string): number[] {
  const numbers = disk.list(folder).map(findSnapshotNumber)
  return numbers.filter((number) => number !== undefined)
}

/** The number of the second newest snapshot: nothing before its segment is needed. */
export function oldestNeeded(disk: Disk, folder: string): number {
  const known = snapshotNumbers(disk, folder)
  return known.length < 2 ? 0 : known.at(-2)!
}
