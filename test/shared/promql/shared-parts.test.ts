/** Parts of a query that stand in several places: found in the plan, evaluated once, told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type ExplainedNode,
  execute,
  explainPlan,
  LabelTable,
  parse,
  planOf,
  printExplained,
  type Query,
} from '../../../src/shared/promql/index.js'
import { MemorySource } from '../../support/memory-source.js'

const MINUTE = 60_000
const OPTIONS = {
  enableExperimentalFunctions: true,
  experimentalDurationExpr: true,
  enableExtendedRangeSelectors: true,
  enableBinopFillModifiers: true,
}

function queryOf(text: string, more: Partial<Query> = {}): Query {
  return {
    text,
    start: 10 * MINUTE,
    end: 12 * MINUTE,
    step: MINUTE,
    lookbackMs: 5 * MINUTE,
    delayedNameRemoval: false,
    samplesMax: 1_000_000,
    memoryMax: 2 ** 26,
    isCanceled: () => false,
    ...more,
  }
}

/** Texts of the parts that are shared. */
function partsOf(text: string, more: Partial<Query> = {}): string[] {
  const tree = explainPlan(planOf(parse(text, OPTIONS), queryOf(text, more)))!
  const found: string[] = []
  const visit = (node: ExplainedNode): void => {
    if (node.node === 'shared') {
      assert.equal(node.inputs.length, 0)
      found.push(`#${node.part} ${node.expr}`)
    } else if (node.part !== undefined) found.push(`#${node.part} first`)
    node.inputs.forEach(visit)
  }
  visit(tree)
  return found
}

function source(): MemorySource {
  const samples = Array.from({ length: 20 }, (_, i) => i * 60)
  return new MemorySource()
    .add({ __name__: 'a_total', i: '1' }, MINUTE, samples)
    .add({ __name__: 'a_total', i: '2' }, MINUTE, samples)
}

async function samplesRead(text: string, more: Partial<Query> = {}): Promise<number> {
  const query = queryOf(text, more)
  const result = await execute(parse(text, OPTIONS), query, source(), new LabelTable())
  return result.samplesRead
}

test('what is the same is shared, whatever its parentheses, spaces and place', () => {
  assert.deepEqual(partsOf('sum(rate(a[5m])) / (sum( rate(a[5m]) ))'), [
    '#1 first',
    '#1 sum(rate(a[5m]))',
  ])
  assert.deepEqual(partsOf('rate(a[5m]) / on () group_left () sum(rate(a[5m]))'), [
    '#1 first',
    '#1 rate(a[5m])',
  ])
  // The whole of what is the same, and what of it stands elsewhere.
  assert.deepEqual(partsOf('sum(abs(a)) + sum(abs(a)) + count(abs(a))'), [
    '#1 first',
    '#2 first',
    '#1 sum(abs(a))',
    '#2 abs(a)',
  ])
})

test('what differs in anything is not', () => {
  for (const text of [
    // Reading alone: columns are cached.
    'a + a',
    'sum(abs(a)) + sum(abs(a offset 1m))',
    'sum(abs(a)) + sum(abs(a @ 0))',
    'sum(rate(a[5m])) + sum(rate(a[6m]))',
    'sum(rate(a[5m])) + sum(rate(b[5m]))',
    'sum(abs(a{x="1"})) + sum(abs(a{x=~"1"}))',
    'round(a, 1) + round(a, 2)',
    'round(a, 0) + round(a, -0)',
    'topk(1, a) + bottomk(1, a)',
    'sum by (i) (a) + sum without (i) (a)',
    '(a + on (i) b) + (a + ignoring (i) b)',
    '(a > 1) + (a > bool 1)',
    'label_join(a, "x", ",", "i") + label_join(a, "x", ";", "i")',
    'max_over_time(sum(a)[5m:1m]) + max_over_time(sum(a)[5m:2m])',
    'time() + time() + a + a',
  ]) {
    assert.deepEqual(partsOf(text), [], text)
  }
})

test('samples of a shared part are read once, and each time where they are counted by step', async () => {
  const once = await samplesRead('sum(rate(a_total[5m]))')
  const twice = 'sum(rate(a_total[5m])) + sum(rate(a_total[5m]))'
  assert.equal(await samplesRead(twice), once)
  assert.equal(await samplesRead(twice, { countsSteps: true }), 2 * once)
  // What leaves a note is evaluated in each place, so that the last one is named.
  const noting = 'sum(quantile_over_time(2, a_total[5m]))'
  assert.equal(await samplesRead(`${noting} + ${noting}`), 2 * (await samplesRead(noting)))
})

test('kept copies count as memory of the query, and are given back', async () => {
  const part = 'sum by (i) (rate(a_total[5m]))'
  const peak = async (text: string) => {
    const result = await execute(parse(text, OPTIONS), queryOf(text), source(), new LabelTable())
    return result.stats.bytesPeak
  }
  const two = await peak(`${part} + ${part}`)
  const four = await peak(`(${part} + ${part}) + (${part} + ${part})`)
  assert.ok(two > (await peak(part)))
  assert.ok(four < two * 3, `${four} and ${two}`)
  const small = queryOf(`${part} + ${part}`, { memoryMax: two - 1 })
  await assert.rejects(execute(parse(small.text, OPTIONS), small, source(), new LabelTable()), {
    id: 'query-memory',
  })
})

test('the printed plan names a part where it comes first, and refers to it elsewhere', () => {
  const text = 'sum(rate(a[5m])) * sum(rate(a[5m]))'
  const tree = explainPlan(planOf(parse(text, OPTIONS), queryOf(text)))!
  const lines = printExplained(tree).split('\n')
  assert.match(lines[1]!, /^ {2}aggregate {2}sum\(rate\(a\[5m\]\)\) .*#1$/)
  assert.match(lines.at(-1)!, /^ {2}shared {2}sum\(rate\(a\[5m\]\)\) .*#1$/)
})
