/**
 * What functions over whole matrices share: arguments, copies of rows, metric names that go.
 */
import { fail } from '../../errors/index.js'
import type { StepMatrix } from '../columns.js'
import { keepFloats } from '../operators/histogram-cells.js'
import type { Argument, CallContext } from './kernel.js'

/** A vector argument. */
export function argumentVector(args: readonly Argument[], index: number): StepMatrix {
  const arg = args[index]
  if (arg === undefined || arg.type === 'string') throw wrongType(index, 'a vector')
  return arg.matrix
}

/** A scalar argument, [steps]. */
export function argumentScalar(args: readonly Argument[], index: number): Float64Array {
  const arg = args[index]
  if (arg === undefined || arg.type === 'string') throw wrongType(index, 'a scalar')
  return arg.matrix.values
}

/** A string argument. */
export function argumentString(args: readonly Argument[], index: number): string {
  const arg = args[index]
  if (arg === undefined || arg.type !== 'string') throw wrongType(index, 'a string')
  return arg.value
}

/** The parser has checked types: this is a defect of ours. */
function wrongType(index: number, expected: string): Error {
  return fail('internal', { text: `argument ${index} is not ${expected}` })
}

/** A copy of a matrix, or of some of its rows in the order given. */
export function copyRows(
  context: CallContext,
  input: StepMatrix,
  rows?: readonly number[],
): StepMatrix {
  const { steps, words } = input
  const out = context.matrix(rows?.length ?? input.series)
  if (rows === undefined) {
    out.sets.set(input.sets.subarray(0, input.series))
    out.values.set(input.values.subarray(0, input.series * steps))
    out.present.set(input.present.subarray(0, input.series * words))
    out.dropName = input.dropName?.slice(0, input.series)
    out.histograms = input.histograms?.slice(0, input.series)
    return out
  }
  if (input.dropName !== undefined) out.dropName = new Uint8Array(rows.length)
  for (const [to, from] of rows.entries()) {
    out.sets[to] = input.sets[from]!
    out.values.set(input.values.subarray(from * steps, (from + 1) * steps), to * steps)
    out.present.set(input.present.subarray(from * words, (from + 1) * words), to * words)
    if (input.dropName !== undefined) out.dropName![to] = input.dropName[from]!
  }
  if (input.histograms !== undefined) out.histograms = rows.map((row) => input.histograms![row])
  return out
}

/** Takes the points away that are native histograms. */
export function dropHistograms(matrix: StepMatrix): void {
  const { histograms, present, words } = matrix
  for (let row = 0; histograms !== undefined && row < matrix.series; row++) {
    const cells = histograms[row]
    if (cells !== undefined) keepFloats(cells, present, row * words)
  }
  matrix.histograms = undefined
}

/** Takes the metric names of all rows off, or marks them for it under delayed name removal. */
export function setNameless(context: CallContext, matrix: StepMatrix): void {
  if (context.delayedNameRemoval) {
    matrix.dropName = new Uint8Array(matrix.series).fill(1)
    return
  }
  for (let row = 0; row < matrix.series; row++) {
    matrix.sets[row] = context.labels.withoutName(matrix.sets[row]!)
  }
}

/** Whether a row has a value at a step. */
export function isPresent(matrix: StepMatrix, row: number, step: number): boolean {
  return ((matrix.present[row * matrix.words + (step >>> 5)]! >>> (step & 31)) & 1) === 1
}

/** Whether a row has any value. */
export function hasAny(matrix: StepMatrix, row: number): boolean {
  const { words, present } = matrix
  for (let word = row * words; word < (row + 1) * words; word++) {
    if (present[word] !== 0) return true
  }
  return false
}

/** Sets a value and its bit. */
export function setValue(matrix: StepMatrix, row: number, step: number, value: number): void {
  matrix.values[row * matrix.steps + step] = value
  matrix.present[row * matrix.words + (step >>> 5)]! |= 1 << (step & 31)
}

/** A matrix of one row without labels and a value at every step. */
export function oneRow(context: CallContext, value: (step: number) => number): StepMatrix {
  const out = context.matrix(1)
  for (let step = 0; step < out.steps; step++) setValue(out, 0, step, value(step))
  return out
}
