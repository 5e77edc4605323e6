/**
 * sort and its relatives. They order the answer of an instant query; a range query's is ordered by
 * labels, which they point out. After Prometheus promql/functions.go.
 */
import { compareUtf8 } from '../../model/labels.js'
import type { LabelTable } from '../label-table.js'
import type { FunctionRows, MatrixKernel } from './kernel.js'
import { argumentString, argumentVector, copyRows, dropHistograms, isPresent } from './rows.js'

const INEFFECTIVE =
  'sort is ineffective for range queries since results are always ordered by labels'

/** Orders rows a and b; values are those of the only step. */
type RowOrder = (a: number, b: number, values: Float64Array) => number

/** Ascending, NaN last; native histograms are left out. */
const sort: MatrixKernel = sorted(false, () => (a, b, values) => byValue(values[a]!, values[b]!))

/** Descending, NaN last. */
const sortDesc: MatrixKernel = sorted(
  false,
  () => (a, b, values) => byValue(-values[a]!, -values[b]!),
)

const sortByLabel: MatrixKernel = sorted(true, (labels, sets, names) => (a, b) => {
  return byLabels(labels, names, sets[a]!, sets[b]!)
})

const sortByLabelDesc: MatrixKernel = sorted(true, (labels, sets, names) => (a, b) => {
  return byLabels(labels, names, sets[b]!, sets[a]!)
})

/** @param isByLabel of native histograms too, which the others leave out */
function sorted(
  isByLabel: boolean,
  orderOf: (labels: LabelTable, sets: Uint32Array, names: readonly string[]) => RowOrder,
): MatrixKernel {
  return (args, context) => {
    const input = argumentVector(args, 0)
    if (!isByLabel) dropHistograms(input)
    if (context.isRangeQuery) {
      // Prometheus 3.5 does not point it out.
      if (context.release !== '3.5') context.notes.warn(INEFFECTIVE, context.pos)
      return copyRows(context, input)
    }
    // Within a subquery there are many steps, and no order of rows for all of them.
    if (input.steps !== 1) return copyRows(context, input)
    const names = args.slice(1).map((_, index) => argumentString(args, index + 1))
    const order = orderOf(context.labels, input.sets, names)
    const rows: number[] = []
    for (let row = 0; row < input.series; row++) if (isPresent(input, row, 0)) rows.push(row)
    rows.sort((a, b) => {
      context.tick(4)
      return order(a, b, input.values)
    })
    return copyRows(context, input, rows)
  }
}

function byValue(a: number, b: number): number {
  if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : 1
  if (Number.isNaN(b)) return -1
  return a < b ? -1 : a > b ? 1 : 0
}

function byLabels(labels: LabelTable, names: readonly string[], a: number, b: number): number {
  for (const name of names) {
    const order = compareNaturally(labels.value(a, name), labels.value(b, name))
    if (order !== 0) return order
  }
  return compareSets(labels, a, b)
}

/** Runs of digits compare as numbers, everything between as text. */
function compareNaturally(a: string, b: string): number {
  if (a === b) return 0
  const chunksA = a.match(/\d+|\D+/g) ?? []
  const chunksB = b.match(/\d+|\D+/g) ?? []
  for (let i = 0; i < chunksA.length && i < chunksB.length; i++) {
    const x = chunksA[i]!
    const y = chunksB[i]!
    const isNumeric = /^\d/.test(x) && /^\d/.test(y)
    const order = isNumeric ? Number(x) - Number(y) : compareUtf8(x, y)
    if (order !== 0) return order
  }
  return chunksA.length - chunksB.length
}

function compareSets(labels: LabelTable, a: number, b: number): number {
  const x = labels.pairs(a)
  const y = labels.pairs(b)
  for (let i = 0; i < x.length && i < y.length; i++) {
    if (x[i] === y[i]) continue
    return (
      compareUtf8(labels.pairName(x[i]!), labels.pairName(y[i]!)) ||
      compareUtf8(labels.pairValue(x[i]!), labels.pairValue(y[i]!))
    )
  }
  return x.length - y.length
}

/** Their rows of the function table. */
export const sortFunctions: FunctionRows = {
  sort: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The vector in ascending order of its values (instant queries).',
    kernel: { form: 'matrix', run: sort },
  },
  sort_by_label: {
    args: ['vector', 'string'],
    variadic: -1,
    returns: 'vector',
    experimental: true,
    doc: 'The vector in natural ascending order of some labels (instant queries).',
    kernel: { form: 'matrix', run: sortByLabel },
  },
  sort_by_label_desc: {
    args: ['vector', 'string'],
    variadic: -1,
    returns: 'vector',
    experimental: true,
    doc: 'The vector in natural descending order of some labels (instant queries).',
    kernel: { form: 'matrix', run: sortByLabelDesc },
  },
  sort_desc: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The vector in descending order of its values (instant queries).',
    kernel: { form: 'matrix', run: sortDesc },
  },
}
