/**
 * The typed face of the trend kernel (assembly/trend.kernel.ts): samples and windows are copied into
 * its memory, which grows with them; the lines are read there. Per thread. What the kernel sums of times
 * alone is kept for the other series of a call that have the same ones.
 */
import { compileKernel } from './load.js'

interface TrendCalls {
  fitLines(
    ts: number,
    values: number,
    from: number,
    to: number,
    origins: number,
    slopes: number,
    xs: number,
    xxs: number,
    known: number,
    count: number,
  ): void
}

/** Samples of a series, and windows over them. */
export interface TrendWindows {
  readonly ts: Float64Array
  readonly values: Float64Array
  readonly count: number
  readonly steps: number
  readonly from: Int32Array
  readonly to: Int32Array
  /** Where a call has given this array and count before, the times were the same. */
  readonly times?: Float64Array | undefined
}

/** What was summed of times: seconds of all windows, then their squares. */
interface TimeSums {
  readonly count: number
  readonly sums: Float64Array
}

/** The lines, valid until the next call; unspecified for windows of fewer than two samples. */
export interface Lines {
  /** [steps] Per second. */
  readonly slopes: Float64Array
  /** [steps] The lines' values at their origins. */
  readonly values: Float64Array
}

const PAGE = 65_536
/** The stub runtime's own, below what is laid out here. */
const BASE = PAGE
/** An instance that has grown beyond is let go of after the call. */
const KEPT_BYTES = 16 << 20
/** What sums of one call may hold. */
const SUMS_BYTES = 1 << 20

/** An instance, and how its memory is laid out. */
interface Instance {
  readonly calls: TrendCalls
  readonly memory: WebAssembly.Memory
  /** So many of each there is room for. */
  samples: number
  steps: number
}

let kept: Instance | undefined
/** By the windows of a call, which are the same object for all its series, and by their times. */
const sumsOfCalls = new WeakMap<TrendWindows, Map<Float64Array, TimeSums>>()

/**
 * Fits a line to every window.
 * @param originOf the time from which a window's seconds count, ms
 */
export function fitLines(windows: TrendWindows, originOf: (step: number) => number): Lines {
  const { count, steps } = windows
  const instance = kept ?? open()
  makeRoom(instance, count, steps)
  const { calls, memory } = instance
  const { buffer } = memory
  const at = layoutOf(instance)
  new Float64Array(buffer, at.ts, count).set(windows.ts.subarray(0, count))
  new Float64Array(buffer, at.values, count).set(windows.values.subarray(0, count))
  new Int32Array(buffer, at.from, steps).set(windows.from)
  new Int32Array(buffer, at.to, steps).set(windows.to)
  const values = new Float64Array(buffer, at.origins, steps)
  for (let i = 0; i < steps; i++) values[i] = originOf(i)
  const sums = new Float64Array(buffer, at.sums, steps * 2)
  const known = knownSums(windows)
  if (known !== undefined) sums.set(known)
  const isKnown = known === undefined ? 0 : 1
  const [xs, xxs] = [at.sums, at.sums + steps * 8]
  calls.fitLines(at.ts, at.values, at.from, at.to, at.origins, at.slopes, xs, xxs, isKnown, steps)
  if (known === undefined) keepSums(windows, sums)
  kept = buffer.byteLength > KEPT_BYTES ? undefined : instance
  return { slopes: new Float64Array(buffer, at.slopes, steps), values }
}

function knownSums(windows: TrendWindows): Float64Array | undefined {
  const { times, count } = windows
  if (times === undefined) return undefined
  const known = sumsOfCalls.get(windows)?.get(times)
  return known?.count === count ? known.sums : undefined
}

/** Keeps the sums of times that other series have as well, while there is room. */
function keepSums(windows: TrendWindows, sums: Float64Array): void {
  const { times, count } = windows
  if (times === undefined) return
  const call = sumsOfCalls.get(windows) ?? new Map<Float64Array, TimeSums>()
  if ((call.size + 1) * sums.byteLength > SUMS_BYTES) return
  call.set(times, { count, sums: sums.slice() })
  sumsOfCalls.set(windows, call)
}

function open(): Instance {
  const memory = new WebAssembly.Memory({ initial: 64, maximum: 65_536 })
  const instance = new WebAssembly.Instance(compileKernel('trend'), { env: { memory } })
  return { calls: instance.exports as unknown as TrendCalls, memory, samples: 0, steps: 0 }
}

function makeRoom(instance: Instance, samples: number, steps: number): void {
  instance.samples = Math.max(instance.samples, samples)
  instance.steps = Math.max(instance.steps, steps)
  const missing = layoutOf(instance).end - instance.memory.buffer.byteLength
  if (missing > 0) instance.memory.grow(Math.ceil(missing / PAGE))
}

function layoutOf({
  samples,
  steps,
}: Instance): Record<
  'ts' | 'values' | 'origins' | 'slopes' | 'sums' | 'from' | 'to' | 'end',
  number
> {
  const ts = BASE
  const values = ts + samples * 8
  const origins = values + samples * 8
  const slopes = origins + steps * 8
  const sums = slopes + steps * 8
  const from = sums + steps * 16
  const to = from + steps * 4
  return { ts, values, origins, slopes, sums, from, to, end: to + steps * 4 }
}
