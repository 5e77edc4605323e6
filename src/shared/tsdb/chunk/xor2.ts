/**
 * Float chunks of encoding 4 (XOR2, Prometheus tsdb/docs/format/chunks.md), read only: blocks of
 * newer servers may have them; what we write is encoding 1.
 */
import { fail } from '../../errors/index.js'
import { writeStale } from '../../model/stale.js'
import { BitReader, takeInWindow, takeWindow } from './bit-reader.js'
import { createXorState, type XorState } from './bit-writer.js'
import { StartTimes } from './start-times.js'

/** Samples of an XOR2 chunk. */
export interface Xor2Columns {
  readonly size: number
  /** [size] ms. */
  readonly ts: Float64Array
  /** [size] bits kept. */
  readonly values: Float64Array
  /** [size] ms, 0 where a sample has none. */
  readonly starts: Float64Array
}

/** Decodes a chunk; throws AppError `chunk-corrupt`. */
export function decodeXor2Chunk(chunk: Uint8Array): Xor2Columns {
  if (chunk.length < 3) throw fail('chunk-corrupt', { text: 'an XOR2 chunk without a header' })
  const size = chunk[0]! * 256 + chunk[1]!
  const reader = new BitReader(chunk, 3)
  const starts = new StartTimes(chunk[2]!)
  const columns: Xor2Columns = {
    size,
    ts: new Float64Array(size),
    values: new Float64Array(size),
    starts: new Float64Array(size),
  }
  const { ts } = columns
  const state = createXorState(1)
  let step = 0
  for (let i = 0; i < size; i++) {
    if (i === 0) {
      ts[0] = reader.takeVarint()
      reader.takeWide()
      state.words[0] = reader.high
      state.words[1] = reader.low
      store(columns, i, state)
    } else if (i === 1) {
      step = reader.takeUvarint()
      ts[1] = ts[0]! + step
      takeCodeA(reader, columns, i, state)
    } else {
      step += takeJoint(reader, columns, i, state)
      ts[i] = ts[i - 1]! + step
    }
    columns.starts[i] = starts.take(reader, i, ts[i]!, i === 0 ? 0 : ts[i - 1]!)
  }
  return columns
}

/** Reads the joint code: gives the delta of deltas, and takes the value. */
function takeJoint(
  reader: BitReader,
  columns: Xor2Columns,
  index: number,
  state: XorState,
): number {
  let ones = 0
  while (ones < 5 && reader.take(1) === 1) ones++
  if (ones === 0) {
    store(columns, index, state)
    return 0
  }
  if (ones === 1) {
    if (reader.take(1) === 1) takeWindow(reader, state, 0)
    takeInWindow(reader, state, 0)
    store(columns, index, state)
    return 0
  }
  if (ones === 5) {
    writeStale(columns.values, index)
    return 0
  }
  let d: number
  if (ones === 2) d = (reader.take(13) << 19) >> 19
  else if (ones === 3) d = (reader.take(20) << 12) >> 12
  else {
    reader.takeWide()
    d = (reader.high | 0) * 2 ** 32 + reader.low
  }
  takeCodeA(reader, columns, index, state)
  return d
}

function takeCodeA(reader: BitReader, columns: Xor2Columns, index: number, state: XorState): void {
  let ones = 0
  while (ones < 3 && reader.take(1) === 1) ones++
  if (ones === 3) {
    // A stale marker does not become the value that the next one is coded against.
    writeStale(columns.values, index)
    return
  }
  if (ones === 2) takeWindow(reader, state, 0)
  if (ones > 0) takeInWindow(reader, state, 0)
  store(columns, index, state)
}

function store(columns: Xor2Columns, index: number, state: XorState): void {
  const words = new Uint32Array(columns.values.buffer, index * 8, 2)
  words[0] = state.words[1]!
  words[1] = state.words[0]!
}
