/**
 * A YAML configuration file → its leaves: dotted path, untyped value, line. YAML 1.2 with the schema
 * that knows no types (`failsafe`), so that the table alone decides what a value is. Package `yaml`
 * gives lines and refuses duplicate keys and alias bombs; it is imported when a file is read.
 */
import type { Node } from 'yaml'
import type { Raw } from './coerce.js'
import { findKey, isBlock } from './lookup.js'

/** One key of the file. `column` and `line` count from 1. */
export interface Leaf {
  /** `keys` with dots between. */
  readonly path: string
  readonly keys: readonly string[]
  readonly raw: Raw
  readonly line: number
  readonly column: number
}

/** What a file holds: its leaves, and complaints about its YAML. */
export interface FileContent {
  readonly leaves: readonly Leaf[]
  readonly problems: readonly string[]
}

/** Replaces `${NAME}` and `${NAME:default}`; a name that is not set and has no default is empty. */
export function expandEnvironment(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  return text.replace(/\$\{(\w+)(?::([^}]*))?\}/g, (_, name: string, otherwise?: string) => {
    return environment[name] ?? otherwise ?? ''
  })
}

/**
 * @param name of the file, for complaints
 * @param isInner whether keys lead to a block of further keys, and not to a value
 */
export async function parseFile(
  name: string,
  text: string,
  isInner: (keys: readonly string[]) => boolean = isConfigBlock,
): Promise<FileContent> {
  const { isAlias, isMap, isScalar, LineCounter, parseAllDocuments } = await import('yaml')
  const lines = new LineCounter()
  const parsed = parseAllDocuments(text, { lineCounter: lines, schema: 'failsafe' })
  const documents = Array.isArray(parsed) ? parsed : []
  const problems: string[] = []
  for (const error of documents.flatMap((document) => document.errors)) {
    const at = error.linePos?.[0]
    problems.push(
      `${name}:${at?.line ?? 1}:${at?.col ?? 1}: ${error.message.split(' at line ')[0]}`,
    )
  }
  if (documents.length > 1) problems.push(`${name}: one YAML document expected`)
  const document = documents[0]
  const leaves: Leaf[] = []
  if (problems.length > 0 || document === undefined) return { leaves, problems }

  const at = (node: unknown): { line: number; col: number } => {
    const offset = (node as { range?: readonly number[] } | null)?.range?.[0] ?? 0
    return lines.linePos(offset)
  }
  const rawOf = (node: Node | null): Raw => {
    if (node === null) return null
    if (isScalar(node)) return isNull(node.value, node.type) ? null : String(node.value)
    return node.toJS(document, { maxAliasCount: 100 }) as Raw
  }
  const walk = (
    node: Node | null,
    keys: readonly string[],
    here: { line: number; col: number },
  ): void => {
    const isBlockOfKeys = isInner(keys)
    if (!isBlockOfKeys || !isMap(node)) {
      const raw = rawOf(node)
      // An empty block (`server:`) is a block without keys.
      if (isBlockOfKeys && raw === null) return
      leaves.push({ path: keys.join('.'), keys, raw, line: here.line, column: here.col })
      return
    }
    for (const pair of node.items) {
      const key = isScalar(pair.key) ? String(pair.key.value) : '?'
      const target = pair.value as Node | null
      const value = isAlias(target) ? (target.resolve(document) ?? null) : target
      walk(value, [...keys, key], at(pair.key))
    }
  }
  walk(document.contents as Node | null, [], { line: 1, col: 1 })
  return { leaves, problems }
}

/** The blocks of the configuration file. */
function isConfigBlock(keys: readonly string[]): boolean {
  const path = keys.join('.')
  return path === '' || (isBlock(path) && findKey(path)?.row.type !== 'open')
}

function isNull(value: unknown, type: string | undefined): boolean {
  return value === null || (type === 'PLAIN' && /^(~|null|Null|NULL)?$/.test(String(value)))
}
