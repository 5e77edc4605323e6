/**
 * `shipped.json` in the folder of a local block: the bucket has it since then and decides about it from
 * there on. `dropped` says that the copy has left the block list, or is about to: it is not to come
 * back at the next start, since deletions of series go past it.
 */
import type { Disk } from '../env/index.js'

const NAME = 'shipped.json'

/** What a note says. */
export interface ShippedNote {
  /** ms. */
  readonly shippedAt: number
  readonly isDropped: boolean
}

/** The note of a block's folder; undefined without one, or when it cannot be read, which costs an upload that finds everything there. */
export function readShippedNote(disk: Disk, dir: string): ShippedNote | undefined {
  const path = `${dir}/${NAME}`
  if (!disk.exists(path)) return undefined
  try {
    const note = JSON.parse(Buffer.from(disk.readFile(path)).toString()) as {
      shipped_at?: unknown
      dropped?: unknown
    }
    if (typeof note.shipped_at !== 'number') return undefined
    return { shippedAt: note.shipped_at, isDropped: note.dropped === true }
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Writes it, durably. @throws AppError `disk-failed` */
export function writeShippedNote(disk: Disk, dir: string, note: ShippedNote): void {
  const { shippedAt, isDropped } = note
  const value = { shipped_at: shippedAt, ...(isDropped ? { dropped: true } : {}) }
  disk.replaceFile(`${dir}/${NAME}`, Buffer.from(JSON.stringify(value)))
}

/** Whether there is one, readable or not: what has none is only here. */
export function isShipped(disk: Disk, dir: string): boolean {
  return disk.exists(`${dir}/${NAME}`)
}
