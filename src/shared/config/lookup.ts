/**
 * Finds rows of the table by key or flag, and the nearest name for one that it does not have. Keys
 * below an `open` row belong to that row: `memberlist.join_members` is found as `memberlist`.
 */
import { whyIdle } from './idle-reasons.js'
import { flagOf, type KeyRow } from './row.js'
import { CONFIG, type ConfigKey } from './table.js'

/** A row with the names it is known by. */
export interface Known {
  readonly key: ConfigKey
  readonly flag: string
  readonly row: KeyRow<unknown>
  /** Why it has no effect, where it has none; '' where its doc line says so. */
  readonly why: string
}

/** Every row, in the table's order. */
export const KNOWN: readonly Known[] = Object.entries(CONFIG).map(([key, row]) => ({
  key: key as ConfigKey,
  flag: flagOf(key, row),
  row,
  why: row.effect === 'yes' ? '' : (row.why ?? whyIdle(key, row.doc)),
}))

const byKey = new Map<string, Known>(KNOWN.map((known) => [known.key, known]))
const byFlag = new Map<string, Known>(
  KNOWN.filter((known) => known.flag !== '').map((known) => [known.flag, known]),
)
/** Keys that have rows below them: `server`, `blocks_storage.s3`. */
const blocks = new Set<string>()
for (const { key } of KNOWN) {
  for (let dot = key.lastIndexOf('.'); dot > 0; dot = key.lastIndexOf('.', dot - 1)) {
    blocks.add(key.slice(0, dot))
  }
}

/** The row of a dotted YAML path. */
export function findKey(key: string): Known | undefined {
  return byKey.get(key)
}

/** Whether rows stand below this path. */
export function isBlock(path: string): boolean {
  return blocks.has(path)
}

/** The row of a flag, without its dashes; those inside an open block lead to that block. */
export function findFlag(flag: string): Known | undefined {
  const exact = byFlag.get(flag)
  if (exact !== undefined) return exact
  for (let dot = flag.lastIndexOf('.'); dot > 0; dot = flag.lastIndexOf('.', dot - 1)) {
    const above =
      byFlag.get(flag.slice(0, dot)) ?? byKey.get(flag.slice(0, dot).replaceAll('-', '_'))
    if (above?.row.type === 'open') return above
  }
  return undefined
}

/** The known key most like an unknown one; undefined when none is near. */
export function nearestKey(key: string): string | undefined {
  return nearestName(
    key,
    KNOWN.map((known) => known.key),
  )
}

/** The known flag most like an unknown one; undefined when none is near. */
export function nearestFlag(flag: string): string | undefined {
  return nearestName(flag, [...byFlag.keys()])
}

/** The one of some names most like an unknown one: of the same last part (the block was forgotten); else by edits. */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  const last = name.slice(name.lastIndexOf('.') + 1)
  let best: string | undefined
  let bestEdits = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of candidates) {
    const isMoved = candidate.slice(candidate.lastIndexOf('.') + 1) === last
    const edits = isMoved ? 1 : edited(name, candidate, bestEdits)
    if (edits < bestEdits) [best, bestEdits] = [candidate, edits]
  }
  return best
}

/** Levenshtein distance, or `most` when it is at least that. */
function edited(from: string, to: string, most: number): number {
  if (Math.abs(from.length - to.length) >= most) return most
  let above = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const here = [i]
    for (let j = 1; j <= to.length; j++) {
      const swap = above[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1)
      here.push(Math.min(swap, above[j]! + 1, here[j - 1]! + 1))
    }
    above = here
  }
  return Math.min(most, above[to.length]!)
}
