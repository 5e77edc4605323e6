/** What the querier's two kinds of queries share: how selectors are read, what a cut answer says. */
import type { ParseOptions } from '../../shared/promql/index.js'

/** Of `match[]` parameters, in which nothing experimental can stand. */
export const SELECTOR_OPTIONS: ParseOptions = {
  enableExperimentalFunctions: false,
  experimentalDurationExpr: false,
  enableExtendedRangeSelectors: false,
  enableBinopFillModifiers: false,
}

/** Prometheus' warning in an answer that its limit has cut. */
export const TRUNCATED = 'results truncated due to limit'
