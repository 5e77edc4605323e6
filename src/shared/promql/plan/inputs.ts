/** The nodes below a node of a plan, and which of them are the same in several places. */
import type { Plan, RangePlan, SharedPart } from './plan.js'

/** What a node is made of, in the order of its evaluation. */
export function inputsOf(plan: Plan | RangePlan): readonly (Plan | RangePlan)[] {
  switch (plan.kind) {
    case 'number':
    case 'instant':
      return []
    case 'range':
      return plan.input.from === 'subquery' ? [plan.input.plan] : []
    case 'range-call':
    case 'map-call':
      return [...plan.params, plan.input]
    case 'matrix-call':
      return plan.args.filter((arg): arg is Plan => typeof arg !== 'string')
    case 'aggregate':
      return plan.param === undefined ? [plan.input] : [plan.param, plan.input]
    case 'scalar-binary':
    case 'vector-binary':
      return [plan.lhs, plan.rhs]
    case 'info':
      return [plan.input, plan.info]
    default:
      return [plan.input]
  }
}

/**
 * The parts that are worth keeping from one place to the next, by the nodes in those places: what
 * stands in several and reads something, but does not only read.
 * @param twins node → the first one that is the same
 */
export function sharedParts(
  root: Plan | RangePlan,
  twins: ReadonlyMap<Plan | RangePlan, Plan>,
): ReadonlyMap<Plan, SharedPart> {
  const parts = new Map<Plan | RangePlan, SharedPart>()
  const places: [Plan, SharedPart][] = []
  /** @returns whether anything is read below */
  const visit = (node: Plan | RangePlan): boolean => {
    let reads = node.kind === 'instant' || node.kind === 'range'
    for (const input of inputsOf(node)) {
      const first = twins.get(input) ?? input
      let part = parts.get(first)
      if (part === undefined) {
        part = { uses: 0, reads: false }
        parts.set(first, part)
        part.reads = visit(input)
      }
      part.uses++
      reads ||= part.reads
      if (input.kind !== 'instant' && input.kind !== 'range') places.push([input, part])
    }
    return reads
  }
  visit(root)
  return new Map(places.filter(([, { uses, reads }]) => uses > 1 && reads))
}
