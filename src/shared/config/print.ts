/**
 * The configuration as YAML in Mimir's structure, for `/config` and `nilo check-config`: nested
 * blocks, durations and bytes as a file would give them, secrets masked, and a comment where a key
 * that was set has no effect.
 */
import { printGoDuration } from '../base/go-duration.js'
import { type Config, zoneRoots } from './load.js'
import { KNOWN, type Known } from './lookup.js'

/** What to print: all keys, those that differ from the default, or the defaults. */
export type PrintMode = 'all' | 'diff' | 'defaults'

const MASK = '********'
const SECRET_NAME = /password|secret|token$|access_key|_key$|credentials/

interface Block {
  readonly keys: Map<string, Block | string>
}

/** The effective configuration as YAML text. */
export function printConfig(config: Config, mode: PrintMode = 'all'): string {
  const root: Block = { keys: new Map() }
  for (const known of KNOWN) {
    const value = mode === 'defaults' ? known.row.default : config[known.key]
    const isDefault = JSON.stringify(value) === JSON.stringify(known.row.default)
    if (mode === 'diff' && isDefault) continue
    if (known.row.type === 'open' && value === undefined) continue
    const isIdle = !isDefault && known.row.effect === 'none'
    const note = isIdle ? idleNote(known) : noteOf(known, config)
    put(root, known.key.split('.'), printValue(known, value) + note)
  }
  const lines: string[] = []
  printBlock(root, '', lines)
  return lines.length === 0 ? '{}\n' : `${lines.join('\n')}\n`
}

function idleNote({ why, row }: Known): string {
  return ` # no effect: ${why === '' ? row.doc.replace(/\.$/, '') : why}`
}

/** What is in force instead of what is written. */
function noteOf({ key }: Known, config: Config): string {
  if (key !== 'ingester.ring.replication_factor') return ''
  const zones = zoneRoots(config).length
  return config[key] > zones ? ` # ${zones} in force: there is no more than ${zones} zone(s)` : ''
}

/** One value as it would stand in a file, on one line. */
export function printValue(known: Known, value: unknown): string {
  if (known.row.isSecret === true) return value === '' ? '""' : MASK
  if (known.row.type === 'duration') return printGoDuration(value as number)
  if (known.row.type === 'durations') {
    return `[${(value as readonly number[]).map(printGoDuration).join(', ')}]`
  }
  if (known.row.type === 'open') return JSON.stringify(masked(value)) ?? '{}'
  return typeof value === 'string' && /^[\w./*-]*[a-z/][\w./*-]*$/i.test(value) && !isWord(value)
    ? value
    : JSON.stringify(value)
}

/** Text that a reader of YAML 1.1 would take for a switch or null. */
function isWord(value: string): boolean {
  return /^(true|false|yes|no|on|off|y|n|null)$/i.test(value)
}

/** A value with what looks like a secret in it masked. */
export function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) =>
      SECRET_NAME.test(key) && typeof inner === 'string' ? [key, MASK] : [key, masked(inner)],
    ),
  )
}

function put(block: Block, path: readonly string[], text: string): void {
  const [head, ...rest] = path as [string, ...string[]]
  if (rest.length === 0) {
    block.keys.set(head, text)
    return
  }
  let inner = block.keys.get(head)
  if (inner === undefined || typeof inner === 'string') {
    inner = { keys: new Map() }
    block.keys.set(head, inner)
  }
  put(inner, rest, text)
}

function printBlock(block: Block, indent: string, lines: string[]): void {
  for (const [key, value] of block.keys) {
    if (typeof value === 'string') lines.push(`${indent}${key}: ${value}`)
    else {
      lines.push(`${indent}${key}:`)
      printBlock(value, `${indent}  `, lines)
    }
  }
}
