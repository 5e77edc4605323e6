/** Statistics of a query as Prometheus' API sends them for `stats` (util/stats/query_stats.go). */
import type { ExecutionStats } from '../../shared/promql/index.js'

/** What the engine does not know of a query. */
export interface QueryTimes {
  /** Waiting for a thread, ms. */
  readonly waitedMs: number
  /** Parsing included, ms. */
  readonly execMs: number
  readonly startMs: number
  readonly stepMs: number
  /** Whether samples are told step by step. */
  readonly isPerStep: boolean
}

/** The value of `stats`: seconds, and samples by step when they were counted. */
export function statsJson(stats: ExecutionStats, times: QueryTimes): string {
  const { prepareMs, evalMs, sortMs, stepSamples } = stats
  const timings = {
    evalTotalTime: (prepareMs + evalMs + sortMs) / 1000,
    resultSortTime: sortMs / 1000,
    queryPreparationTime: prepareMs / 1000,
    innerEvalTime: evalMs / 1000,
    execQueueTime: times.waitedMs / 1000,
    execTotalTime: (times.waitedMs + times.execMs) / 1000,
  }
  const { perStep, total } = stepSamples ?? { perStep: undefined, total: 0 }
  const steps =
    perStep === undefined || !times.isPerStep
      ? {}
      : {
          totalQueryableSamplesPerStep: Array.from(perStep, (samples, step) => [
            (times.startMs + step * times.stepMs) / 1000,
            samples,
          ]),
        }
  const samples = { ...steps, totalQueryableSamples: total, peakSamples: stats.samplesPeak }
  return JSON.stringify({ timings, samples })
}
