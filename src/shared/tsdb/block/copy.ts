/** Copies a block from folder to folder. */
import type { Disk } from '../../env/index.js'
import { writeAll } from '../index/block-file.js'
import { BLOCK_TEMPORARY } from './writer.js'

const PIECE_BYTES = 1 << 20

/** Copies a block's folder to `<folder>/<ULID>`, whole or not at all. */
export function copyBlock(disk: Disk, source: string, folder: string): void {
  const path = `${folder}/${source.slice(source.lastIndexOf('/') + 1)}`
  const temporary = path + BLOCK_TEMPORARY
  disk.remove(temporary)
  disk.makeFolder(`${temporary}/chunks`)
  const chunks = disk.list(`${source}/chunks`).map((name) => `chunks/${name}`)
  for (const name of [...chunks, 'index', 'tombstones', 'meta.json']) {
    if (disk.exists(`${source}/${name}`)) {
      copyFile(disk, `${source}/${name}`, `${temporary}/${name}`)
    }
  }
  disk.syncFolder(`${temporary}/chunks`)
  disk.syncFolder(temporary)
  disk.rename(temporary, path)
  disk.syncFolder(folder)
}

function copyFile(disk: Disk, from: string, to: string): void {
  const source = disk.open(from, 'read')
  const target = disk.open(to, 'create')
  try {
    const piece = new Uint8Array(PIECE_BYTES)
    for (let at = 0; ; ) {
      const count = source.read(piece, at)
      if (count === 0) break
      writeAll(target, piece.subarray(0, count))
      at += count
    }
    target.sync()
  } finally {
    source.close()
    target.close()
  }
}
