/**
 * Metric cells in shared memory. A thread has one block (and further ones as it needs them), is
 * its only writer, and adds with a plain store: 10 ns. Whoever holds the block can read it without
 * asking the thread, also after the thread's death, because the block describes itself:
 *
 *   0 magic u32 | 4 text bytes used u32 | 8 slots used u32 | 12 zero
 *   16 text area: per cell a line of JSON, [name, first slot, label values…]
 *   then slots f64: a counter or gauge has one; a histogram one per bucket, +Inf, sum
 *
 * Text and slots only grow; the text length is published last.
 */
import type { Cell, HistogramCell, Metrics } from './metrics.js'
import { METRICS, type MetricName, type MetricRow } from './table.js'

const MAGIC = 0x6d657472
const HEADER_BYTES = 16
const TEXT_BYTES = 384 * 1024
const SLOT_COUNT = 16 * 1024
const BLOCK_BYTES = HEADER_BYTES + TEXT_BYTES + SLOT_COUNT * 8
/** Blocks per thread; beyond, cells still work but nobody sees them. */
export const METRIC_BLOCKS_MAX = 16

/** A block for the cells of one thread. Memory that is not touched costs nothing. */
export function createMetricBlock(): SharedArrayBuffer {
  const block = new SharedArrayBuffer(BLOCK_BYTES)
  new Uint32Array(block, 0, 1)[0] = MAGIC
  return block
}

/**
 * The metrics of this thread.
 *
 * @param first of `createMetricBlock`, empty
 * @param onBlock is handed each further block when the ones before are full; it must get to
 *   whoever renders
 */
export function openMetrics(
  first: SharedArrayBuffer,
  onBlock: (block: SharedArrayBuffer) => void,
): Metrics {
  const cells = new Map<string, Cell & HistogramCell>()
  let block = new BlockWriter(first)
  let blockCount = 1
  const open = (name: MetricName, labelValues: readonly string[]): Cell & HistogramCell => {
    const key =
      labelValues.length > 1
        ? JSON.stringify([name, ...labelValues])
        : labelValues.length === 0
          ? name
          : `${name} ${labelValues[0]}`
    const found = cells.get(key)
    if (found !== undefined) return found
    const row: MetricRow = METRICS[name]
    if (labelValues.length !== row.labels.length) {
      throw new Error(`metric ${name} has ${row.labels.length} labels, got ${labelValues.length}`)
    }
    let cell = block.add(name, row, labelValues)
    if (cell === undefined && blockCount < METRIC_BLOCKS_MAX) {
      const next = createMetricBlock()
      block = new BlockWriter(next)
      blockCount++
      onBlock(next)
      cell = block.add(name, row, labelValues)
    }
    cell ??= new SlotCell(new Float64Array(slotCountOf(row)), 0, row.buckets ?? [])
    cells.set(key, cell)
    return cell
  }
  return {
    cell: (name, ...labelValues) => open(name, labelValues),
    histogram: (name, ...labelValues) => open(name, labelValues),
  }
}

/** One cell as read from a block. */
export interface CellReading {
  readonly name: MetricName
  readonly labelValues: readonly string[]
  /** One value, or per bucket (not cumulated), +Inf, sum. */
  readonly values: readonly number[]
}

/** Reads all cells of a block, of this or another thread. Names that the table lost are left out. */
export function readMetricBlock(block: SharedArrayBuffer): CellReading[] {
  const header = new Int32Array(block, 0, 4)
  if (header[0] !== MAGIC) throw new RangeError('not a block of metrics')
  const textBytes = Atomics.load(header, 1)
  // A copy: TextDecoder takes no shared memory.
  const bytes = new Uint8Array(block, HEADER_BYTES, textBytes).slice()
  const lines = new TextDecoder().decode(bytes).split('\n')
  const slots = new Float64Array(block, HEADER_BYTES + TEXT_BYTES, SLOT_COUNT)
  const readings: CellReading[] = []
  for (const line of lines.slice(0, -1)) {
    const [name, from, ...labelValues] = JSON.parse(line) as [string, number, ...string[]]
    if (!isMetricName(name)) continue
    const values = Array.from(slots.subarray(from, from + slotCountOf(METRICS[name])))
    readings.push({ name, labelValues, values })
  }
  return readings
}

function isMetricName(name: string): name is MetricName {
  return Object.hasOwn(METRICS, name)
}

function slotCountOf(row: MetricRow): number {
  return row.type === 'histogram' ? (row.buckets ?? []).length + 2 : 1
}

/** Lays out cells in one block. */
class BlockWriter {
  private readonly header: Int32Array
  private readonly text: Uint8Array
  private readonly slots: Float64Array

  constructor(block: SharedArrayBuffer) {
    this.header = new Int32Array(block, 0, 4)
    this.text = new Uint8Array(block, HEADER_BYTES, TEXT_BYTES)
    this.slots = new Float64Array(block, HEADER_BYTES + TEXT_BYTES, SLOT_COUNT)
  }

  /** A new cell, or undefined when the block is full. */
  add(name: string, row: MetricRow, labelValues: readonly string[]): SlotCell | undefined {
    const slot = this.header[2]!
    const line = new TextEncoder().encode(`${JSON.stringify([name, slot, ...labelValues])}\n`)
    const used = this.header[1]!
    const slotCount = slotCountOf(row)
    if (used + line.length > TEXT_BYTES || slot + slotCount > SLOT_COUNT) return undefined
    this.text.set(line, used)
    this.header[2] = slot + slotCount
    Atomics.store(this.header, 1, used + line.length)
    return new SlotCell(this.slots, slot, row.buckets ?? [])
  }
}

/** A cell over its slots; the same class for all kinds, so that callers stay monomorphic. */
class SlotCell implements Cell, HistogramCell {
  private readonly slots: Float64Array
  private readonly slot: number
  private readonly buckets: readonly number[]

  constructor(slots: Float64Array, slot: number, buckets: readonly number[]) {
    this.slots = slots
    this.slot = slot
    this.buckets = buckets
  }

  add(value: number): void {
    this.slots[this.slot]! += value
  }

  set(value: number): void {
    this.slots[this.slot] = value
  }

  observe(value: number): void {
    const count = this.buckets.length
    let bucket = 0
    while (bucket < count && value > this.buckets[bucket]!) bucket++
    this.slots[this.slot + bucket]! += 1
    this.slots[this.slot + count + 1]! += value
  }
}
