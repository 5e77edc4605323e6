/**
 * The stale marker: a NaN with bits of its own, 0x7ff0000000000002 (Prometheus
 * model/value/value.go). Typed arrays keep the bits, plain arrays may quiet them to
 * 0x7ff8000000000002, so both are recognised and only the first is written.
 */
const scratch = new Float64Array(1)
const words = new Uint32Array(scratch.buffer)

/** Low and high u32 of the marker. */
export const STALE_LOW = 0x00000002
export const STALE_HIGH = 0x7ff00000

/** Whether a value is the stale marker. */
export function isStale(value: number): boolean {
  if (value === value) return false
  scratch[0] = value
  return words[0] === STALE_LOW && (words[1] === STALE_HIGH || words[1] === 0x7ff80000)
}

/** Writes the marker at an index of a column. */
export function writeStale(column: Float64Array, index: number): void {
  const view = new Uint32Array(column.buffer, column.byteOffset + index * 8, 2)
  view[0] = STALE_LOW
  view[1] = STALE_HIGH
}
