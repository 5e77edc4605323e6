/**
 * The aggregation table: one row per operator. `accumulate`: keeps a value per group and step, its
 * input is streamed. The other forms have operators of their own in operators/aggregate.ts.
 */
import type { AggregateOp } from '../syntax/ast.js'
import type { AccumulatorFactory } from './accumulator.js'
import { maxAccumulator, minAccumulator } from './extremes.js'
import {
  avgAccumulator,
  countAccumulator,
  groupAccumulator,
  stddevAccumulator,
  stdvarAccumulator,
  sumAccumulator,
} from './sum.js'

/** A row of the table. */
export interface AggregationRow {
  /** What stands before the expression in the parentheses. */
  readonly param: 'none' | 'scalar' | 'string'
  readonly doc: string
  readonly experimental?: true
  readonly form:
    | { readonly kind: 'accumulate'; readonly make: AccumulatorFactory }
    | { readonly kind: 'ranked'; readonly isTop: boolean }
    | { readonly kind: 'quantile' }
    | { readonly kind: 'count-values' }
    | { readonly kind: 'limit' }
    | { readonly kind: 'limit-ratio' }
}

function accumulate(make: AccumulatorFactory): AggregationRow['form'] {
  return { kind: 'accumulate', make }
}

/** Every aggregation of PromQL. */
export const AGGREGATIONS: Readonly<Record<AggregateOp, AggregationRow>> = {
  sum: { param: 'none', doc: 'The sum of the values.', form: accumulate(sumAccumulator) },
  avg: { param: 'none', doc: 'The mean of the values.', form: accumulate(avgAccumulator) },
  min: { param: 'none', doc: 'The smallest value.', form: accumulate(minAccumulator) },
  max: { param: 'none', doc: 'The largest value.', form: accumulate(maxAccumulator) },
  count: { param: 'none', doc: 'How many there are.', form: accumulate(countAccumulator) },
  group: { param: 'none', doc: '1 where there is any.', form: accumulate(groupAccumulator) },
  stddev: {
    param: 'none',
    doc: 'The population standard deviation.',
    form: accumulate(stddevAccumulator),
  },
  stdvar: {
    param: 'none',
    doc: 'The population variance.',
    form: accumulate(stdvarAccumulator),
  },
  topk: { param: 'scalar', doc: 'The k largest.', form: { kind: 'ranked', isTop: true } },
  bottomk: { param: 'scalar', doc: 'The k smallest.', form: { kind: 'ranked', isTop: false } },
  quantile: { param: 'scalar', doc: 'The φ-quantile.', form: { kind: 'quantile' } },
  count_values: {
    param: 'string',
    doc: 'How many there are of each value, which becomes a label.',
    form: { kind: 'count-values' },
  },
  limitk: {
    param: 'scalar',
    doc: 'Any k of them.',
    experimental: true,
    form: { kind: 'limit' },
  },
  limit_ratio: {
    param: 'scalar',
    doc: 'That share of them.',
    experimental: true,
    form: { kind: 'limit-ratio' },
  },
}
