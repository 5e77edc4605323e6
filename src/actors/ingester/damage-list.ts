/** Entries of a shard's part of `/debug/damage`: what it could not read, and what is lost with it. */

/** Entries that a list has at most; what comes after them is only counted. */
export const DAMAGE_LISTED_MAX = 100

/** What could not be read. */
export type ListedDamage = Readonly<Record<string, string | number>>

/** A time as the list has it; `unknown` for none. */
export function timeText(ms: number | undefined): string {
  if (ms === undefined) return 'unknown'
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString()
}
