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

/** An aggregation that keeps a value per group and step. */
export interface AccumulateForm {
  readonly kind: 'accumulate'
  readonly make: AccumulatorFactory
  /** Native histograms: counted as floats are, left out with a note, or summed beside the floats. */
  readonly histograms: 'alike' | 'ignored' | 'sum' | 'avg'
}

/** A row of the table. */
export interface AggregationRow {
  /** What stands before the expression in the parentheses. */
  readonly param: 'none' | 'scalar' | 'string'
  readonly doc: string
  readonly experimental?: true
  readonly form:
    | AccumulateForm
    | { readonly kind: 'ranked'; readonly isTop: boolean }
    | { readonly kind: 'quantile' }
    | { readonly kind: 'count-values' }
    | { readonly kind: 'limit' }
    | { readonly kind: 'limit-ratio' }
}

function accumulate(
  make: AccumulatorFactory,
  histograms: AccumulateForm['histograms'] = 'ignored',
): AccumulateForm {
  return { kind: 'accumulate', make, histograms }
}

/** Every aggregation of PromQL. */
export const AGGREGATIONS: Readonly<Record<AggregateOp, AggregationRow>> = {
  sum: { param: 'none', doc: 'The sum of the values.', form: accumulate(sumAccumulator, 'sum') },
  avg: { param: 'none', doc: 'The mean of the values.', form: accumulate(avgAccumulator, 'avg') },
  min: { param: 'none', doc: 'The smallest value.', form: accumulate(minAccumulator) },
  max: { param: 'none', doc: 'The largest value.', form: accumulate(maxAccumulator) },
  count: { param: 'none', doc: 'How many there are.', form: accumulate(countAccumulator, 'alike') },
  group: {
    param: 'none',
    doc: '1 where there is any.',
    form: accumulate(groupAccumulator, 'alike'),
  },
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
