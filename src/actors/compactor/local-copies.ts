/** Local copies of blocks that leave the block list. */
import { readShippedNote, writeShippedNote } from '../../shared/blocks/index.js'
import type { Env } from '../../shared/env/index.js'
import type { BlockListCalls } from '../supervisor/contract.js'

/** Where copies are, and on what disk. */
export interface CopyParts {
  readonly env: Pick<Env, 'clock' | 'disk'>
  readonly list: Pick<BlockListCalls, 'blocks'>
}

/**
 * Notes the copies of blocks as dropped, before the list has them out: what a start brought back
 * would show series that were deleted meanwhile.
 */
export async function dropCopies(
  { env, list }: CopyParts,
  tenant: string,
  ulids: readonly string[],
): Promise<void> {
  const leaving = new Set(ulids)
  const { entries } = await list.blocks({ tenant })
  for (const { ulid, localDir } of entries) {
    if (localDir !== undefined && leaving.has(ulid)) dropCopy(env, localDir)
  }
}

/** Notes one copy as dropped. */
export function dropCopy({ disk, clock }: CopyParts['env'], dir: string): void {
  if (!disk.exists(dir)) return
  const shippedAt = readShippedNote(disk, dir)?.shippedAt ?? clock.now()
  writeShippedNote(disk, dir, { shippedAt, isDropped: true })
}
