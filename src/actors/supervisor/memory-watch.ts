/** The process' memory limit: the shared cells of all claims, the resident set beside them. */
import { totalmem } from 'node:os'
import type { Config } from '../../shared/config/index.js'
import type { Env, Timer } from '../../shared/env/index.js'
import { createBudget, MemoryBudget, PURPOSES } from '../../shared/slab/index.js'
import { DISTRIBUTOR_DEFAULTS } from '../distributor/contract.js'

/** How often the resident set is looked at, ms. */
const WATCH_MS = 1_000
/** Of what the machine has, when `memory_limit` says nothing. */
const DEFAULT_SHARE = 0.75

/** Bodies in flight that are taken even when the limit is reached. */
const BODIES_BYTES_MIN = 16 << 20

/** The limit at work. */
export interface MemoryWatch {
  /** For the boot data of all threads. */
  readonly cells: SharedArrayBuffer
  /**
   * Claims bytes for the bodies of requests; false when the limit forbids more than there were. Some
   * have room in any case, so that samples of known series are taken when all else has been refused.
   */
  claimBodies(bytes: number): boolean
  /** Brings the gauges up to date. */
  show(): void
  stop(): void
}

/** Bytes that the configuration, or the machine, allows. */
export function memoryLimitOf(configured: number, ram: number, controlGroup: number): number {
  if (configured > 0) return configured
  const isLimited = controlGroup > 0 && controlGroup < ram
  return Math.floor((isLimited ? controlGroup : ram) * DEFAULT_SHARE)
}

/** Makes the cells, and notes the resident set in them from now on. */
export function startMemoryWatch(config: Config, env: Env, distributors: number): MemoryWatch {
  const controlGroup = process.constrainedMemory() ?? 0
  const limit = memoryLimitOf(config.memory_limit, totalmem(), controlGroup)
  const cells = createBudget(limit)
  const budget = new MemoryBudget(cells)
  let timer: Timer | undefined
  const watch = (): void => {
    budget.noteResident(process.memoryUsage.rss())
    timer = env.timers.after(WATCH_MS, watch)
  }
  watch()
  // Claimed at once, as large as they may become: what distributors keep to compare with.
  const { templateBytesMax } = DISTRIBUTOR_DEFAULTS
  for (let index = 0; index < distributors; index++) {
    budget.set('caches', index, templateBytesMax)
  }
  return {
    cells,
    claimBodies: (bytes) => {
      if (bytes > BODIES_BYTES_MIN) return budget.tryRaise('bodies', 0, bytes)
      budget.set('bodies', 0, bytes)
      return true
    },
    show() {
      env.metrics.cell('nilo_memory_limit_bytes').set(limit)
      for (const purpose of PURPOSES) {
        env.metrics.cell('nilo_memory_claimed_bytes', purpose).set(budget.claimed(purpose))
      }
      env.metrics.cell('process_resident_memory_bytes').set(process.memoryUsage.rss())
    },
    stop() {
      timer?.cancel()
    },
  }
}
