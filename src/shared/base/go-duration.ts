/**
 * Durations as configuration files and flags write them: Go's notation (`1h30m`, `1.5h`, `100us`,
 * `-1s`, `0`; Go time.ParseDuration) joined with Prometheus' longer units (`30d`, `2w`, `1y`), since
 * Mimir's keys take the one or the other and users should not have to know which. Used by
 * shared/config; PromQL's own grammar is in duration.ts.
 */

const MS_PER_UNIT: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // U+00B5
  μs: 1e-3, // U+03BC
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  y: 31_536_000_000,
}

const WHOLE = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h|d|w|y))+$/
const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w|y)/g

/** Milliseconds, with fractions below one; undefined when the text is not a duration. */
export function parseGoDuration(text: string): number | undefined {
  if (/^[+-]?0$/.test(text)) return 0
  if (!WHOLE.test(text)) return undefined
  let ms = 0
  for (const [, number, unit] of text.matchAll(PART)) {
    ms += Number(number) * (MS_PER_UNIT[unit!] ?? Number.NaN)
  }
  return text.startsWith('-') ? -ms : ms
}

/** The shortest notation that {@link parseGoDuration} reads back: `13h`, `1m36s`, `30d`, `0s`. */
export function printGoDuration(ms: number): string {
  if (ms === 0) return '0s'
  let rest = Math.abs(ms)
  let text = ms < 0 ? '-' : ''
  for (const unit of ['d', 'h', 'm', 's', 'ms']) {
    const count = unit === 'ms' ? rest : Math.floor(rest / MS_PER_UNIT[unit]!)
    if (count > 0) text += `${count}${unit}`
    rest -= count * MS_PER_UNIT[unit]!
  }
  return text
}
