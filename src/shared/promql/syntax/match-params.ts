/** The `match[]` parameters of the Prometheus API: selectors of series, in which nothing experimental can stand. */
import { AppError, fail } from '../../errors/index.js'
import type { Matcher } from '../../model/matcher.js'
import { parseMetricSelector } from './parse.js'
import { matchesEmpty } from './selectors.js'
import type { ParseOptions } from './stream.js'

/** How they are read. */
export const SELECTOR_OPTIONS: ParseOptions = {
  enableExperimentalFunctions: false,
  experimentalDurationExpr: false,
  enableExtendedRangeSelectors: false,
  enableBinopFillModifiers: false,
}

const EMPTY_MATCHER = 'match[] must contain at least one non-empty matcher'

/**
 * The matchers of each, of which one at least matches no empty text.
 * @param prefix stands before what is wrong
 * @param tick called often; what it throws ends the work
 * @throws AppError `query-parse`, `bad-data`
 */
export function parseSelectors(
  texts: readonly string[],
  prefix: string,
  tick: () => void = () => {},
): (readonly Matcher[])[] {
  const selectors = parseAnySelectors(texts, prefix, tick)
  if (selectors.some((matchers) => matchers.every(matchesEmpty))) {
    throw fail('bad-data', { text: prefix + EMPTY_MATCHER })
  }
  return selectors
}

/** The same; `{}`, which is every series, is one as well. */
export function parseAnySelectors(
  texts: readonly string[],
  prefix: string,
  tick: () => void = () => {},
): (readonly Matcher[])[] {
  return texts.map((text) => {
    try {
      return parseMetricSelector(text, SELECTOR_OPTIONS, tick)
    } catch (error) {
      if (!(error instanceof AppError) || error.id !== 'query-parse') throw error
      throw fail('query-parse', { text: prefix + error.message }, error)
    }
  })
}
