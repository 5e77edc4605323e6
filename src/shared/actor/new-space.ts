/**
 * How large the new spaces of threads are, in which objects are made: twice this is resident. Left to
 * itself V8 enlarges one up to 16 MiB wherever much survives, as it does while modules are loaded,
 * and gives it back to nobody as long as the thread has work: 60 MB in a process of five threads.
 */

import { setFlagsFromString } from 'node:v8'
import type { ResourceLimits } from 'node:worker_threads'

/** V8's smallest, MiB. */
const LEAST_MIB = 1
/** Of three parts that V8 counts to a young generation, one may be full. */
const PARTS = 3

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
