/**
 * What a row of the configuration table is made of, and the builders that keep a row on a line.
 * A row says how a key is written (type, unit, default), what it is for, and whether it does
 * anything yet: Mimir's keys are all accepted and checked, so that its files load, but those with
 * effect `none` change nothing.
 */

/** How the text of a value is read; each has its coercion in coerce.ts. */
export type ValueType =
  | 'bool'
  | 'int'
  | 'float'
  | 'size'
  | 'duration'
  | 'string'
  | 'choice'
  | 'list'
  | 'durations'
  | 'open'

/** One key of the table. `V` is the type of its value in the loaded configuration. */
export interface KeyRow<V> {
  readonly type: ValueType
  readonly default: V
  readonly doc: string
  /** `yes`: changes what the server does. `none`: accepted and checked, without effect so far. */
  readonly effect: 'yes' | 'none'
  /** Why a key has no effect, where it never will: what it tunes is not there, or done otherwise. */
  readonly why?: string
  /** Flag as Mimir spells it, where it is not the key with dashes; '' when there is no flag. */
  readonly flag?: string
  /** The words that a `choice` knows. */
  readonly choices?: readonly string[]
  /** Least and greatest value of a number. */
  readonly least?: number
  readonly most?: number
  /** Mimir's default, where ours is another. */
  readonly mimirDefault?: V
  /** Never shown, neither by /config nor in a log. */
  readonly isSecret?: boolean
}

/** What a builder takes beside default and doc line. */
export type RowOptions = Partial<
  Pick<KeyRow<unknown>, 'effect' | 'why' | 'flag' | 'least' | 'most' | 'isSecret' | 'mimirDefault'>
>

/** Rows by the part of the key after a common prefix. */
export type Rows = Readonly<Record<string, KeyRow<unknown>>>

function row<V>(type: ValueType, value: V, doc: string, options: RowOptions): KeyRow<V> {
  return { type, default: value, doc, effect: 'none', ...(options as Partial<KeyRow<V>>) }
}

/** A switch: true or false. */
export function bool(value: boolean, doc: string, options: RowOptions = {}): KeyRow<boolean> {
  return row('bool', value, doc, options)
}

/** A whole number, at least 0 unless the row says otherwise. */
export function int(value: number, doc: string, options: RowOptions = {}): KeyRow<number> {
  return row('int', value, doc, { least: 0, ...options })
}

/** A number. */
export function float(value: number, doc: string, options: RowOptions = {}): KeyRow<number> {
  return row('float', value, doc, { least: 0, ...options })
}

/** Bytes, given as a number or with a suffix (`100MiB`). */
export function size(value: number, doc: string, options: RowOptions = {}): KeyRow<number> {
  return row('size', value, doc, { least: 0, ...options })
}

/** A duration, milliseconds in the configuration, Go's or Prometheus' notation in a file or flag. */
export function duration(value: number, doc: string, options: RowOptions = {}): KeyRow<number> {
  return row('duration', value, doc, { least: 0, ...options })
}

/** Any text. */
export function text(value: string, doc: string, options: RowOptions = {}): KeyRow<string> {
  return row('string', value, doc, options)
}

/** One of some words. */
export function choice<const C extends readonly string[]>(
  choices: C,
  value: C[number],
  doc: string,
  options: RowOptions = {},
): KeyRow<C[number]> {
  return { ...row<C[number]>('choice', value, doc, options), choices }
}

/** Words: a YAML list, or text with commas between. */
export function list(
  value: readonly string[],
  doc: string,
  options: RowOptions = {},
): KeyRow<readonly string[]> {
  return row('list', value, doc, options)
}

/** Durations in milliseconds: a YAML list, or text with commas between. */
export function durations(
  value: readonly number[],
  doc: string,
  options: RowOptions = {},
): KeyRow<readonly number[]> {
  return row('durations', value, doc, { least: 0, ...options })
}

/** Any YAML below this key, taken as it is: maps, lists of maps, blocks of parts that we lack. */
export function open(doc: string, options: RowOptions = {}): KeyRow<unknown> {
  return row<unknown>('open', undefined, doc, options)
}

/** The same rows, which have an effect. */
export function used<R extends Rows>(rows: R): R {
  const changed: Record<string, KeyRow<unknown>> = {}
  for (const [name, value] of Object.entries(rows)) changed[name] = { ...value, effect: 'yes' }
  return changed as R
}

/** The same rows below a prefix: `under('ingester.ring', RING)`. */
export function under<P extends string, R extends Rows>(
  prefix: P,
  rows: R,
): { readonly [K in keyof R & string as `${P}.${K}`]: R[K] } {
  const named: Record<string, KeyRow<unknown>> = {}
  for (const [name, value] of Object.entries(rows)) named[`${prefix}.${name}`] = value
  return named as { readonly [K in keyof R & string as `${P}.${K}`]: R[K] }
}

/**
 * The flag of a key by Mimir's rule: dashes for underscores, and the block `frontend` is spelled
 * `query-frontend`. Rows name the exceptions; '' means that there is none.
 */
export function flagOf(key: string, row: KeyRow<unknown>): string {
  return row.flag ?? key.replace(/^frontend\./, 'query-frontend.').replaceAll('_', '-')
}
