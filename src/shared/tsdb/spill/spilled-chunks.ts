/**
 * Reads chunks that were spilled, from any thread that may read the head: one `pread` brings what
 * lies behind a chunk as well, since neighbours are asked for one after the other. Who reads holds a
 * lease, so that the file is there. What is read is checked.
 */
import type { Disk, DiskFile } from '../../env/index.js'
import { fail } from '../../errors/index.js'
import {
  C_LENGTH,
  C_MAXT,
  C_MINT,
  C_SPILLED,
  CHUNK_FILE_ROW_BYTES,
  CHUNK_HEADER_BYTES,
  FILED_HEADER_BYTES,
  H_CHUNK_FILES,
  H_CHUNK_FOLDER,
  H_SERVING,
  HC_COUNT,
  HC_LENGTH,
  HC_MAXT,
  HC_MINT,
  HC_SPILLED,
  HISTOGRAM_CHUNK_HEADER_BYTES,
  S_FILE,
  S_OFFSET,
  SERVING_NO_MORE,
} from '../../kernels/head-layout.js'
import type { HeadView } from '../head/head-view.js'
import type { DamagedChunk } from './damage-notes.js'
import { chunkFileName, isWhole } from './format.js'

/** Bytes that one read brings: at first, and when one follows the other. */
const WINDOW_MIN = 4096
const WINDOW_MAX = 256 * 1024
/** Files that are kept open. */
const FILES_MAX = 32

/** What the head says of a spilled chunk. */
interface Place {
  readonly slot: number
  readonly offset: number
  readonly length: number
  readonly samples: number
}

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
  private readonly onDamage: (chunk: DamagedChunk) => void
  /** By slot, the one used last at the end. */
  private readonly files = new Map<number, OpenFile>()
  private failure: unknown

  /** @param onDamage told of each chunk that cannot be read, before the error is thrown */
  constructor(view: HeadView, disk: Disk, onDamage: (chunk: DamagedChunk) => void) {
    this.view = view
    this.disk = disk
    this.onDamage = onDamage
  }

  /**
   * The data of a spilled chunk of floats, by its address in the head and its series; a view that the
   * next read may overwrite.
   * @throws AppError `chunk-corrupt`; `actor-down` when its owner is gone, and the file with it
   */
  floatsOf(node: number, ref: number): Buffer {
    const word = this.view.word(node + C_LENGTH)
    const sizes = { length: word & 0xffff, samples: (word >>> 16) & ~C_SPILLED }
    const place = this.placeOf(node + CHUNK_HEADER_BYTES, sizes)
    const data = this.read(place)
    if (data === undefined) throw this.damaged(place, ref, [node + C_MINT, node + C_MAXT])
    return data
  }

  /** The same of a chunk of histograms. */
  histogramsOf(node: number, ref: number): Buffer {
    const length = this.view.word(node + HC_LENGTH)
    const samples = this.view.word(node + HC_COUNT) & ~HC_SPILLED
    const place = this.placeOf(node + HISTOGRAM_CHUNK_HEADER_BYTES, { length, samples })
    const data = this.read(place)
    if (data === undefined) throw this.damaged(place, ref, [node + HC_MINT, node + HC_MAXT])
    return data
  }

  private placeOf(at: number, sizes: { length: number; samples: number }): Place {
    const { view } = this
    return { slot: view.word(at + S_FILE), offset: view.word(at + S_OFFSET), ...sizes }
  }

  private damaged(place: Place, ref: number, [from, to]: [number, number]): Error {
    const { view } = this
    if (Atomics.load(view.u32, H_SERVING / 4) === SERVING_NO_MORE) {
      return fail('actor-down', { actor: 'the ingester' })
    }
    const bytes = FILED_HEADER_BYTES + place.length
    this.onDamage({
      tenant: view.tenantOf(ref),
      file: this.numberOf(place.slot),
      offset: place.offset,
      bytes,
      samples: place.samples,
      mint: Number(view.bytes.readBigInt64LE(from)),
      maxt: Number(view.bytes.readBigInt64LE(to)),
    })
    const text = `${this.pathOf(place.slot)} is damaged at ${place.offset}: a chunk of ${bytes} bytes`
    return fail('chunk-corrupt', { text }, this.failure)
  }

  /** Undefined when it is not whole; `failure` says why where the disk did. */
  private read(at: Place): Buffer | undefined {
    this.failure = undefined
    const bytes = FILED_HEADER_BYTES + at.length
    try {
      const open = this.open(at.slot)
      for (const isAgain of [false, true]) {
        const chunk = take(open, at.offset, bytes, isAgain)
        if (chunk.length === bytes && isWhole(chunk, at.length, at.samples)) {
          return chunk.subarray(FILED_HEADER_BYTES)
        }
      }
    } catch (error) {
      // A file that is gone or cannot be read is as good as a damaged one.
      this.failure = error
    }
    return undefined
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
