/**
 * Binary operators on pairs of samples of which at least one is a native histogram: which kinds an
 * operator takes, what it answers, what it notes. Follows Prometheus promql/engine.go,
 * vectorElemBinop.
 */
import type { FloatHistogram } from '../../model/histogram.js'
import {
  addHistograms,
  type Combined,
  compactHistogram,
  divideHistogram,
  multiplyHistogram,
  subtractHistograms,
  withHint,
} from '../../model/histogram-arithmetic.js'
import { equalHistograms } from '../../model/histogram-compare.js'
import { trimHistogram } from '../../model/histogram-trim.js'
import type { HistogramRow } from '../columns.js'
import type { Notes } from '../functions/kernel.js'
import {
  boundsReconciled,
  incompatibleLayout,
  incompatibleTypes,
  resetsCollide,
} from '../functions/native-texts.js'
import type { BinaryOp } from '../syntax/ast.js'

/** A sample of either kind. */
export type Sample = number | FloatHistogram

/** An annotation that a pair gives rise to. */
interface Note {
  readonly kind: 'warn' | 'info'
  readonly text: string
}

/** What a pair answers: a histogram, whether a comparison holds, or nothing. */
interface Answer {
  readonly result: FloatHistogram | boolean | undefined
  readonly note: Note | undefined
}

/** Whether an operator cuts histograms off, which it does to nothing else. */
export function isTrim(op: BinaryOp): boolean {
  return op === '</' || op === '>/'
}

/** Notes of one evaluation: of each step only the last counts, as in Prometheus. */
export class StepNotes {
  private readonly last = new Map<number, Note>()

  set(step: number, note: Note): void {
    this.last.set(step, note)
  }

  /** Hands them on, by step. */
  emit(notes: Notes): void {
    for (const step of [...this.last.keys()].sort((a, b) => a - b)) {
      const { kind, text } = this.last.get(step)!
      notes[kind](text)
    }
    this.last.clear()
  }
}

/** A row's cells that the loops over floats must leave alone, by step. */
export interface Cells {
  readonly steps: readonly number[]
}

/**
 * Takes the cells with histograms out of a row's presence (all cells for a trim), so that what is
 * left is floats only; `operate` puts their results back.
 */
export function takeCells(
  op: BinaryOp,
  left: HistogramRow | undefined,
  right: HistogramRow | undefined,
  steps: number,
  present: Uint32Array,
  wordBase: number,
): Cells | undefined {
  if (left === undefined && right === undefined && !isTrim(op)) return undefined
  const taken: number[] = []
  for (let step = 0; step < steps; step++) {
    const word = wordBase + (step >>> 5)
    const bit = 1 << (step & 31)
    if ((present[word]! & bit) === 0) continue
    if (left?.[step] === undefined && right?.[step] === undefined && !isTrim(op)) continue
    present[word]! &= ~bit
    taken.push(step)
  }
  return { steps: taken }
}

/** Where the results of cells go. */
export interface CellTarget {
  readonly steps: number
  readonly values: Float64Array
  readonly base: number
  readonly present: Uint32Array
  readonly wordBase: number
}

/**
 * Applies an operator to cells.
 * @param returnBool a comparison answers 1 or 0
 * @returns the row's histograms
 */
export function operate(
  op: BinaryOp,
  returnBool: boolean,
  { steps: cells }: Cells,
  left: (step: number) => Sample,
  right: (step: number) => Sample,
  target: CellTarget,
  notes: StepNotes,
): HistogramRow | undefined {
  const { steps, values, base, present, wordBase } = target
  let row: HistogramRow | undefined
  for (const step of cells) {
    const a = left(step)
    const { result, note } = answer(op, a, right(step))
    if (note !== undefined) notes.set(step, note)
    if (result === undefined || (result === false && !returnBool)) continue
    present[wordBase + (step >>> 5)]! |= 1 << (step & 31)
    if (typeof result === 'boolean' && returnBool) {
      values[base + step] = result ? 1 : 0
      continue
    }
    row ??= new Array<undefined>(steps).fill(undefined)
    row[step] = typeof result === 'boolean' ? (a as FloatHistogram) : result
  }
  return row
}

function answer(op: BinaryOp, a: Sample, b: Sample): Answer {
  if (typeof a === 'number' || typeof b === 'number') return answerMixed(op, a, b)
  switch (op) {
    case '+':
      return answerSum(op, addHistograms(a, b), 'addition')
    case '-':
      return answerSum(op, subtractHistograms(a, b), 'subtraction')
    case '==':
      return { result: equalHistograms(a, b), note: undefined }
    case '!=':
      return { result: !equalHistograms(a, b), note: undefined }
    default:
      return incompatible('histogram', op, 'histogram')
  }
}

function answerSum(
  op: BinaryOp,
  combined: Combined | undefined,
  operation: 'addition' | 'subtraction',
): Answer {
  if (combined === undefined) {
    return { result: undefined, note: { kind: 'warn', text: incompatibleLayout(op) } }
  }
  let note: Note | undefined
  if (combined.boundsReconciled) note = { kind: 'info', text: boundsReconciled(operation) }
  if (combined.resetsCollide) note = { kind: 'warn', text: resetsCollide(operation) }
  const sum = combined.histogram
  return { result: compactHistogram(op === '-' ? withHint(sum, 'gauge') : sum), note }
}

function answerMixed(op: BinaryOp, a: Sample, b: Sample): Answer {
  const done = (result: FloatHistogram): Answer => ({ result, note: undefined })
  if (typeof a !== 'number' && typeof b === 'number') {
    if (op === '*') return done(compactHistogram(multiplyHistogram(a, b)))
    if (op === '/') return done(compactHistogram(divideHistogram(a, b)))
    if (op === '</') return done(trimHistogram(a, b, 'keep-below'))
    if (op === '>/') return done(trimHistogram(a, b, 'keep-above'))
    return incompatible('histogram', op, 'float')
  }
  if (typeof b === 'number') return incompatible('float', op, 'float')
  if (op === '*') return done(compactHistogram(multiplyHistogram(b, a as number)))
  return incompatible('float', op, 'histogram')
}

function incompatible(left: string, op: BinaryOp, right: string): Answer {
  return { result: undefined, note: { kind: 'info', text: incompatibleTypes(left, op, right) } }
}
