/**
 * A function of a range vector whose series has native histograms: windows of floats only are the
 * kernel's for floats, with the histograms taken out; the others go to the function's own way with
 * histograms, or are left to the floats in them.
 */
import type { HistogramRow } from '../columns.js'
import type { MixedWindow, RangeForm, WindowNotes, Windows } from '../functions/kernel.js'
import { ignoredInRange } from '../functions/native-texts.js'
import type { SampleBuffer } from '../source.js'

/** What a call writes its row to. */
export interface RowTarget {
  readonly values: Float64Array
  readonly base: number
  readonly present: Uint32Array
  readonly wordBase: number
}

/**
 * Runs a function over a series with histograms.
 * @param samples histograms (there are some) and start timestamps, as in the windows' buffer
 * @returns the row's histograms
 */
export function runMixed(
  func: RangeForm,
  windows: Windows,
  samples: Pick<SampleBuffer, 'histograms' | 'starts'>,
  params: readonly Float64Array[],
  target: RowTarget,
  notes: WindowNotes,
): HistogramRow | undefined {
  const { values, base, present, wordBase } = target
  const histograms = samples.histograms ?? []
  // Start timestamps matter to plain windows only.
  const starts = windows.mode === 'plain' ? samples.starts : undefined
  if (func.histograms === 'alike') {
    func.run(windows, params, values, base, present, wordBase, notes)
    return undefined
  }
  const before = countHistograms(histograms, windows.count)
  const kernel = func.histograms
  const floats = floatWindows(windows, histograms, before, kernel !== undefined)
  if (floats.count > 0 && starts !== undefined && func.started !== undefined) {
    const ofFloats = starts.filter((_, k) => k < windows.count && histograms[k] === undefined)
    func.started(floats, ofFloats, values, base, present, wordBase, notes)
  } else if (floats.count > 0) func.run(floats, params, values, base, present, wordBase, notes)
  if (kernel === undefined) {
    noteIgnored(windows, before, notes)
    return undefined
  }
  let row: HistogramRow | undefined
  const window: MixedWindow = {
    ts: windows.ts,
    values: windows.values,
    histograms,
    starts,
    from: 0,
    to: 0,
    histogramCount: 0,
    rangeMs: windows.rangeMs,
    mode: windows.mode,
    end: 0,
  }
  for (let i = 0; i < windows.steps; i++) {
    window.from = windows.from[i]!
    window.to = windows.to[i]!
    if (window.to <= window.from) continue
    window.histogramCount = before[window.to]! - before[window.from]!
    if (window.histogramCount === 0) continue
    window.end = windows.end0 + i * windows.stepMs
    const result = kernel(window, notes)
    if (result === undefined) continue
    present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
    if (typeof result === 'number') values[base + i] = result
    else {
      row ??= new Array<undefined>(windows.steps).fill(undefined)
      row[i] = result
    }
  }
  return row
}

/** [samples + 1] histograms before each sample. */
function countHistograms(histograms: HistogramRow, count: number): Int32Array {
  const before = new Int32Array(count + 1)
  for (let k = 0; k < count; k++) before[k + 1] = before[k]! + (histograms[k] === undefined ? 0 : 1)
  return before
}

/**
 * The same windows over the floats alone.
 * @param isPure windows with histograms become empty
 */
function floatWindows(
  windows: Windows,
  histograms: HistogramRow,
  before: Int32Array,
  isPure: boolean,
): Windows {
  const count = windows.count - before[windows.count]!
  const ts = new Float64Array(count)
  const values = new Float64Array(count)
  for (let k = 0, n = 0; k < windows.count; k++) {
    if (histograms[k] !== undefined) continue
    ts[n] = windows.ts[k]!
    values[n++] = windows.values[k]!
  }
  const from = new Int32Array(windows.steps)
  const to = new Int32Array(windows.steps)
  for (let i = 0; i < windows.steps; i++) {
    const first = windows.from[i]!
    const end = windows.to[i]!
    from[i] = first - before[first]!
    const isLeftOut = isPure && before[end]! > before[first]!
    to[i] = isLeftOut ? from[i]! : end - before[end]!
  }
  return { ...windows, ts, values, count, from, to }
}

function noteIgnored(windows: Windows, before: Int32Array, notes: WindowNotes): void {
  for (let i = 0; i < windows.steps; i++) {
    const first = windows.from[i]!
    const end = windows.to[i]!
    const histograms = before[end]! - before[first]!
    if (histograms > 0 && histograms < end - first) {
      notes.info(ignoredInRange(notes.name()))
      return
    }
  }
}
