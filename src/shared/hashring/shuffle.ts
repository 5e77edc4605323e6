/**
 * Shuffle sharding: a tenant is given some members of a ring, chosen by its name alone, so that few
 * tenants have the same ones. Each is the owner of the token after a random point (as Mimir walks
 * its ring): a further member, or a larger number of them, changes at most one of the others.
 */

import { fnv1 } from '../base/fnv.js'
import { SeededPrng } from '../base/prng.js'
import { xxhash64 } from '../base/xxhash64.js'
import { type Hashring, hasMember, type Members, memberOf, tokenAfter } from './tokens.js'

/** How many shards a tenant is to have. */
export interface TenantShards {
  /** Of all zones together (`ingestion_tenant_shard_size`); 0: all there are. */
  readonly size: number
  readonly zones: number
}

/** Members that a tenant is given: as many in each zone. */
export function memberCountOf({ size, zones }: TenantShards, memberCount: number): number {
  return size === 0 ? memberCount : Math.min(memberCount, Math.ceil(size / zones))
}

/** The members of the ring that a tenant is given; undefined when that is all of them. */
export function shuffleMembers(
  ring: Hashring,
  tenant: string,
  shards: TenantShards,
): Members | undefined {
  const count = memberCountOf(shards, ring.memberCount)
  if (count === ring.memberCount) return undefined
  const members = new Uint32Array((ring.memberCount + 31) >>> 5)
  const prng = new SeededPrng(Number(BigInt.asUintN(32, xxhash64(Buffer.from(tenant)))))
  for (let chosen = 0; chosen < count; chosen++) {
    let at = tokenAfter(ring.tokens, prng.nextU32())
    while (hasMember(members, ring.owners[at]!)) at = at + 1 === ring.owners.length ? 0 : at + 1
    const member = ring.owners[at]!
    members[member >>> 5]! |= 1 << (member & 31)
  }
  return members
}

/** Something of a tenant that one member is to own. */
export interface TenantKey {
  readonly tenant: string
  /** A block's ULID, the key of a job. */
  readonly key: string
  /** Members of the tenant; 0: all. */
  readonly size: number
}

/** The member that owns it, one of those that the tenant is given. */
export function ownerOf(ring: Hashring, { tenant, key, size }: TenantKey): number {
  if (ring.memberCount === 1) return 0
  const members = shuffleMembers(ring, tenant, { size, zones: 1 })
  return memberOf(ring, fnv1(Buffer.from(key)), members)
}
