/** What the supervisor says of the system, for /ready, /debug/actors and the log. */
import type { ActorStatus } from '../../shared/actor/index.js'
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
