/** Young collections of threads: how many there are, and how much room is between two of them. */
import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import type { Metrics } from '../telemetry/index.js'

/**
 * Gives threads that are started from now on a new space of 4 MiB, or again V8's 1 MiB: V8 enlarges
 * it only where much survives, and of a push nothing does. Twice that is resident once
 * a thread has loaded its modules, so threads that pushes do not go through do without (6 MB each).
 */
export function setYoungGenerations(size: 'large' | 'usual'): void {
  setFlagsFromString(`--min-semi-space-size=${size === 'large' ? 4 : 1}`)
}

/** Counts collections of the new space into `nilo_actor_young_gcs_total`, from now on. */
export function countYoungGcs(actor: string, metrics: Metrics): void {
  const cell = metrics.cell('nilo_actor_young_gcs_total', actor)
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { detail } = entry as PerformanceEntry & { readonly detail?: { kind?: number } }
      if (detail?.kind === constants.NODE_PERFORMANCE_GC_MINOR) cell.add(1)
    }
  })
  observer.observe({ entryTypes: ['gc'] })
}
