/**
 * label_replace and label_join: they look at labels only. After Prometheus promql/functions.go.
 */
import { fail } from '../../errors/index.js'
import { compareUtf8, METRIC_NAME } from '../../model/labels.js'
import { compileReplacer, type Replacer } from '../../model/regex.js'
import type { StepMatrix } from '../columns.js'
import type { LabelTable } from '../label-table.js'
import type { CallContext, FunctionRows, MatrixKernel } from './kernel.js'
import { argumentString, argumentVector, copyRows } from './rows.js'

/** What no UTF-8 text has. */
const LONE_SURROGATE = /[\ud800-\udfff]/u

/** Sets a label to a template where an expression matches another label as a whole. */
const labelReplace: MatrixKernel = (args, context) => {
  const target = argumentString(args, 1)
  const template = argumentString(args, 2)
  const source = argumentString(args, 3)
  const replacer = compile(argumentString(args, 4))
  checkName('destination', 'label_replace', target)
  // Rows share few values of a label: each is matched once.
  const replaced = new Map<string, string | undefined>()
  return setLabels(context, argumentVector(args, 0), target, (set) => {
    const value = context.labels.value(set, source)
    if (!replaced.has(value)) replaced.set(value, replacer.replace(value, template))
    return replaced.get(value)
  })
}

/** Sets a label to the values of others, joined. */
const labelJoin: MatrixKernel = (args, context) => {
  const target = argumentString(args, 1)
  const separator = argumentString(args, 2)
  const sources = args.slice(3).map((_, index) => argumentString(args, index + 3))
  for (const source of sources) checkName('source', 'label_join', source)
  checkName('destination', 'label_join', target)
  return setLabels(context, argumentVector(args, 0), target, (set) =>
    sources.map((source) => context.labels.value(set, source)).join(separator),
  )
}

function compile(pattern: string): Replacer {
  try {
    return compileReplacer(pattern)
  } catch (error) {
    throw fail(
      'query-execution',
      { text: `invalid regular expression in label_replace(): ${pattern}` },
      error,
    )
  }
}

/** Any name that is UTF-8 and not empty will do. */
function checkName(role: string, func: string, name: string): void {
  if (name !== '' && !LONE_SURROGATE.test(name)) return
  throw fail('query-execution', { text: `invalid ${role} label name in ${func}(): ${name}` })
}

/**
 * Sets a label of all rows where `value` gives one; an empty value takes the label off. Rows whose
 * labels have become equal are the call operator's business.
 */
function setLabels(
  context: CallContext,
  input: StepMatrix,
  name: string,
  value: (set: number) => string | undefined,
): StepMatrix {
  const out = copyRows(context, input)
  for (let row = 0; row < out.series; row++) {
    const found = value(out.sets[row]!)
    if (found === undefined) continue
    out.sets[row] = withLabel(context.labels, out.sets[row]!, name, found)
    // A name that was to go is replaced by one that stays.
    if (name === METRIC_NAME && out.dropName !== undefined) out.dropName[row] = 0
  }
  return out
}

/** A label set with one label set anew, or taken off when the value is empty. */
export function withLabel(labels: LabelTable, set: number, name: string, value: string): number {
  const pairs = labels.pairs(set)
  const nameId = labels.nameId(name)
  const kept: number[] = []
  let added = value === '' ? undefined : labels.pair(name, value)
  for (const pair of pairs) {
    if (labels.pairNameId(pair) === nameId) continue
    if (added !== undefined && compareUtf8(name, labels.pairName(pair)) < 0) {
      kept.push(added)
      added = undefined
    }
    kept.push(pair)
  }
  if (added !== undefined) kept.push(added)
  return labels.internSet(Uint32Array.from(kept))
}

/** Their rows of the function table. */
export const labelFunctions: FunctionRows = {
  info: {
    args: ['vector', 'vector'],
    variadic: 1,
    returns: 'vector',
    experimental: true,
    doc: 'The vector with data labels of matching info series added.',
    kernel: { form: 'operator', operator: 'info' },
  },
  label_join: {
    args: ['vector', 'string', 'string', 'string'],
    variadic: -1,
    returns: 'vector',
    doc: 'Sets a label to the values of others joined by a separator.',
    kernel: { form: 'matrix', run: labelJoin, relabels: true },
  },
  label_replace: {
    args: ['vector', 'string', 'string', 'string', 'string'],
    variadic: 0,
    returns: 'vector',
    doc: 'Sets a label to a replacement where a regular expression matches another label.',
    kernel: { form: 'matrix', run: labelReplace, relabels: true },
  },
}
