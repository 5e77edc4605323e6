/**
 * time(), pi(), vector(), scalar() and the parts of dates, which are UTC. After Prometheus
 * promql/functions.go; days are counted as in Howard Hinnant's "chrono-compatible low-level date
 * algorithms", since JavaScript's Date ends 271,821 years from now and Go's does not.
 */
import type { StepMatrix } from '../columns.js'
import type { CallContext, MatrixKernel } from './kernel.js'
import {
  argumentScalar,
  argumentVector,
  copyRows,
  dropHistograms,
  isPresent,
  oneRow,
  setNameless,
  setValue,
} from './rows.js'

const DAY_SECONDS = 86_400

/** Evaluation time in seconds. */
export const time: MatrixKernel = (_args, context) =>
  oneRow(context, (step) => evalMs(context, step) / 1000)

export const pi: MatrixKernel = (_args, context) => oneRow(context, () => Math.PI)

/** The larger or smaller of two scalars, as Go's math.Max and math.Min have it. */
export function ofTwo(pick: (a: number, b: number) => number): MatrixKernel {
  return (args, context) => {
    const left = argumentScalar(args, 0)
    const right = argumentScalar(args, 1)
    return oneRow(context, (step) => pick(left[step]!, right[step]!))
  }
}

/** A scalar as a vector of one element. */
export const vector: MatrixKernel = (args, context) => {
  const values = argumentScalar(args, 0)
  return oneRow(context, (step) => values[step]!)
}

/** The value of the only element of a step, NaN where there are none or several. */
export const scalar: MatrixKernel = (args, context) => {
  const input = argumentVector(args, 0)
  dropHistograms(input)
  const out = context.matrix(1)
  const found = new Uint32Array(out.steps)
  for (let row = 0; row < input.series; row++) {
    for (let step = 0; step < out.steps; step++) {
      if (!isPresent(input, row, step)) continue
      found[step]!++
      out.values[step] = input.values[row * input.steps + step]!
    }
  }
  for (let step = 0; step < out.steps; step++) {
    setValue(out, 0, step, found[step] === 1 ? out.values[step]! : Number.NaN)
  }
  return out
}

/** A date in UTC, as far as the functions below want it. */
interface CivilDate {
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  readonly day: number
  /** Days since the epoch. */
  readonly days: number
  readonly secondOfDay: number
}

export const minute: MatrixKernel = ofDate((date) => Math.floor(date.secondOfDay / 60) % 60)
export const hour: MatrixKernel = ofDate((date) => Math.floor(date.secondOfDay / 3600))
export const dayOfWeek: MatrixKernel = ofDate((date) => (((date.days + 4) % 7) + 7) % 7)
export const dayOfMonth: MatrixKernel = ofDate((date) => date.day)
export const dayOfYear: MatrixKernel = ofDate((date) => date.days - daysOf(date.year, 1, 1) + 1)
export const daysInMonth: MatrixKernel = ofDate(({ year, month }) =>
  month === 12 ? 31 : daysOf(year, month + 1, 1) - daysOf(year, month, 1),
)
export const month: MatrixKernel = ofDate((date) => date.month)
export const year: MatrixKernel = ofDate((date) => date.year)

/** Without an argument the evaluation time is taken. */
function ofDate(part: (date: CivilDate) => number): MatrixKernel {
  return (args, context) => {
    if (args.length === 0) {
      return oneRow(context, (step) => part(civilDate(evalMs(context, step) / 1000)))
    }
    const out = copyRows(context, argumentVector(args, 0))
    dropHistograms(out)
    setNameless(context, out)
    return mapPresent(out, (value) => part(civilDate(value)))
  }
}

function mapPresent(matrix: StepMatrix, apply: (value: number) => number): StepMatrix {
  const { steps, values } = matrix
  for (let row = 0; row < matrix.series; row++) {
    for (let step = 0; step < steps; step++) {
      if (!isPresent(matrix, row, step)) continue
      values[row * steps + step] = apply(values[row * steps + step]!)
    }
  }
  return matrix
}

function evalMs(context: CallContext, step: number): number {
  return context.range.start + step * context.range.step
}

/** The date of seconds since the epoch; fractions are cut off. */
function civilDate(value: number): CivilDate {
  let seconds = Math.trunc(value)
  // What int64 does not hold becomes its minimum in Go, which wraps around to this date.
  if (!(Math.abs(seconds) < 2 ** 63)) seconds = 2 ** 63
  let days: number
  let secondOfDay: number
  if (Math.abs(seconds) <= Number.MAX_SAFE_INTEGER) {
    days = Math.floor(seconds / DAY_SECONDS)
    secondOfDay = seconds - days * DAY_SECONDS
  } else {
    const exact = BigInt(seconds)
    const day = BigInt(DAY_SECONDS)
    secondOfDay = Number(((exact % day) + day) % day)
    days = Number((exact - BigInt(secondOfDay)) / day)
  }
  // Years begin in March here, so that the leap day comes last; eras have 400 years.
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  )
  const marchDay =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const marchMonth = Math.floor((5 * marchDay + 2) / 153)
  const monthNumber = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
  return {
    year: yearOfEra + era * 400 + (monthNumber <= 2 ? 1 : 0),
    month: monthNumber,
    day: marchDay - Math.floor((153 * marchMonth + 2) / 5) + 1,
    days,
    secondOfDay,
  }
}

/** Days since the epoch of a date. */
function daysOf(yearNumber: number, monthNumber: number, day: number): number {
  const marchYear = monthNumber <= 2 ? yearNumber - 1 : yearNumber
  const era = Math.floor(marchYear / 400)
  const yearOfEra = marchYear - era * 400
  const marchMonth = monthNumber > 2 ? monthNumber - 3 : monthNumber + 9
  const marchDay = Math.floor((153 * marchMonth + 2) / 5) + day - 1
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + marchDay
  return era * 146_097 + dayOfEra - 719_468
}
