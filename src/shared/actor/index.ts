/**
 * The runtime of actors: threads, control calls with deadlines and typed errors, links of ring
 * buffers, the loop, and pools.
 *
 * Promise: a call always ends (answer, error, deadline, or `actor-down`); an actor that fails ends
 * its thread with a last log line and nothing else; links of an older generation are let go.
 */
export {
  type Client,
  type ConnectOptions,
  connect,
  disconnect,
  expose,
  transferring,
} from './calls.js'
export { EndingTimers } from './ending-timers.js'
export type { HeapGuard } from './heap-guard.js'
export { collectWhenIdle } from './idle-collection.js'
export { type Link, type LinkEnd, type LinkPeer, makeLink, openLink } from './link.js'
export { runLoop } from './loop.js'
export { moveOnce } from './moved-buffers.js'
export { shrinkNewSpace } from './new-space.js'
export { definePool, type Pool, type PoolOptions, type PoolSeat } from './pool.js'
export { type PoolHost, type PoolParts, poolWorker } from './pool-worker.js'
export { type HeapSummary, type ProfileKind, Profiles } from './profiles.js'
export {
  type ActorHost,
  type ActorNote,
  type ActorParts,
  type ActorStatus,
  runActor,
} from './run-actor.js'
export type { Packed, TaskForm } from './task-form.js'
export {
  type ActorThread,
  startThread,
  type ThreadExit,
  type ThreadSpec,
  type Understudy,
} from './thread.js'
