/**
 * Which shards may have something of a tenant in memory: those that its series go to now
 * (`ingestion_tenant_shard_size`), and those that still hold series from when they went elsewhere,
 * which shards note in cells that all threads share. Mimir looks back for a time over past rings
 * instead, and cannot see that a tenant's size was lowered.
 */
import {
  createHashring,
  type Hashring,
  hasMember,
  replicaShards,
  shuffleMembers,
} from '../../shared/hashring/index.js'
import type { Limits, TenantCells } from '../../shared/limits/index.js'

/** Numbers of the shards that hold the same series. */
export type ShardSet = readonly number[]

/** What decides where a tenant's series go. */
export interface Placement {
  readonly limits: Limits
  readonly cells: TenantCells
}

/** Sets of shards by tenant. */
export class TenantSets {
  private readonly all: readonly ShardSet[]
  private readonly zones: number
  private readonly ring: Hashring
  private readonly placement: Placement | undefined

  /**
   * @param shards how many there are, of all zones; each zone has all series
   * @param placement without it every tenant is on all shards
   */
  constructor(
    { shardCount, zones = 1 }: { readonly shardCount: number; readonly zones?: number },
    placement: Placement | undefined,
  ) {
    const setCount = shardCount / zones
    this.all = Array.from({ length: setCount }, (_, set) => replicaShards(set, setCount, zones))
    this.zones = zones
    this.ring = createHashring(setCount)
    this.placement = placement
  }

  /** The sets to ask for what is in memory of a tenant. */
  of(tenant: string): readonly ShardSet[] {
    const { placement, zones } = this
    if (placement === undefined) return this.all
    const { limits, cells } = placement
    const size = limits.of(tenant).ingestion_tenant_shard_size
    const members = shuffleMembers(this.ring, tenant, { size, zones })
    if (members === undefined) return this.all
    return this.all.filter(
      (set, member) =>
        hasMember(members, member) || set.some((shard) => cells.holds(tenant, shard)),
    )
  }
}
