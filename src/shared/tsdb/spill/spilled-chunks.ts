/**
 * Reads chunks that were spilled, from any thread that may read the head: one `pread` brings what
 * lies behind a chunk as well, since neighbours are asked for one after the other. Who reads holds a
 * lease, so that the file is there. What is read is checked.
 */
import type { Disk, DiskFile } from '../../env/index.js'
import { fail } from '../../errors/index.js'
import {
  C_FILE,
  C_LENGTH,
  C_OFFSET,
  C_SPILLED,
  CHUNK_FILE_ROW_BYTES,
  FILED_HEADER_BYTES,
  H_CHUNK_FILES,
  H_CHUNK_FOLDER,
} from '../../kernels/head-layout.js'
import type { HeadView } from '../head/head-view.js'
import { chunkFileName, isWhole } from './format.js'

/** Bytes that one read brings: at first, and when one follows the other. */
const WINDOW_MIN = 4096
const WINDOW_MAX = 256 * 1024
/** Files that are kept open. */
const FILES_MAX = 32

interface OpenFile {
  readonly number: number
  readonly file: DiskFile
  window: Buffer
  /** Where the window begins, and how much of it is filled. */
  at: number
  filled: number
  /** Bytes that the next read is to bring. */
  reach: number
}

/** The chunk files of one head, for one thread. */
export class SpilledChunks {
  private readonly view: HeadView
  private readonly disk: Disk
  /** By slot, the one used last at the end. */
  private readonly files = new Map<number, OpenFile>()

  constructor(view: HeadView, disk: Disk) {
    this.view = view
    this.disk = disk
  }

  /**
   * The data of a spilled chunk, by its address in the head; a view that the next read may overwrite.
   * @throws AppError `chunk-corrupt`
   */
  dataOf(node: number): Buffer {
    const { view } = this
    const word = view.word(node + C_LENGTH)
    return this.read({
      file: view.word(node + C_FILE),
      offset: view.word(node + C_OFFSET),
      length: word & 0xffff,
      samples: (word >>> 16) & ~C_SPILLED,
    })
  }

  /** The same by what the head says of it. */
  read(at: { file: number; offset: number; length: number; samples: number }): Buffer {
    const bytes = FILED_HEADER_BYTES + at.length
    try {
      const open = this.open(at.file)
      for (const isAgain of [false, true]) {
        const chunk = take(open, at.offset, bytes, isAgain)
        if (chunk.length === bytes && isWhole(chunk, at.length, at.samples)) {
          return chunk.subarray(FILED_HEADER_BYTES)
        }
      }
    } catch (error) {
      throw fail('chunk-corrupt', { text: `${this.pathOf(at.file)} cannot be read` }, error)
    }
    const text = `${this.pathOf(at.file)} is damaged at ${at.offset}: a chunk of ${bytes} bytes`
    throw fail('chunk-corrupt', { text })
  }

  private numberOf(slot: number): number {
    return this.view.word(this.view.word(H_CHUNK_FILES) + slot * CHUNK_FILE_ROW_BYTES)
  }

  private pathOf(slot: number): string {
    const at = this.view.word(H_CHUNK_FOLDER)
    const folder = this.view.bytes.toString('utf8', at + 4, at + 4 + this.view.word(at))
    return `${folder}/${chunkFileName(this.numberOf(slot))}`
  }

  private open(slot: number): OpenFile {
    const number = this.numberOf(slot)
    let open = this.files.get(slot)
    if (open !== undefined) this.files.delete(slot)
    if (open !== undefined && open.number !== number) {
      open.file.close()
      open = undefined
    }
    if (open === undefined) {
      for (const [oldest, { file }] of this.files) {
        if (this.files.size < FILES_MAX) break
        file.close()
        this.files.delete(oldest)
      }
      const file = this.disk.open(this.pathOf(slot), 'read')
      open = { number, file, window: Buffer.alloc(0), at: 0, filled: 0, reach: WINDOW_MIN }
    }
    this.files.set(slot, open)
    return open
  }

  /** Closes what is open. */
  close(): void {
    for (const { file } of this.files.values()) file.close()
    this.files.clear()
  }
}

/** Bytes of a file; fewer where it ends. */
function take(open: OpenFile, offset: number, bytes: number, isAgain: boolean): Buffer {
  const end = open.at + open.filled
  if (isAgain || offset < open.at || offset + bytes > end) {
    const isNext = offset >= open.at && offset <= end + WINDOW_MIN
    open.reach = isNext ? Math.min(open.reach * 2, WINDOW_MAX) : WINDOW_MIN
    const wanted = Math.max(open.reach, bytes)
    if (open.window.length < wanted) open.window = Buffer.allocUnsafeSlow(wanted)
    open.at = offset
    open.filled = 0
    open.filled = open.file.read(open.window.subarray(0, wanted), offset)
  }
  const from = offset - open.at
  return open.window.subarray(from, Math.min(from + bytes, open.filled))
}
