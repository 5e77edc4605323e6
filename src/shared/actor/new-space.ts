/**
 * How large the new spaces of threads are, in which objects are made: twice this is resident. Left to
 * itself V8 enlarges one up to 16 MiB wherever much survives, as it does while modules are loaded,
 * and gives it back to nobody as long as the thread has work: 60 MB in a process of five threads.
 */

import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import type { ResourceLimits } from 'node:worker_threads'
import type { Collect } from '../env/index.js'

/** V8's smallest, MiB. */
const LEAST_MIB = 1
/** Of three parts that V8 counts to a young generation, one may be full. */
const PARTS = 3
/** Of the last collections V8 keeps what was made between them, and how long that took. */
const NOTED = 10
/** Between two of them, ms: V8 goes by bytes a millisecond. */
const PAUSE_MS = 2
/** Whole collections until a new space is small; as a rule one or two. */
const TRIES = 3

/**
 * What to start a thread with whose new space has this size from its start on and for good: of pushes
 * nothing survives, so that V8 would leave it as small as it was, and collect often.
 */
export function fixedNewSpace(mib: number): ResourceLimits {
  setFlagsFromString(`--min-semi-space-size=${mib}`)
  return { maxYoungGenerationSizeMb: PARTS * mib }
}

/** The same for one that begins small, and grows as far where much survives. */
export function growingNewSpace(mibMax: number): ResourceLimits {
  setFlagsFromString(`--min-semi-space-size=${LEAST_MIB}`)
  return { maxYoungGenerationSizeMb: PARTS * mibMax }
}

/**
 * Keeps the new space of this thread as it is while it loads its modules, all of which survive. V8 lets
 * go by itself when the first other thread starts.
 */
export function holdNewSpace(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}

/**
 * Makes the new space of this thread as small as it began, once it has done what made it grow. V8 does so
 * when it collects the whole heap of a thread that makes next to nothing, as it sees from its last
 * collections: those are made to be of a time in which nothing was made. Takes some 50 ms.
 */
export function shrinkNewSpace(collect: Collect): void {
  const pause = new Int32Array(new SharedArrayBuffer(4))
  for (let tries = 0; tries < TRIES && newSpaceBytes() > 2 * LEAST_MIB * 2 ** 20; tries++) {
    for (let noted = 0; noted <= NOTED; noted++) {
      collect({ type: 'minor' })
      Atomics.wait(pause, 0, 0, PAUSE_MS)
    }
    collect()
  }
}

function newSpaceBytes(): number {
  return getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')?.space_size ?? 0
}
