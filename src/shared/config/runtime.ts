/**
 * The runtime configuration file: per-tenant `overrides` of limits and process-wide limits that may
 * change while the server runs (`runtime_config.file`; Mimir's structure). Text → checked values, all
 * or nothing; and values → YAML for `/runtime_config`. Reading the file again and again is the
 * supervisor's business.
 */
import { fail } from '../errors/index.js'
import { coerce } from './coerce.js'
import { type Leaf, parseFile } from './file.js'
import { findKey, nearestName } from './lookup.js'
import { masked, printValue } from './print.js'
import type { KeyRow } from './row.js'
import { LIMITS } from './table-limits.js'

/** Name of a per-tenant limit. */
export type LimitName = keyof typeof LIMITS

/** All limits of a tenant, by their names; milliseconds and bytes. */
export type LimitValues = {
  readonly [K in LimitName]: (typeof LIMITS)[K] extends KeyRow<infer V> ? V : never
}

/** Process-wide limits by the last part of their keys (`max_series`); only those that are given. */
export type InstanceLimitValues = Readonly<Record<string, number>>

/** What the files say. Plain data. */
export interface RuntimeConfig {
  /** Tenant → the limits that it has of its own. */
  readonly overrides: ReadonlyMap<string, Partial<LimitValues>>
  /** `distributor_limits`: in place of `distributor.instance_limits`. */
  readonly distributorLimits: InstanceLimitValues
  /** `ingester_limits`: in place of `ingester.instance_limits`. */
  readonly ingesterLimits: InstanceLimitValues
}

/** A file as read. */
export interface RuntimeFile {
  readonly name: string
  readonly text: string
}

/** Nothing is overridden. */
export const EMPTY_RUNTIME: RuntimeConfig = {
  overrides: new Map(),
  distributorLimits: {},
  ingesterLimits: {},
}

const INSTANCE_BLOCKS = {
  distributor_limits: 'distributor.instance_limits',
  ingester_limits: 'ingester.instance_limits',
} as const
type InstanceBlock = keyof typeof INSTANCE_BLOCKS
const TOP = ['overrides', 'ingester_limits', 'distributor_limits', 'multi_kv_config']
const PROBLEMS_MAX = 20

/** What is gathered over all files. */
interface Gathered {
  readonly overrides: Map<string, Record<string, unknown>>
  readonly distributor_limits: Record<string, number>
  readonly ingester_limits: Record<string, number>
  readonly problems: string[]
}

/**
 * Reads the files, later ones over earlier ones.
 *
 * @throws AppError `config-invalid` with a line for each complaint
 */
export async function parseRuntimeConfig(files: readonly RuntimeFile[]): Promise<RuntimeConfig> {
  const gathered: Gathered = {
    overrides: new Map(),
    distributor_limits: {},
    ingester_limits: {},
    problems: [],
  }
  for (const { name, text } of files) {
    const content = await parseFile(name, text, isRuntimeBlock)
    gathered.problems.push(...content.problems)
    for (const leaf of content.leaves) store(gathered, name, leaf)
  }
  const { problems } = gathered
  if (problems.length > 0) {
    const more = problems.length - PROBLEMS_MAX
    const text = problems.slice(0, PROBLEMS_MAX).join('\n')
    throw fail('config-invalid', { text: more > 0 ? `${text}\nand ${more} more` : text })
  }
  return {
    overrides: gathered.overrides as Map<string, Partial<LimitValues>>,
    distributorLimits: gathered.distributor_limits,
    ingesterLimits: gathered.ingester_limits,
  }
}

/** Limits as YAML, an indented line each; `base` leaves out those that are as there. */
export function printLimits(
  values: Partial<LimitValues>,
  indent: string,
  base?: LimitValues,
): string[] {
  const lines: string[] = []
  for (const name of Object.keys(LIMITS) as LimitName[]) {
    const value = values[name]
    if (value === undefined) continue
    if (base !== undefined && JSON.stringify(value) === JSON.stringify(base[name])) continue
    const known = findKey(`limits.${name}`)!
    lines.push(`${indent}${name}: ${printValue(known, value)}`)
  }
  return lines
}

function isRuntimeBlock(keys: readonly string[]): boolean {
  if (keys.length === 0) return true
  if (keys[0] === 'overrides') return keys.length < 3
  return keys.length === 1 && Object.hasOwn(INSTANCE_BLOCKS, keys[0]!)
}

function store(gathered: Gathered, file: string, leaf: Leaf): void {
  const { keys, raw } = leaf
  const where = `${file}:${leaf.line}:${leaf.column}`
  const complain = (text: string): void => {
    gathered.problems.push(`${where}: ${text}`)
  }
  const [top = '', name = '', key = ''] = keys
  if (!TOP.includes(top)) complain(unknown(top, TOP))
  else if (top === 'multi_kv_config') return
  else if (isRuntimeBlock(keys)) complain(`${leaf.path}: expected a block of keys`)
  else if (top === 'overrides') {
    const row = Object.hasOwn(LIMITS, key) ? findKey(`limits.${key}`)?.row : undefined
    if (row === undefined) complain(unknown(key, Object.keys(LIMITS), `overrides of ${name}: `))
    else if (raw !== null) {
      const value = coerce(row, raw)
      if ('expected' in value) {
        const got = JSON.stringify(masked(raw))
        complain(`overrides of ${name}: ${key}: expected ${value.expected}, got ${got}`)
        return
      }
      const limits = gathered.overrides.get(name) ?? {}
      gathered.overrides.set(name, limits)
      limits[key] = value.value
    }
  } else storeInstanceLimit(gathered, top as InstanceBlock, name, raw, complain)
}

function storeInstanceLimit(
  gathered: Gathered,
  block: InstanceBlock,
  name: string,
  raw: Leaf['raw'],
  complain: (text: string) => void,
): void {
  const row = findKey(`${INSTANCE_BLOCKS[block]}.${name}`)?.row
  if (row === undefined) {
    complain(unknown(`${block}.${name}`, []))
    return
  }
  if (raw === null) return
  const value = coerce(row, raw)
  if ('expected' in value) complain(`${block}.${name}: expected ${value.expected}`)
  else gathered[block][name] = value.value as number
}

function unknown(name: string, candidates: readonly string[], before = ''): string {
  const near = nearestName(name, candidates)
  return `${before}unknown key ${name}${near === undefined ? '' : `; did you mean ${near}?`}`
}
