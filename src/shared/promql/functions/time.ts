/**
 * time(), pi(), vector(), scalar() and the parts of dates, which are UTC. After Prometheus
 * promql/functions.go; days are counted as in Howard Hinnant's "chrono-compatible low-level date
 * algorithms", since JavaScript's Date ends 271,821 years from now and Go's does not.
 */
import type { StepMatrix } from '../columns.js'
import type { CallContext, FunctionRows, MatrixKernel } from './kernel.js'
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
const time: MatrixKernel = (_args, context) =>
  oneRow(context, (step) => evalMs(context, step) / 1000)

const pi: MatrixKernel = (_args, context) => oneRow(context, () => Math.PI)

/** A scalar as a vector of one element. */
const vector: MatrixKernel = (args, context) => {
  const values = argumentScalar(args, 0)
  return oneRow(context, (step) => values[step]!)
}

/** The value of the only element of a step, NaN where there are none or several. */
const scalar: MatrixKernel = (args, context) => {
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

const minute: MatrixKernel = ofDate((date) => Math.floor(date.secondOfDay / 60) % 60)
const hour: MatrixKernel = ofDate((date) => Math.floor(date.secondOfDay / 3600))
const dayOfWeek: MatrixKernel = ofDate((date) => (((date.days + 4) % 7) + 7) % 7)
const dayOfMonth: MatrixKernel = ofDate((date) => date.day)
const dayOfYear: MatrixKernel = ofDate((date) => date.days - daysOf(date.year, 1, 1) + 1)
const daysInMonth: MatrixKernel = ofDate(({ year, month }) =>
  month === 12 ? 31 : daysOf(year, month + 1, 1) - daysOf(year, month, 1),
)
const month: MatrixKernel = ofDate((date) => date.month)
const year: MatrixKernel = ofDate((date) => date.year)

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

/** Their rows of the function table. */
export const timeFunctions: FunctionRows = {
  day_of_month: {
    args: ['vector'],
    variadic: 1,
    returns: 'vector',
    doc: 'The day of the month in UTC, 1 to 31.',
    kernel: { form: 'matrix', run: dayOfMonth },
  },
  day_of_week: {
    args: ['vector'],
    variadic: 1,
    returns: 'vector',
    doc: 'The day of the week in UTC, 0 (Sunday) to 6.',
    kernel: { form: 'matrix', run: dayOfWeek },
  },
  day_of_year: {
    args: ['vector'],
    variadic: 1,
    returns: 'vector',
    doc: 'The day of the year in UTC, 1 to 366.',
    kernel: { form: 'matrix', run: dayOfYear },
  },
  days_in_month: {
    args: ['vector'],
    variadic: 1,
    returns: 'vector',
    doc: 'How many days the month has in UTC, 28 to 31.',
    kernel: { form: 'matrix', run: daysInMonth },
  },
  end: {
    args: [],
    variadic: 0,
    returns: 'scalar',
    experimental: true,
    doc: "The end of the query's time range, in seconds.",
    kernel: { form: 'constant', of: ({ end }) => end / 1000 },
  },
  hour: {
    args: ['vector'],
    variadic: 1,
    returns: 'vector',
    doc: 'The hour of the day in UTC, 0 to 23.',
    kernel: { form: 'matrix', run: hour },
  },
  minute: {
    args: ['vector'],
    variadic: 1,
    returns: 'vector',
    doc: 'The minute of the hour in UTC, 0 to 59.',
    kernel: { form: 'matrix', run: minute },
  },
  month: {
    args: ['vector'],
    variadic: 1,
    returns: 'vector',
    doc: 'The month of the year in UTC, 1 to 12.',
    kernel: { form: 'matrix', run: month },
  },
  pi: {
    args: [],
    variadic: 0,
    returns: 'scalar',
    doc: 'The number pi.',
    kernel: { form: 'matrix', run: pi },
  },
  range: {
    args: [],
    variadic: 0,
    returns: 'scalar',
    experimental: true,
    doc: "The length of the query's time range, in seconds.",
    kernel: { form: 'constant', of: ({ start, end }) => (end - start) / 1000 },
  },
  scalar: {
    args: ['vector'],
    variadic: 0,
    returns: 'scalar',
    doc: 'The value of a vector of one element, NaN for any other.',
    kernel: { form: 'matrix', run: scalar },
  },
  start: {
    args: [],
    variadic: 0,
    returns: 'scalar',
    experimental: true,
    doc: "The start of the query's time range, in seconds.",
    kernel: { form: 'constant', of: ({ start }) => start / 1000 },
  },
  start_timestamp: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    experimental: true,
    doc: 'When the counting of each sample began, in seconds.',
    kernel: { form: 'operator', operator: 'start_timestamp' },
  },
  step: {
    args: [],
    variadic: 0,
    returns: 'scalar',
    experimental: true,
    doc: 'The resolution of the query, in seconds.',
    kernel: { form: 'constant', of: ({ step }) => step / 1000 },
  },
  time: {
    args: [],
    variadic: 0,
    returns: 'scalar',
    doc: 'The evaluation time, in seconds since the epoch.',
    kernel: { form: 'matrix', run: time },
  },
  timestamp: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The time of each sample, in seconds since the epoch.',
    kernel: { form: 'operator', operator: 'timestamp' },
  },
  vector: {
    args: ['scalar'],
    variadic: 0,
    returns: 'vector',
    doc: 'A scalar as a vector of one element without labels.',
    kernel: { form: 'matrix', run: vector },
  },
  year: {
    args: ['vector'],
    variadic: 1,
    returns: 'vector',
    doc: 'The year in UTC.',
    kernel: { form: 'matrix', run: year },
  },
}
