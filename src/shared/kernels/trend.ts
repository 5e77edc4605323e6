/**
 * The typed face of the trend kernel (assembly/trend.kernel.ts): samples and windows are copied into
 * its memory, which grows with them; the lines are read there. Per thread.
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

/** An instance, and how its memory is laid out. */
interface Instance {
  readonly calls: TrendCalls
  readonly memory: WebAssembly.Memory
  /** So many of each there is room for. */
  samples: number
  steps: number
}

let kept: Instance | undefined

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
  calls.fitLines(at.ts, at.values, at.from, at.to, at.origins, at.slopes, steps)
  kept = buffer.byteLength > KEPT_BYTES ? undefined : instance
  return { slopes: new Float64Array(buffer, at.slopes, steps), values }
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
}: Instance): Record<'ts' | 'values' | 'origins' | 'slopes' | 'from' | 'to' | 'end', number> {
  const ts = BASE
  const values = ts + samples * 8
  const origins = values + samples * 8
  const slopes = origins + steps * 8
  const from = slopes + steps * 8
  const to = from + steps * 4
  return { ts, values, origins, slopes, from, to, end: to + steps * 4 }
}
