/** What the querier's two kinds of queries share: which syntax is taken, what a cut answer says. */
import type { ParseOptions } from '../../shared/promql/index.js'

/** Experimental syntax comes with a later issue. */
export const PARSE_OPTIONS: ParseOptions = {
  enableExperimentalFunctions: false,
  experimentalDurationExpr: false,
  enableExtendedRangeSelectors: false,
  enableBinopFillModifiers: false,
}

/** Prometheus' warning in an answer that its limit has cut. */
export const TRUNCATED = 'results truncated due to limit'
