/**
 * Arguments and environment → the frozen configuration: defaults, then the files of `-config.file`,
 * then flags. Called once, by main.ts; actors get slices. Every complaint names the key, the place
 * and what was expected, and all of them come in one error.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { AppError, fail } from '../errors/index.js'
import { coerce } from './coerce.js'
import { expandEnvironment, parseFile } from './file.js'
import { splitFlags } from './flags.js'
import { findFlag, findKey, isBlock, KNOWN, type Known, nearestFlag, nearestKey } from './lookup.js'
import type { KeyRow } from './row.js'
import { CONFIG, type ConfigKey } from './table.js'

/** Type of a key's value. */
export type ConfigValue<K extends ConfigKey> =
  (typeof CONFIG)[K] extends KeyRow<infer V> ? V : never

/** The whole configuration: dotted YAML path → value, milliseconds and bytes. Frozen. */
export type Config = { readonly [K in ConfigKey]: ConfigValue<K> }

/** The keys below a prefix, without it: what an actor is handed. Plain data. */
export type ConfigSlice<P extends string> = {
  readonly [K in ConfigKey as K extends `${P}.${infer Rest}` ? Rest : never]: ConfigValue<K>
}

/** The configuration and where it came from. */
export interface Loaded {
  readonly config: Config
  /** Keys that a file or flag set. */
  readonly given: ReadonlySet<ConfigKey>
  /** Keys that a file or flag set and that have no effect (yet). */
  readonly ignored: readonly ConfigKey[]
}

const OWN_FLAGS = new Set(['config.file', 'config.expand-env'])
const PROBLEMS_MAX = 20

/**
 * @param args flags, without the command
 * @param environment for `-config.expand-env`
 * @throws AppError `config-invalid` with a line for each complaint
 */
export async function loadConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = {},
): Promise<Loaded> {
  const problems: string[] = []
  const values = new Map<ConfigKey, unknown>()
  const split = splitFlags(args, isSwitch)
  problems.push(...split.problems)
  const own = split.flags.filter((flag) => OWN_FLAGS.has(flag.name))
  const expand = own.some((flag) => flag.name === 'config.expand-env' && flag.value !== 'false')
  for (const flag of own.filter(({ name }) => name === 'config.file')) {
    for (const file of flag.value.split(',').filter((part) => part !== '')) {
      await readInto(values, problems, file, expand ? environment : undefined)
    }
  }
  for (const flag of split.flags) {
    if (OWN_FLAGS.has(flag.name)) continue
    const known = findFlag(flag.name)
    if (known === undefined) problems.push(unknownFlag(flag.name))
    else store(values, problems, known, flag.value, `flag -${flag.name}`)
  }
  if (problems.length > 0) throw fail('config-invalid', { text: listed(problems) })
  return finished(values)
}

/** The defaults: what the server runs with when nothing is configured. */
export function defaultConfig(changes: Partial<Config> = {}): Config {
  const config: Record<string, unknown> = {}
  for (const { key, row } of KNOWN) config[key] = row.default
  return Object.freeze({ ...config, ...changes }) as Config
}

/** The keys below a prefix as a plain object: `configSlice(config, 'limits')`. */
export function configSlice<P extends string>(config: Config, prefix: P): ConfigSlice<P> {
  const slice: Record<string, unknown> = {}
  for (const { key } of KNOWN) {
    if (key.startsWith(`${prefix}.`)) slice[key.slice(prefix.length + 1)] = config[key]
  }
  return Object.freeze(slice) as ConfigSlice<P>
}

function isSwitch(name: string): boolean {
  return name === 'config.expand-env' || findFlag(name)?.row.type === 'bool'
}

async function readInto(
  values: Map<ConfigKey, unknown>,
  problems: string[],
  file: string,
  environment: Readonly<Record<string, string | undefined>> | undefined,
): Promise<void> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    problems.push(`${file}: cannot be read: ${(error as NodeJS.ErrnoException).code ?? error}`)
    return
  }
  if (environment !== undefined) text = expandEnvironment(text, environment)
  const content = await parseFile(file, text)
  problems.push(...content.problems)
  for (const leaf of content.leaves) {
    const where = `${file}:${leaf.line}:${leaf.column}`
    const known = findKey(leaf.path)
    if (known !== undefined) store(values, problems, known, leaf.raw, `${where}: ${leaf.path}`)
    else if (isBlock(leaf.path)) problems.push(`${where}: ${leaf.path}: expected a block of keys`)
    else problems.push(unknownKey(where, leaf.path))
  }
}

function store(
  values: Map<ConfigKey, unknown>,
  problems: string[],
  known: Known,
  raw: Parameters<typeof coerce>[1],
  where: string,
): void {
  const coerced = coerce(known.row, raw)
  if ('value' in coerced) values.set(known.key, coerced.value)
  else problems.push(`${where}: expected ${coerced.expected}, got ${shown(known, raw)}`)
}

function shown(known: Known, raw: unknown): string {
  return known.row.isSecret === true ? 'something else' : JSON.stringify(raw)
}

function unknownKey(where: string, path: string): string {
  if (path === '') return `${where}: expected a mapping of keys`
  const near = nearestKey(path)
  return `${where}: unknown key ${path}${near === undefined ? '' : `; did you mean ${near}?`}`
}

function unknownFlag(name: string): string {
  const near = nearestFlag(name)
  return `unknown flag -${name}${near === undefined ? '' : `; did you mean -${near}?`}`
}

function listed(problems: readonly string[]): string {
  const first = problems.slice(0, PROBLEMS_MAX)
  const more = problems.length - first.length
  return [...first, ...(more > 0 ? [`and ${more} more`] : [])].join('\n')
}

/** Storages that take from `common.storage` what they are not given themselves. */
const STORAGES = ['blocks_storage', 'ruler_storage', 'alertmanager_storage']
const COMMON = 'common.storage.'

function withCommonStorage(values: ReadonlyMap<ConfigKey, unknown>): Map<ConfigKey, unknown> {
  const all = new Map(values)
  for (const [key, value] of values) {
    if (!key.startsWith(COMMON)) continue
    for (const storage of STORAGES) {
      const own = findKey(`${storage}.${key.slice(COMMON.length)}`)
      if (own !== undefined && !values.has(own.key)) all.set(own.key, value)
    }
  }
  return all
}

function finished(values: ReadonlyMap<ConfigKey, unknown>): Loaded {
  const effective = Object.fromEntries(withCommonStorage(values))
  const config = defaultConfig(effective as Partial<Config>)
  if (config['data.dir'] === '') {
    throw new AppError('config-invalid', { text: 'data.dir: expected a folder, got ""' })
  }
  checkZones(config)
  const given = new Set(values.keys())
  const ignored = [...given].filter((key) => CONFIG[key].effect === 'none')
  return Object.freeze({ config, given, ignored })
}

/** @throws AppError `config-invalid` when there are more zones than copies of a series */
function checkZones(config: Config): void {
  const roots = zoneRoots(config)
  const copies = config['ingester.ring.replication_factor']
  if (roots.length > copies) {
    const text = `data.zone_dirs and data.dir make ${roots.length} zones, but ingester.ring.replication_factor is ${copies}: give no more zones than copies`
    throw new AppError('config-invalid', { text })
  }
  if (new Set(roots.map((root) => resolve(root))).size < roots.length) {
    throw new AppError('config-invalid', {
      text: 'data.zone_dirs: expected folders that differ from each other and from data.dir',
    })
  }
}

/** The data root of each zone; there is at least one. */
export function zoneRoots(config: Config): readonly string[] {
  return [config['data.dir'], ...config['data.zone_dirs']]
}
