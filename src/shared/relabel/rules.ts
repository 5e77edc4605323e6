/**
 * Relabel rules as Prometheus has them (model/relabel; documentation "relabel_config"): parsed once
 * from their YAML, then applied to label sets. Labels come and go sorted by name.
 */
import { createHash } from 'node:crypto'
import { fail } from '../errors/index.js'
import { compareUtf8, type Label, type Labels } from '../model/labels.js'
import { compileRegex, compileReplacer, type LabelRegex, type Replacer } from '../model/regex.js'

/** Rewrites a label set; undefined when the series is dropped. */
export type Relabeler = (labels: Labels) => Labels | undefined

const ACTIONS = [
  'replace',
  'keep',
  'drop',
  'keepequal',
  'dropequal',
  'hashmod',
  'labelmap',
  'labeldrop',
  'labelkeep',
  'lowercase',
  'uppercase',
] as const
type Action = (typeof ACTIONS)[number]

/** Those that put nothing down. */
const SELECTING: ReadonlySet<Action> = new Set([
  'keep',
  'drop',
  'keepequal',
  'dropequal',
  'labelkeep',
  'labeldrop',
])

const KEYS = [
  'source_labels',
  'separator',
  'target_label',
  'regex',
  'modulus',
  'replacement',
  'action',
]
const RULES_MAX = 1_000

interface Rule {
  readonly action: Action
  readonly sourceLabels: readonly string[]
  readonly separator: string
  readonly targetLabel: string
  readonly regex: LabelRegex
  readonly replacer: Replacer
  readonly replacement: string
  readonly modulus: bigint
}

type Working = Map<string, string>

/** A rule that drops a whole series, or does not, by values of some labels. */
export interface RelabelTest {
  /** Number of the rule, from 0: labels that rules before it drop have no value. */
  readonly rule: number
  /** Labels whose values it looks at. */
  readonly reads: readonly string[]
  /** Whether a series with such values stays; a label that is not there has an empty one. */
  passes(values: readonly string[]): boolean
}

/** Rules that drop labels and series, and change nothing else: no text need be made of what they keep. */
export interface RelabelSelection {
  /** Number of the first rule that drops labels of a name; Infinity: they stay. */
  droppedBy(name: string): number
  readonly tests: readonly RelabelTest[]
}

/** Rules as a selection; undefined where one of them puts something down. @throws as compileRelabel */
export function compileSelection(config: unknown): RelabelSelection | undefined {
  const rules = parseRules(config)
  if (!rules.every(({ action }) => SELECTING.has(action))) return undefined
  const tests = rules.flatMap((rule, at) => (isRename(rule) ? [] : [testOf(rule, at)]))
  const droppedBy = (name: string): number => {
    const at = rules.findIndex((rule) => isRename(rule) && dropsLabel(rule, name))
    return at < 0 ? Number.POSITIVE_INFINITY : at
  }
  return { droppedBy, tests }
}

function testOf(rule: Rule, at: number): RelabelTest {
  const reads = [...rule.sourceLabels]
  if (rule.action === 'keepequal' || rule.action === 'dropequal') reads.push(rule.targetLabel)
  return {
    rule: at,
    reads,
    passes: (values) => apply(rule, new Map(reads.map((name, i) => [name, values[i]!]))),
  }
}

/**
 * Compiles a list of rules, as YAML without types gives it; undefined and an empty list change nothing.
 *
 * @throws AppError `config-invalid` that names the rule by its number
 */
export function compileRelabel(config: unknown): Relabeler {
  const rules = parseRules(config)
  if (rules.length === 0) return (labels) => labels
  return (labels) => {
    const working: Working = new Map(labels.map(({ name, value }) => [name, value]))
    for (const rule of rules) if (!apply(rule, working)) return undefined
    return sorted(working)
  }
}

function parseRules(config: unknown): Rule[] {
  if (config === undefined || config === null) return []
  if (!Array.isArray(config)) throw invalid(0, 'expected a list of rules')
  if (config.length > RULES_MAX) throw invalid(RULES_MAX, `at most ${RULES_MAX} rules`)
  return config.map((raw: unknown, at) => parseRule(raw, at + 1))
}

