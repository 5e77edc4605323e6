/**
 * limitk and limit_ratio: some of the series, chosen without looking at their values. Rows are
 * made one by one and kept where they are chosen; nothing is ranked.
 *
 * Follows Prometheus promql/engine.go, aggregationK, and its HashRatioSampler: the share of a series
 * is the xxHash of its labels over 2^64, so that limit_ratio(r) and limit_ratio(r − 1) are each
 * other's complement.
 */
import { printFloatShort } from '../../base/go-number.js'
import { xxhash64 } from '../../base/xxhash64.js'
import { fail } from '../../errors/index.js'
import type { StepMatrix } from '../columns.js'
import type { LabelTable } from '../label-table.js'
import type { AggregatePlan } from '../plan/plan.js'
import { groupRows } from './groups.js'
import { MatrixBuilder, type QueryState, type RowStream } from './operator.js'

/**
 * limitk: per group and step the first k rows that have a point there.
 * @param ks [steps], checked by the caller
 */
export async function limitRows(
  plan: AggregatePlan,
  ks: Float64Array,
  state: QueryState,
): Promise<StepMatrix> {
  const input = await state.stream(plan.input)
  const { steps } = input
  const groups = groupRows(plan.aggregate, input, state)
  const taken = state.memory.words(groups.sets.length * steps)
  return keepRows(input, state, (row, present, wordBase) => {
    const base = groups.of[row]! * steps
    eachBit(present, wordBase, steps, (step) => {
      if (taken[base + step]! >= Math.trunc(ks[step]!)) return false
      taken[base + step]! += 1
      return true
    })
  })
}

/** limit_ratio: the rows whose share of the hash lies below r, or for a negative r above 1 + r. */
export async function limitRatio(plan: AggregatePlan, state: QueryState): Promise<StepMatrix> {
  const param = plan.param!
  const ratios = (await state.evaluate(param)).values
  const largest = ratios.reduce((a, b) => Math.max(a, b), -Infinity)
  const smallest = ratios.reduce((a, b) => Math.min(a, b), Infinity)
  const input = await state.stream(plan.input)
  if (largest === 0 && smallest === 0) return keepRows(input, state, clearRow)
  if (largest !== largest) throw fail('query-execution', { text: 'Ratio value is NaN' })
  for (const [ratio, bound] of [
    [largest, 1],
    [smallest, -1],
  ] as const) {
    if (Math.abs(ratio) <= 1 || Math.sign(ratio) !== bound) continue
    const shown = `${printFloatShort(ratio)}, capping to ${bound}`
    state.annotations.warn(`ratio value should be between -1 and 1, got ${shown}`, param.expr.pos)
  }
  return keepRows(input, state, (row, present, wordBase) => {
    const share = shareOf(state.labels, input.sets[row]!)
    eachBit(present, wordBase, input.steps, (step) => {
      const ratio = Math.max(-1, Math.min(1, ratios[step]!))
      return ratio >= 0 ? share < ratio : share >= 1 + ratio
    })
  })

  function clearRow(_row: number, present: Uint32Array, wordBase: number): void {
    present.fill(0, wordBase, wordBase + ((input.steps + 31) >>> 5))
  }
}

/** The rows of a stream with the bits that `choose` leaves. */
async function keepRows(
  input: RowStream,
  state: QueryState,
  choose: (row: number, present: Uint32Array, wordBase: number) => void,
): Promise<StepMatrix> {
  const { memory } = state
  const builder = new MatrixBuilder(memory, input.steps, input.count)
  const { matrix } = builder
  for (let row = 0; row < input.count; row++) {
    const at = builder.next()
    const { values, present, steps, words } = matrix
    const histograms = input.into(row, values, at * steps, present, at * words)
    choose(row, matrix.present, at * matrix.words)
    builder.take(input.sets[row]!, input.dropName?.[row] ?? 0, histograms)
    if (memory.worked(input.cost)) await memory.breathe()
  }
  return matrix
}

/** Takes away the bits of a row whose step is not kept. */
function eachBit(
  present: Uint32Array,
  wordBase: number,
  steps: number,
  isKept: (step: number) => boolean,
): void {
  const words = (steps + 31) >>> 5
  for (let word = 0; word < words; word++) {
    let kept = present[wordBase + word]!
    for (let bits = kept, step = word << 5; bits !== 0; step++, bits >>>= 1) {
      if ((bits & 1) !== 0 && !isKept(step)) kept &= ~(1 << (step & 31))
    }
    present[wordBase + word] = kept
  }
}

const ENCODER = new TextEncoder()

/** Where a label set lies in [0, 1]: the hash of its labels over 2^64. */
function shareOf(labels: LabelTable, set: number): number {
  const parts: Uint8Array[] = []
  for (const pair of labels.pairs(set)) {
    pushSized(parts, labels.pairName(pair))
    pushSized(parts, labels.pairValue(pair))
  }
  const bytes = Buffer.concat(parts)
  return Number(xxhash64(bytes)) / 2 ** 64
}

/** A string as Prometheus' label sets hold it: its length in one byte, or 255 and three, then it. */
function pushSized(parts: Uint8Array[], text: string): void {
  const bytes = ENCODER.encode(text)
  const { length } = bytes
  parts.push(
    length < 255
      ? Uint8Array.of(length)
      : Uint8Array.of(255, length & 0xff, (length >>> 8) & 0xff, length >>> 16),
    bytes,
  )
}
