/** What the supervisor says of the system, for /ready, /debug/actors and the log. */
import type { ActorStatus } from '../../shared/actor/index.js'
import type { BlockEntry } from '../../shared/blocks/index.js'
import type { Matcher } from '../../shared/model/matcher.js'
import type { RingStats } from '../../shared/ringbuf/index.js'

/** Where an actor is in its life. */
export type ChildState = 'starting' | 'running' | 'restarting' | 'draining' | 'stopped'

/** One supervised actor. */
export interface ChildStatus {
  /** `ingester/0`. */
  readonly actor: string
  readonly state: ChildState
  readonly restarts: number
  /** How its last thread ended; empty when none did. */
  readonly lastExit: string
  /** It starts with its first work, and `/ready` does not look at it. */
  readonly isOnDemand: boolean
  /** What the actor says of itself; undefined while it does not run or does not answer. */
  readonly status: ActorStatus | undefined
  /** How long it has left a question for its status unanswered, ms. */
  readonly silentMs: number
}

/** One link, with the counts of both directions. */
export interface LinkStatus {
  /** `distributor/0-ingester/1`. */
  readonly link: string
  readonly generation: number
  readonly down: RingStats
  readonly up: RingStats
}

/** Whether requests are answered, and why not. */
export interface Readiness {
  readonly isReady: boolean
  /** Empty when ready: `ingester/0 replays its log (43 %)`. */
  readonly reason: string
  /** 0–100. */
  readonly percent: number
}

/** The whole system at a moment. */
export interface SystemStatus {
  readonly readiness: Readiness
  readonly children: readonly ChildStatus[]
  readonly links: readonly LinkStatus[]
}

/** Mimir's names of states. */
export type RingState = 'PENDING' | 'JOINING' | 'ACTIVE' | 'LEAVING' | 'UNHEALTHY'

/** One member of a ring. */
export interface RingMember {
  /** `ingester-0`. */
  readonly id: string
  readonly index: number
  readonly state: RingState
  /** ms since the epoch. */
  readonly heartbeatMs: number
  readonly registeredMs: number
  /** '' where there is one zone only. */
  readonly zone: string
  readonly tokens: readonly number[]
}

/** Mimir's rings, for their pages. */
export interface RingView {
  /** The members of the ring of a kind of actors, in order. */
  members(kind: string): readonly RingMember[]
  /** Takes a member out until its next heartbeat; false when there is none of this name. */
  forget(kind: string, id: string): boolean
}

/** A tenant's part of the block list. */
export interface BlocksAnswer {
  readonly version: number
  /** In order of their times. */
  readonly entries: readonly BlockEntry[]
  /** Whether the bucket has been read since the start; before, blocks may be missing. */
  readonly isComplete: boolean
  /** No shard had anything on disk at the start: the newest data too may be in the bucket alone. */
  readonly areHeadsNew: boolean
}

/** A change of the block list; all of it happens in one step. */
export interface BlockChange {
  readonly tenant: string
  /**
   * Blocks that are there now. One that the list has gets the new places beside its old ones; one
   * that has left the list stays out.
   */
  readonly add?: readonly BlockEntry[]
  /** ULIDs whose local copies are no longer to be read; a block that has no other leaves the list. */
  readonly dropLocal?: readonly string[]
  /** ULIDs that leave the list for good. */
  readonly remove?: readonly string[]
  /** ULIDs whose tombstones have changed. */
  readonly touch?: readonly string[]
  /** Number of the next deletion when the change was made: with later ones there it is refused. */
  readonly deletionsSeen?: number
}

/** Samples of a tenant that are deleted: of series that any selector matches; ms, both ends inclusive. */
export interface SeriesDeletion {
  readonly tenant: string
  readonly selectors: readonly (readonly Matcher[])[]
  readonly mint: number
  readonly maxt: number
}

/** Deletions that may not be in the tombstones of all blocks yet, or were not at some time. */
export interface DeletionsAnswer {
  /** Number of the first one that is still being made; of the next one when none is. */
  readonly from: number
  /** Number of the next one. */
  readonly next: number
  /** Those of the tenant from the number on that was asked for. */
  readonly deletions: readonly SeriesDeletion[]
}

/** The calls that the main thread answers to actors and queriers. */
export interface BlockListCalls {
  blocks(request: { readonly tenant: string }): Promise<BlocksAnswer>
  /** @returns the version that has the change; 0 when it was refused (`deletionsSeen`) */
  changeBlocks(change: BlockChange): Promise<number>
  /**
   * A shard that starts tells all that its folder has. What the list has there besides is gone with
   * the disk, say: it loses that copy; a block without another leaves the list until it is told of.
   */
  keepLocal(request: { readonly folder: string; readonly ulids: readonly string[] }): Promise<void>
  /** Tenants that have blocks, sorted. */
  blockTenants(): Promise<string[]>
  /**
   * Who makes blocks of others asks before reading them, and again before the results are listed:
   * of deletions that came in between the results know nothing.
   * @param request.from `from` of the answer before; missing: none are told
   * @throws AppError `overloaded` when they are not remembered any more
   */
  deletions(request: { readonly tenant: string; readonly from?: number }): Promise<DeletionsAnswer>
  /** A reader of the bucket has brought in all blocks of its part for the first time. */
  noteBucketRead(request: { readonly reader: string }): Promise<void>
}
