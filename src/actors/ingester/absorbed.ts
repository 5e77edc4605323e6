/**
 * Which folders of former shards a shard has in its own snapshots, so that it need not read them at every
 * start (and add what came out of order there once more each time). The note names the first snapshot
 * that has them; it counts when both snapshots that are kept are at least as new, and as long as
 * the folders' files are as they were.
 */
import type { Disk } from '../../shared/env/index.js'
import { snapshotNumbers } from '../../shared/tsdb/index.js'
import { readNoteFile, writeNoteFile } from './note-file.js'

const NOTE = 'absorbed'

/** What the note says: folder name → fingerprint of its files. */
type Fingerprints = Readonly<Record<string, string>>

/** Notes what snapshot `snapshot` of a shard has. @throws AppError `disk-failed` */
export function noteAbsorbed(
  disk: Disk,
  own: string,
  folders: readonly string[],
  snapshot: number,
): void {
  const prints = Object.fromEntries(folders.map((folder) => [folder, fingerprintOf(disk, folder)]))
  writeNoteFile(disk, `${own}/${NOTE}`, { snapshot, folders: prints })
}

/** Those of the folders that must be read. */
export function notAbsorbed(disk: Disk, own: string, folders: readonly string[]): string[] {
  const known = folders.length === 0 ? {} : readNote(disk, own)
  return folders.filter((folder) => known[folder] !== fingerprintOf(disk, folder))
}

function readNote(disk: Disk, own: string): Fingerprints {
  const note = readNoteFile(disk, `${own}/${NOTE}`) as
    | { readonly snapshot: number; readonly folders: Fingerprints }
    | undefined
  if (note === undefined) return {}
  const snapshots = snapshotNumbers(disk, own)
  const isKept = snapshots.length > 1 && snapshots.every((number) => number >= note.snapshot)
  return isKept ? note.folders : {}
}

/** Changes when a file of the folder's log or snapshots comes, goes, or has another length. */
function fingerprintOf(disk: Disk, folder: string): string {
  const files = [folder, `${folder}/wal`].flatMap((part) =>
    disk
      .list(part)
      .filter((name) => /^\d{8}$|^snapshot\.\d{8}$/.test(name))
      .map((name) => `${part}/${name}`),
  )
  return files.map((path) => `${path.slice(folder.length)}:${sizeOf(disk, path)}`).join(' ')
}

function sizeOf(disk: Disk, path: string): number {
  const file = disk.open(path, 'read')
  try {
    return file.size()
  } finally {
    file.close()
  }
}
