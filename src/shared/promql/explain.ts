/**
 * A plan as a tree for people and tools: what is evaluated at which steps, what is asked of storage,
 * and, when it was run under a profile, what each node has cost. As values for JSON, and as text.
 */
import type { StepRange } from './columns.js'
import { inputsOf } from './plan/inputs.js'
import type { InstantPlan, Plan, QueryPlan, RangePlan, Selection, SharedPart } from './plan/plan.js'
import type { NodeCost, Profile } from './profile.js'
import { printExpr, printMatcher } from './syntax/print.js'

/** A node of the tree. Times in ms. */
export interface ExplainedNode {
  readonly node: string
  readonly expr: string
  readonly steps: { readonly start: number; readonly step: number; readonly count: number }
  /** What a selector asks of storage; several selectors may share one request. */
  readonly select?: {
    readonly request: number
    readonly matchers: readonly string[]
    readonly mint: number
    readonly maxt: number
  }
  /**
   * The number of a part that is written several times and evaluated once: where it comes first, and
   * on the nodes `shared`, without inputs, in its other places.
   */
  readonly part?: number
  readonly cost?: NodeCost
  /** The time of the node and of all below it, ms. */
  readonly totalMs?: number
  readonly inputs: readonly ExplainedNode[]
}

/** The tree of a plan; undefined for a query that is a string. */
export function explainPlan(plan: QueryPlan, profile?: Profile): ExplainedNode | undefined {
  const { root } = plan
  if (root.type === 'string') return undefined
  return explain(root.plan, { plan, parts: new Map(), profile })
}

/** A tree as indented lines. */
export function printExplained(node: ExplainedNode, depth = 0): string {
  const { steps, select, part, cost } = node
  const indent = '  '.repeat(depth)
  const at = steps.count === 1 ? 'one step' : `${steps.count} steps of ${steps.step} ms`
  const number = part === undefined ? '' : `  #${part}`
  const lines = [`${indent}${node.node}  ${node.expr}  (${at})${number}`]
  if (select !== undefined) {
    const { request, matchers, mint, maxt } = select
    lines.push(`${indent}    asks storage #${request}: {${matchers.join(',')}} ${mint}…${maxt}`)
  }
  if (cost !== undefined) lines.push(`${indent}    ${costText(cost, node.totalMs ?? 0)}`)
  return [...lines, ...node.inputs.map((input) => printExplained(input, depth + 1))].join('\n')
}

function costText(cost: NodeCost, totalMs: number): string {
  const parts = [
    `${cost.timeMs.toFixed(3)} ms (${totalMs.toFixed(3)} with inputs)`,
    `${cost.series} series`,
    `${cost.points} points`,
  ]
  if (cost.samples > 0) parts.push(`${cost.samples} samples`)
  if (cost.chunks > 0) parts.push(`${cost.chunks} chunks of ${cost.chunkBytes} bytes`)
  const asked = cost.cacheHits + cost.cacheMisses
  if (asked > 0) parts.push(`${cost.cacheHits} of ${asked} series cached`)
  if (cost.bytes > 0) parts.push(`${cost.bytes} bytes held`)
  return parts.join(', ')
}

/** What the nodes of one tree have in common. */
interface Explanation {
  readonly plan: QueryPlan
  /** Numbers of the shared parts that have been met. */
  readonly parts: Map<SharedPart, number>
  readonly profile: Profile | undefined
}

function explain(plan: Plan | RangePlan, explanation: Explanation): ExplainedNode {
  const { parts, profile } = explanation
  const { selections, shared } = explanation.plan
  const part = plan.kind === 'range' ? undefined : shared.get(plan)
  const known = part && parts.get(part)
  const place = { expr: printExpr(plan.expr), steps: stepsOf(plan.range) }
  if (known !== undefined) return { node: 'shared', ...place, part: known, inputs: [] }
  if (part !== undefined) parts.set(part, parts.size + 1)
  const inputs = inputsOf(plan).map((input) => explain(input, explanation))
  const request = requestOf(plan)
  const cost = profile?.costOf(plan)
  return {
    node: plan.kind,
    ...place,
    ...(part === undefined ? {} : { part: parts.get(part)! }),
    ...(request === undefined ? {} : { select: selectOf(request, selections) }),
    ...(profile === undefined ? {} : { totalMs: sumOf(cost, inputs) }),
    ...(cost === undefined ? {} : { cost }),
    inputs,
  }
}

function sumOf(cost: NodeCost | undefined, inputs: readonly ExplainedNode[]): number {
  return inputs.reduce((sum, { totalMs = 0 }) => sum + totalMs, cost?.timeMs ?? 0)
}

function stepsOf({ start, step, count }: StepRange): ExplainedNode['steps'] {
  return { start, step: count === 1 ? 0 : step, count }
}

/** Index of a selector's request, and the samples that it looks at. */
type Request = Pick<InstantPlan, 'selection' | 'mint' | 'maxt'>

function requestOf(plan: Plan | RangePlan): Request | undefined {
  if (plan.kind === 'instant') return plan
  return plan.kind === 'range' && plan.input.from === 'storage' ? plan.input : undefined
}

function selectOf(
  { selection, mint, maxt }: Request,
  selections: readonly Selection[],
): NonNullable<ExplainedNode['select']> {
  const matchers = selections[selection]!.matchers.map(printMatcher)
  return { request: selection, matchers, mint, maxt }
}
