/**
 * OTLP names to Prometheus names, under a tenant's strategy. Follows the OpenTelemetry
 * specification, "Prometheus and OpenMetrics Compatibility" (OTLP metric points to Prometheus), and
 * what Mimir makes of it.
 *
 * Texts are byte strings: one character per byte of UTF-8 ('latin1'), so that what is not valid
 * UTF-8 arrives at validation as it was sent.
 */

/** What is allowed in names, and what is added to them. */
export interface OtlpNaming {
  /** Characters outside `[a-zA-Z0-9_:]` become underscores. */
  readonly escapes: boolean
  /** Units and types are appended to metric names. */
  readonly hasSuffixes: boolean
  /** A label name with one leading underscore gets `key` in front. */
  readonly prefixesUnderscore: boolean
  /** Runs of underscores in label names stay. */
  readonly keepsUnderscores: boolean
}

/** What a name may say about its metric's kind. */
export type NamedKind = 'counter' | 'gauge' | 'other'

/** One character outside a metric name: a whole UTF-8 sequence is one. */
const NOT_METRIC = /[\xc0-\xff][\x80-\xbf]*|[^a-zA-Z0-9:_]/g
const NOT_LABEL = /[\xc0-\xff][\x80-\xbf]*|[^a-zA-Z0-9_]/g
const NOT_TOKEN = /[^a-zA-Z0-9:]+/

/** Units by their UCUM code. */
const UNITS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    d: 'days',
    h: 'hours',
    min: 'minutes',
    s: 'seconds',
    ms: 'milliseconds',
    us: 'microseconds',
    ns: 'nanoseconds',
    By: 'bytes',
    KiBy: 'kibibytes',
    MiBy: 'mebibytes',
    GiBy: 'gibibytes',
    TiBy: 'tibibytes',
    KBy: 'kilobytes',
    MBy: 'megabytes',
    GBy: 'gigabytes',
    TBy: 'terabytes',
    m: 'meters',
    V: 'volts',
    A: 'amperes',
    J: 'joules',
    W: 'watts',
    g: 'grams',
    Cel: 'celsius',
    Hz: 'hertz',
    '1': '',
    '%': 'percent',
  }),
)

/** What follows the slash. */
const PER_UNITS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    s: 'second',
    m: 'minute',
    h: 'hour',
    d: 'day',
    w: 'week',
    mo: 'month',
    y: 'year',
  }),
)

/** The name of a metric; '' when nothing of it is left. */
export function metricName(
  naming: OtlpNaming,
  metric: { readonly name: string; readonly unit: string; readonly kind: NamedKind },
): string {
  const name = naming.escapes ? escapedName(naming, metric) : plainName(naming, metric)
  return naming.escapes && name !== metric.name && /^_*$/.test(name) ? '' : name
}

function escapedName(
  naming: OtlpNaming,
  { name, unit, kind }: { name: string; unit: string; kind: NamedKind },
): string {
  if (!naming.hasSuffixes) {
    const parts = name.split(NOT_METRIC).filter((part) => part !== '')
    return guardDigit(parts.join('_'))
  }
  let tokens = name.split(NOT_TOKEN).filter((token) => token !== '')
  const [main, per] = unitWords(unit)
  let mainWord = cleanUnit(main)
  let perWord = cleanUnit(per)
  if (tokens.includes(mainWord)) mainWord = ''
  perWord = perWord === 'per_' ? '' : perWord.replace(/_$/, '')
  if (tokens.includes(perWord)) perWord = ''
  if (perWord !== '') mainWord = mainWord.replace(/_$/, '')
  tokens.push(...[mainWord, perWord].filter((word) => word !== ''))
  const last = kind === 'counter' ? 'total' : unit === '1' && kind === 'gauge' ? 'ratio' : ''
  if (last !== '') tokens = [...tokens.filter((token) => token !== last), last]
  return guardDigit(tokens.join('_'))
}

/** Names with any characters: suffixes are put at the end once. */
function plainName(
  naming: OtlpNaming,
  { name, unit, kind }: { name: string; unit: string; kind: NamedKind },
): string {
  if (!naming.hasSuffixes) return name
  const [main, per] = unitWords(unit)
  const suffixes: string[] = []
  let rest = name
  const take = (suffix: string): void => {
    suffixes.unshift(suffix)
    if (rest.endsWith(suffix) && rest.length > suffix.length + 1) {
      rest = rest.slice(0, rest.length - suffix.length - 1)
    }
  }
  if (unit === '1' && kind === 'gauge') take('ratio')
  if (kind === 'counter') take('total')
  if (per !== '') take(per)
  if (main !== '' && !rest.endsWith(main)) rest = `${rest}_${main}`
  return [rest, ...suffixes].join('_')
}

function guardDigit(name: string): string {
  return /^[0-9]/.test(name) ? `_${name}` : name
}

/** Unit and per-unit as words; what is in braces is no unit. */
function unitWords(unit: string): [main: string, per: string] {
  const slash = unit.indexOf('/')
  const main = (slash < 0 ? unit : unit.slice(0, slash)).trim()
  const per = slash < 0 ? '' : unit.slice(slash + 1).trim()
  return [
    /[{}]/.test(main) ? '' : (UNITS.get(main) ?? main),
    per === '' || /[{}]/.test(per) ? '' : `per_${PER_UNITS.get(per) ?? per}`,
  ]
}

function cleanUnit(unit: string): string {
  return unit
    .replace(/[\xc0-\xff][\x80-\xbf]*|[^a-zA-Z0-9:]/g, '_')
    .replace(/__+/g, '_')
    .replace(/^_/, '')
}

/** The name of a label; '' when nothing of it is left. */
export function labelName(naming: OtlpNaming, key: string): string {
  if (key === '' || !naming.escapes) return key
  const name = cleanLabel(naming, key)
  if (/^[0-9]/.test(name)) return `key_${name}`
  if (naming.prefixesUnderscore && name.startsWith('_') && !name.startsWith('__')) {
    return `key${name}`
  }
  return name !== key && /^_*$/.test(name) ? '' : name
}

function cleanLabel(naming: OtlpNaming, key: string): string {
  if (naming.keepsUnderscores) return key.replace(NOT_LABEL, '_')
  const isReserved = key.length > 4 && key.startsWith('__') && key.endsWith('__')
  const inner = isReserved ? key.slice(2, -2) : key
  const name = inner.replace(NOT_LABEL, '_').replace(/__+/g, '_')
  return isReserved ? `__${name}__` : name
}
