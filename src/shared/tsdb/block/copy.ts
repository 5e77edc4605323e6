/** Copies a block that is good from folder to folder. */
import type { Disk } from '../../env/index.js'
import { AppError } from '../../errors/index.js'
import { writeAll } from '../index/block-file.js'
import { openBlock } from './reader.js'
import { verifyBlock } from './verify.js'
import { BLOCK_TEMPORARY } from './writer.js'

const PIECE_BYTES = 1 << 20

/**
 * Checks a block from end to end and copies it to `<folder>/<ULID>`, whole or not at all.
 * @returns what is wrong with the block; empty when it was copied
 */
export async function copyBlock(
  disk: Disk,
  source: string,
  folder: string,
): Promise<readonly string[]> {
  try {
    const block = await openBlock(disk, source)
    const { problems } = await verifyBlock(block, { samples: true })
    block.close()
    if (problems.length > 0) return problems
  } catch (error) {
    if (error instanceof AppError) return [error.message]
    throw error
  }
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
  return []
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
