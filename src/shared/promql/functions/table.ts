/**
 * The function table: one row per PromQL function of Prometheus (main, after 3.14): signature, one
 * line of documentation, kernel. The parser takes names and types from here, the call operator the
 * kernel. Rows stand beside their kernels; signatures follow Prometheus promql/parser/functions.go.
 */
import { absentFunctions } from './absent.js'
import { bucketFunctions } from './histogram.js'
import type { FunctionRow, FunctionRows } from './kernel.js'
import { labelFunctions } from './label.js'
import { mathFunctions } from './math.js'
import { histogramFunctions } from './native-quantile.js'
import { overTimeFunctions } from './over-time.js'
import { rateFunctions } from './rate.js'
import { sortFunctions } from './sort.js'
import { timeFunctions } from './time.js'
import { trendFunctions } from './trend.js'

const FAMILIES: readonly FunctionRows[] = [
  absentFunctions,
  bucketFunctions,
  labelFunctions,
  mathFunctions,
  histogramFunctions,
  overTimeFunctions,
  rateFunctions,
  sortFunctions,
  timeFunctions,
  trendFunctions,
]

/**
 * The table by name, sorted. It has no prototype, so that a look-up of `constructor` and the like
 * finds nothing.
 */
export const FUNCTIONS: Readonly<Record<string, FunctionRow>> = Object.freeze(
  sortedByName(FAMILIES.flatMap((rows) => Object.entries(rows))),
)

function sortedByName(rows: [string, FunctionRow][]): Record<string, FunctionRow> {
  const table = Object.create(null) as Record<string, FunctionRow>
  for (const [name, row] of rows.sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (name in table) throw new Error(`two rows for the function ${name}`)
    table[name] = row
  }
  return table
}
