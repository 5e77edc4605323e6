/** Exemplars of the series that a query selects, from the shards' newest ones. */
import type { Matcher } from '../../shared/model/matcher.js'
import { type Expr, parse } from '../../shared/promql/index.js'
import { type ExemplarRow, encodeExemplars } from '../../shared/wire/json/index.js'
import type { QueryOf } from './contract.js'
import type { EvaluateContext } from './evaluate.js'
import { listOutcome, type Outcome } from './label-queries.js'
import { checkRules, textsOf } from './query-gate.js'
import { TRUNCATED } from './texts.js'

/** Exemplars that an answer may hold; of more the newest of each shard. */
const EXEMPLARS_MAX = 10_000

/**
 * Exemplars by series.
 * @throws AppError `query-parse`, without a word of the parameter, as in Prometheus; those of
 *   `checkRules`
 */
export async function answerExemplars(
  context: EvaluateContext,
  { text, mint, maxt }: QueryOf<'exemplars'>,
): Promise<Outcome> {
  const { tenant, reads, stop, limits } = context
  const expr = parse(text, limits.syntax, () => stop.tick())
  checkRules(context, () => ({ texts: textsOf(text, expr) }))
  const selectors = selectorsOf(expr)
  if (selectors.length === 0) return listOutcome([], 0)
  const answers = await reads.exemplars({ tenant, selectors, mint, maxt, max: EXEMPLARS_MAX })
  const rows = merged(answers.flatMap(({ series }) => series))
  const isCut = answers.some((answer) => answer.isCut)
  return listOutcome(encodeExemplars(rows, isCut ? { warnings: [TRUNCATED] } : {}), rows.length)
}

/** The matchers of every selector in an expression. */
function selectorsOf(expr: Expr): (readonly Matcher[])[] {
  switch (expr.kind) {
    case 'number':
    case 'string':
      return []
    case 'vector-selector':
      return [expr.matchers]
    case 'matrix-selector':
      return [expr.selector.matchers]
    case 'call':
      return expr.args.flatMap(selectorsOf)
    case 'binary':
      return [...selectorsOf(expr.lhs), ...selectorsOf(expr.rhs)]
    case 'aggregate':
      return [
        ...(expr.param === undefined ? [] : selectorsOf(expr.param)),
        ...selectorsOf(expr.expr),
      ]
    case 'subquery':
    case 'unary':
    case 'paren':
      return selectorsOf(expr.expr)
  }
}

/** A series that several shards have, after a change of their count, is one. */
function merged(rows: readonly ExemplarRow[]): ExemplarRow[] {
  const byLabels = new Map<string, ExemplarRow>()
  for (const row of rows) {
    const key = JSON.stringify(row.labels)
    const known = byLabels.get(key)
    const exemplars = [...(known?.exemplars ?? []), ...row.exemplars]
    if (known !== undefined) exemplars.sort((a, b) => a.t - b.t)
    byLabels.set(key, { labels: row.labels, exemplars })
  }
  return [...byLabels.values()]
}