function parseRule(raw: unknown, number: number): Rule {
  if (raw === null || typeof raw !== 'object' || Array.isArray(raw)) {
    throw invalid(number, 'expected keys and values')
  }
  const fields = raw as Readonly<Record<string, unknown>>
  for (const key of Object.keys(fields)) {
    if (!KEYS.includes(key)) throw invalid(number, `unknown key ${key}`)
  }
  const text = (key: string, otherwise: string): string => {
    const value = fields[key] ?? otherwise
    if (typeof value !== 'string') throw invalid(number, `${key}: expected text`)
    return value
  }
  const action = text('action', 'replace').toLowerCase() as Action
  if (!ACTIONS.includes(action)) throw invalid(number, `unknown action ${action}`)
  const sources = fields.source_labels ?? []
  if (!Array.isArray(sources) || sources.some((name) => typeof name !== 'string')) {
    throw invalid(number, 'source_labels: expected a list of names')
  }
  const targetLabel = text('target_label', '')
  const modulus = text('modulus', '0')
  if (!/^\d{1,19}$/.test(modulus)) throw invalid(number, 'modulus: expected a whole number')
  const isAimed = !['keep', 'drop', 'labelmap', 'labeldrop', 'labelkeep'].includes(action)
  if (isAimed && targetLabel === '') throw invalid(number, `${action} needs a target_label`)
  if (action === 'hashmod' && modulus === '0') throw invalid(number, 'hashmod needs a modulus')
  const pattern = text('regex', '(.*)')
  try {
    return {
      action,
      sourceLabels: sources as string[],
      separator: text('separator', ';'),
      targetLabel,
      regex: compileRegex(pattern),
      replacer: compileReplacer(pattern),
      replacement: text('replacement', '$1'),
      modulus: BigInt(modulus),
    }
  } catch (error) {
    throw invalid(number, error instanceof Error ? error.message : String(error))
  }
}

function invalid(number: number, text: string): Error {
  return fail('config-invalid', { text: `relabel rule ${number}: ${text}` })
}

/** False when the series is dropped. */
function apply(rule: Rule, labels: Working): boolean {
  const joined = rule.sourceLabels.map((name) => labels.get(name) ?? '').join(rule.separator)
  switch (rule.action) {
    case 'keep':
      return rule.regex.test(joined)
    case 'drop':
      return !rule.regex.test(joined)
    case 'keepequal':
      return (labels.get(rule.targetLabel) ?? '') === joined
    case 'dropequal':
      return (labels.get(rule.targetLabel) ?? '') !== joined
    case 'lowercase':
      put(labels, rule.targetLabel, joined.toLowerCase())
      return true
    case 'uppercase':
      put(labels, rule.targetLabel, joined.toUpperCase())
      return true
    case 'hashmod':
      put(labels, rule.targetLabel, String(hashOf(joined) % rule.modulus))
      return true
    case 'replace':
      replace(rule, labels, joined)
      return true
    default:
      rename(rule, labels)
      return true
  }
}

function replace(rule: Rule, labels: Working, joined: string): void {
  const target = rule.replacer.replace(joined, rule.targetLabel)
  if (target === undefined) return
  // A target that is no name leaves everything as it is.
  if (!isName(target)) return
  put(labels, target, rule.replacer.replace(joined, rule.replacement) ?? '')
}

function rename(rule: Rule, labels: Working): void {
  for (const [name, value] of [...labels]) {
    if (rule.action === 'labelmap') {
      const mapped = rule.replacer.replace(name, rule.replacement)
      if (mapped !== undefined) put(labels, mapped, value)
    } else if (dropsLabel(rule, name)) labels.delete(name)
  }
}

function isRename({ action }: Rule): boolean {
  return action === 'labelmap' || action === 'labeldrop' || action === 'labelkeep'
}

/** Whether a labelkeep or labeldrop takes labels of a name away. */
function dropsLabel({ regex, action }: Rule, name: string): boolean {
  return regex.test(name) === (action === 'labeldrop')
}

function put(labels: Working, name: string, value: string): void {
  if (value === '') labels.delete(name)
  else labels.set(name, value)
}

function isName(name: string): boolean {
  return /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)
}

/** The last eight bytes of the MD5 sum. */
function hashOf(text: string): bigint {
  return createHash('md5').update(text).digest().readBigUInt64BE(8)
}

function sorted(labels: Working): Label[] {
  const list = Array.from(labels, ([name, value]) => ({ name, value }))
  // Mostly nothing was added, and they are as they came.
  const isSorted = list.every((label, at) => at === 0 || list[at - 1]!.name < label.name)
  return isSorted ? list : list.sort((a, b) => compareUtf8(a.name, b.name))
}
