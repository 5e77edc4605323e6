/** The series of truncation.test.ts: each lives for some rounds, and some are born in each. */

export const LIFE = 400
export const BORN_PER_ROUND = 0.5

export function birthOf(n: number): number {
  return Math.floor(n / BORN_PER_ROUND)
}

/** Series that get a sample in a round. */
export function aliveAt(round: number): number[] {
  const alive: number[] = []
  const first = Math.max(0, Math.ceil((round - LIFE) * BORN_PER_ROUND))
  for (let n = first; birthOf(n) <= round; n++) if (round < birthOf(n) + LIFE) alive.push(n)
  return alive
}

export function sampleValue(n: number, t: number): number {
  return n * 1e7 + t * 1.25
}
