/**
 * A hash ring of shards: every member owns many tokens on the circle of u32, a hash belongs to the
 * owner of the first token at or after it. Tokens are a function of the member's number alone, so
 * that every distributor and every start has the same ring, and a further member moves few series.
 */

/** Tokens per member: shares differ by some 4 %. */
const TOKENS_PER_MEMBER = 512

/** A ring of `memberCount` members. */
export interface Hashring {
  readonly memberCount: number
  /** Ascending. */
  readonly tokens: Uint32Array
  /** Member of each token. */
  readonly owners: Uint16Array
}

/** Some members of a ring, one at least: a bit for each, in words of 32. */
export type Members = Uint32Array

/** Makes the ring of members 0 … memberCount − 1. */
export function createHashring(memberCount: number): Hashring {
  if (memberCount < 1 || memberCount > 0xffff) throw new RangeError(`${memberCount} members`)
  const pairs: [number, number][] = []
  for (let member = 0; member < memberCount; member++) {
    for (let i = 0; i < TOKENS_PER_MEMBER; i++) {
      pairs.push([mix((member + 1) * 0x9e3779b9 + mix(i)), member])
    }
  }
  pairs.sort((a, b) => a[0] - b[0] || a[1] - b[1])
  return {
    memberCount,
    tokens: Uint32Array.from(pairs, (pair) => pair[0]),
    owners: Uint16Array.from(pairs, (pair) => pair[1]),
  }
}

/**
 * The member that owns a hash. FNV's last bytes reach only its low bits, so it is mixed first:
 * otherwise series that differ in the end of their last value would all fall to one member.
 *
 * @param members those that count: the owner is the first of them from the hash's token on
 */
export function memberOf(ring: Hashring, hash: number, members?: Members): number {
  const { tokens, owners } = ring
  let at = tokenAfter(tokens, mix(hash))
  if (members === undefined) return owners[at]!
  while (!hasMember(members, owners[at]!)) at = at + 1 === owners.length ? 0 : at + 1
  return owners[at]!
}

/** Whether a member is one of some. */
export function hasMember(members: Members, member: number): boolean {
  return ((members[member >>> 5]! >>> (member & 31)) & 1) === 1
}

/** Index of the first token at or after a point of the circle. */
export function tokenAfter(tokens: Uint32Array, point: number): number {
  let low = 0
  let high = tokens.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (tokens[middle]! < point) low = middle + 1
    else high = middle
  }
  return low === tokens.length ? 0 : low
}

/** MurmurHash3's finaliser: every bit of the input reaches every bit of the output. */
function mix(value: number): number {
  let h = value >>> 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
