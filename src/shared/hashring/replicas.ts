/**
 * Which shards hold copies of the same series. Shards are numbered zone by zone, and every zone has
 * the same ring: part k of it falls to the k-th shard of each zone.
 */

/** The shards that hold part `member` of a ring of `memberCount`, in the order of their zones. */
export function replicaShards(member: number, memberCount: number, zones: number): number[] {
  return Array.from({ length: zones }, (_, zone) => zone * memberCount + member)
}

/** Where a shard is. */
export interface Place {
  readonly zone: number
  /** Which of the zone's shards it is. */
  readonly member: number
  /** Shards of a zone. */
  readonly memberCount: number
}

/** The place of a shard in zones of `memberCount` shards. */
export function placeOf(shard: number, memberCount: number): Place {
  return { zone: Math.floor(shard / memberCount), member: shard % memberCount, memberCount }
}

/** Replicas of N that must have a write, and so are needed to have taken it: more than half. */
export function writeQuorum(replicas: number): number {
  return Math.floor(replicas / 2) + 1
}

/** Replicas of N that must answer for an answer to be whole: each write is on one of them. */
export function readQuorum(replicas: number): number {
  return replicas - Math.floor(replicas / 2)
}

/** Whether of each set of replicas enough are up for it to be written to and read. @param isUp [shards] */
export function hasQuorum(isUp: readonly boolean[], zones: number): boolean {
  const setCount = isUp.length / zones
  const needed = Math.max(writeQuorum(zones), readQuorum(zones))
  return Array.from({ length: setCount }, (_, set) =>
    replicaShards(set, setCount, zones).filter((shard) => isUp[shard] === true),
  ).every((up) => up.length >= needed)
}
