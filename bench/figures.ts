/**
 * What a micro benchmark tells: lines for people, and, when `npm run bench` started it, the same
 * figures for the history and for comparisons. Smaller is better in every figure.
 */

/** One figure of a benchmark. Names are what runs are matched by: they stay. */
export interface Figure {
  readonly name: string
  readonly value: number
  /** `ns/sample` and the like; of what is not a time, `B/series`. */
  readonly unit: string
}

/** Tells a figure; `note` is for people only. */
export function report(name: string, value: number, unit: string, note = ''): void {
  if (!(value > 0 && Number.isFinite(value))) throw new Error(`${name}: ${value} is no figure`)
  const text = value < 100 ? value.toFixed(1) : value.toFixed(0)
  const tail = note === '' ? '' : `, ${note}`
  process.stdout.write(`${name.padEnd(46)} ${text.padStart(9)} ${unit}${tail}\n`)
  process.send?.({ name, value, unit } satisfies Figure)
}

/** Whether a message of a benchmark is a figure. */
export function isFigure(message: unknown): message is Figure {
  const { name, value, unit } = (message ?? {}) as Partial<Figure>
  return typeof name === 'string' && typeof value === 'number' && typeof unit === 'string'
}
