/**
 * Metric cells in shared memory. A thread has one block (and further ones as it needs them), is
 * its only writer, and adds with a plain store: 10 ns. Whoever holds the block can read it without
 * asking the thread, also after the thread's death, because the block describes itself:
 *
 *   0 magic u32 | 4 text bytes used u32 | 8 slots used u32 | 12 sequence u32, odd while a line changes
 *   16 text area: per cell a line of JSON, [name, first slot, label values…]
 *   then slots f64: a counter or gauge has one; a histogram one per bucket, +Inf, sum
 *
 * Text and slots only grow; the text length is published last. A cell that is released leaves `[]` and
 * spaces in its line, which another one that is no longer takes, with its slot.
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
 * @param first of `createMetricBlock`, empty; without it nobody sees what is counted, as in a rehearsal
 * @param onBlock is handed each further block when the ones before are full; it must get to
 *   whoever renders
 */
export function openMetrics(
  first?: SharedArrayBuffer,
  onBlock: (block: SharedArrayBuffer) => void = () => {},
): Metrics {
  const cells = new Map<string, SlotCell>()
  let block = first === undefined ? undefined : new BlockWriter(first)
  let blockCount = first === undefined ? METRIC_BLOCKS_MAX : 1
  /** Cells whose lines and slots are free. */
  const released: SlotCell[] = []
  const open = (name: MetricName, labelValues: readonly string[]): SlotCell => {
    const key = keyOf(name, labelValues)
    const found = cells.get(key)
    if (found !== undefined) return found
    const row: MetricRow = METRICS[name]
    if (labelValues.length !== row.labels.length) {
      throw new Error(`metric ${name} has ${row.labels.length} labels, got ${labelValues.length}`)
    }
    let cell = reused(released, name, row, labelValues) ?? block?.add(name, row, labelValues)
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
    release: (name, ...labelValues) => {
      const key = keyOf(name, labelValues)
      const cell = cells.get(key)
      if (cell === undefined) return
      cells.delete(key)
      cell.set(0)
      if (cell.line === undefined) return
      cell.line.put('[]')
      released.push(cell)
    },
  }
}

function keyOf(name: string, labelValues: readonly string[]): string {
  if (labelValues.length > 1) return JSON.stringify([name, ...labelValues])
  return labelValues.length === 0 ? name : `${name} ${labelValues[0]}`
}

/** Released cells that are looked at for one that fits. */
const REUSE_TRIES = 16

/** A cell in the place of one that was released, the last of which come first; undefined without. */
function reused(
  released: SlotCell[],
  name: string,
  row: MetricRow,
  labelValues: readonly string[],
): SlotCell | undefined {
  if (slotCountOf(row) !== 1) return undefined
  for (let at = released.length - 1; at >= Math.max(0, released.length - REUSE_TRIES); at--) {
    const cell = released[at]!
    if (!cell.line!.put(JSON.stringify([name, cell.slot, ...labelValues]))) continue
    released[at] = released.at(-1)!
    released.pop()
    return cell
  }
  return undefined
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
  for (let tries = 1; ; tries++) {
    const sequence = Atomics.load(header, 3)
    const readings = readCells(block, header)
    const isSettled = (sequence & 1) === 0 && Atomics.load(header, 3) === sequence
    // Of a thread that died within a change its line stays as it is.
    if (isSettled || tries === READ_TRIES) return readings
  }
}

function readCells(block: SharedArrayBuffer, header: Int32Array): CellReading[] {
  const textBytes = Atomics.load(header, 1)
  // A copy: TextDecoder takes no shared memory.
  const bytes = new Uint8Array(block, HEADER_BYTES, textBytes).slice()
  const lines = new TextDecoder().decode(bytes).split('\n')
  const slots = new Float64Array(block, HEADER_BYTES + TEXT_BYTES, SLOT_COUNT)
  const readings: CellReading[] = []
  for (const line of lines.slice(0, -1)) {
    const [name, from, ...labelValues] = parsed(line)
    if (name === undefined || from === undefined || !isMetricName(name)) continue
    const values = Array.from(slots.subarray(from, from + slotCountOf(METRICS[name])))
    readings.push({ name, labelValues, values })
  }
  return readings
}

/** Attempts at a block of which lines change. */
const READ_TRIES = 8

/** A line; empty when it is of no cell, or was met in the middle of a change. */
function parsed(line: string): [name?: string, slot?: number, ...labelValues: string[]] {
  try {
    return JSON.parse(line) as [string, number, ...string[]]
  } catch {
    return []
  }
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
    const place = new Line(this.header, this.text.subarray(used, used + line.length - 1))
    return new SlotCell(this.slots, slot, row.buckets ?? [], slotCount === 1 ? place : undefined)
  }
}

/** The text of a cell in its block. */
class Line {
  private readonly header: Int32Array
  private readonly text: Uint8Array

  constructor(header: Int32Array, text: Uint8Array) {
    this.header = header
    this.text = text
  }

  /** Writes another text in its place; false when that is too long. */
  put(text: string): boolean {
    const bytes = new TextEncoder().encode(text)
    if (bytes.length > this.text.length) return false
    Atomics.add(this.header, 3, 1)
    this.text.fill(0x20)
    this.text.set(bytes)
    Atomics.add(this.header, 3, 1)
    return true
  }
}

/** A cell over its slots; the same class for all kinds, so that callers stay monomorphic. */
class SlotCell implements Cell, HistogramCell {
  private readonly slots: Float64Array
  readonly slot: number
  /** Undefined when it cannot be released. */
  readonly line: Line | undefined
  private readonly buckets: readonly number[]

  constructor(slots: Float64Array, slot: number, buckets: readonly number[], line?: Line) {
    this.slots = slots
    this.slot = slot
    this.buckets = buckets
    this.line = line
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
