/** How many young collections a thread has made. */
import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import type { Metrics } from '../telemetry/index.js'

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
