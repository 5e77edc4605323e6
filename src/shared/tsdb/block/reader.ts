/** A block as it is read: its meta, index, chunks and tombstones, wherever its files are. */
import type { Disk } from '../../env/index.js'
import { type BlockFile, openLocalFile } from '../index/block-file.js'
import { type IndexReader, openIndex } from '../index/reader.js'
import { ChunkReader, segmentName } from './chunk-files.js'
import { readTombstones } from './delete.js'
import { type BlockMeta, decodeBlockMeta } from './meta.js'
import type { Tombstones } from './tombstones.js'

/** A block that is open. */
export interface Block {
  readonly meta: BlockMeta
  readonly index: IndexReader
  readonly chunks: ChunkReader
  readonly tombstones: Tombstones
  close(): void
}

/**
 * Opens a block of the local disk (or of a bucket that is one).
 *
 * @param folder its folder, `…/<ULID>`
 * @param header the file of its index-header, if there is one
 * @throws AppError `block-damaged`, or `disk-failed` when files are missing
 */
export async function openBlock(disk: Disk, folder: string, header?: BlockFile): Promise<Block> {
  const name = folder.slice(folder.lastIndexOf('/') + 1)
  const meta = decodeBlockMeta(disk.readFile(`${folder}/meta.json`), name)
  const files: { close(): void }[] = []
  const open = (path: string) => {
    const file = openLocalFile(disk, `${folder}/${path}`)
    files.push(file)
    return file
  }
  const close = () => {
    for (const file of files.splice(0)) file.close()
  }
  try {
    const block = meta.ulid
    const index = await openIndex(
      open('index'),
      header === undefined ? { block } : { block, header },
    )
    const chunks = new ChunkReader(block, (segment) => open(`chunks/${segmentName(segment)}`))
    return { meta, index, chunks, tombstones: readTombstones(disk, folder, block), close }
  } catch (error) {
    close()
    throw error
  }
}
