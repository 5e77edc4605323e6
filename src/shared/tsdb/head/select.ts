/**
 * Matchers → series of one tenant, and what the label APIs ask, by the postings on the pairs.
 * Semantics are Prometheus' (tsdb/querier.go, PostingsForMatchers): a matcher that matches the
 * empty value also takes series without the label.
 *
 * The work comes as generators that yield between steps of bounded size, so that an ingester can
 * take frames in between; `run` does it in one go. What is appended meanwhile may or may not be in
 * the answer.
 */
import type { HeadKernel } from '../../kernels/head.js'
import { compareUtf8, type Labels } from '../../model/labels.js'
import type { Matcher } from '../../model/matcher.js'
import { compileRegex } from '../../model/regex.js'
import type { HeadView } from './head-view.js'
import { encodePair } from './label-bytes.js'
import { intersect, subtract, union } from './postings.js'

/** What selecting works on: the owner's view and calls. */
export interface SelectContext {
  readonly view: HeadView
  readonly kernel: Pick<HeadKernel, 'overlaps'>
  /** Id of a tenant's pair, 0 when there is none. */
  findPair(tenant: number, pair: Uint8Array): number
}

/** A time range in ms, both ends inclusive. */
export interface TimeRange {
  readonly mint: number
  readonly maxt: number
}

/** Pairs, refs or labels between two yields. */
const STEP = 2048
/** Values between two yields; an engine may take half a second for one, if the pattern is hostile. */
const VALUES_STEP = 128
const ENGINE_VALUES_STEP = 1

/** Runs steps to their end; `check` is called between them, and may throw. */
export function run<T>(steps: Generator<void, T>, check?: () => void): T {
  for (;;) {
    const next = steps.next()
    if (next.done === true) return next.value
    check?.()
  }
}

/** Refs of the series that match all matchers and have a chunk in the range, ascending. */
export function* selectSteps(
  context: SelectContext,
  tenant: number,
  matchers: readonly Matcher[],
  range: TimeRange,
): Generator<void, Uint32Array> {
  const refs = yield* matchSteps(context, tenant, matchers)
  const kept = new Uint32Array(refs.length)
  let count = 0
  for (let i = 0; i < refs.length; i++) {
    if (context.kernel.overlaps(refs[i]!, range.mint, range.maxt) !== 0) kept[count++] = refs[i]!
    if (i % STEP === STEP - 1) yield
  }
  return kept.subarray(0, count)
}

/** Refs of the series that match all matchers, ascending, whatever their samples' times. */
export function* matchSteps(
  context: SelectContext,
  tenant: number,
  matchers: readonly Matcher[],
): Generator<void, Uint32Array> {
  const tests: (ValueTest & { readonly matcher: Matcher })[] = []
  for (const matcher of matchers) {
    tests.push({ matcher, ...valueTestOf(matcher) })
    if (tests.length % STEP === 0) yield
  }
  let refs: Uint32Array | undefined
  for (const { matcher, test, step } of tests) {
    if (test('')) continue
    const list = yield* matchingSteps(context, tenant, matcher, { test, step })
    refs = refs === undefined ? list : intersect(refs, list)
    if (refs.length === 0) return refs
    yield
  }
  refs ??= context.view.postings(context.view.allPair(tenant))
  for (const { matcher, test, step } of tests) {
    if (!test('')) continue
    const excluded = { test: (value: string) => !test(value), step }
    const list = yield* excludedSteps(context, tenant, matcher, excluded)
    refs = subtract(refs, list)
    yield
  }
  return refs
}

/** Whether a value passes a matcher. */
export function testOf(matcher: Matcher): (value: string) => boolean {
  return valueTestOf(matcher).test
}

/** A test of values, and how many of them between two yields. */
interface ValueTest {
  readonly test: (value: string) => boolean
  readonly step: number
}

function valueTestOf({ op, value: wanted }: Matcher): ValueTest {
  if (op === '=') return { test: (value) => value === wanted, step: VALUES_STEP }
  if (op === '!=') return { test: (value) => value !== wanted, step: VALUES_STEP }
  const regex = compileRegex(wanted)
  const step = regex.means === 're2' ? ENGINE_VALUES_STEP : VALUES_STEP
  return op === '=~'
    ? { test: (value) => regex.test(value), step }
    : { test: (value) => !regex.test(value), step }
}

/** Series that have the label with a value that passes; the empty value does not. */
function* matchingSteps(
  context: SelectContext,
  tenant: number,
  matcher: Matcher,
  test: ValueTest,
): Generator<void, Uint32Array> {
  const literals = literalsOf(matcher, matcher.op === '=' || matcher.op === '=~')
  if (literals !== undefined) return ofLiterals(context, tenant, matcher.name, literals)
  return yield* ofValues(context, tenant, matcher.name, test)
}

/** Series that have the label with a value that does not pass; the empty value does. */
function* excludedSteps(
  context: SelectContext,
  tenant: number,
  matcher: Matcher,
  test: ValueTest,
): Generator<void, Uint32Array> {
  const literals = literalsOf(matcher, matcher.op === '!=' || matcher.op === '!~')
  if (literals !== undefined) return ofLiterals(context, tenant, matcher.name, literals)
  return yield* ofValues(context, tenant, matcher.name, test)
}

/** The complete set of values that a matcher names, when `isNamed` says that those are wanted. */
export function literalsOf(matcher: Matcher, isNamed: boolean): readonly string[] | undefined {
  if (!isNamed) return undefined
  if (matcher.op === '=' || matcher.op === '!=') return [matcher.value]
  return compileRegex(matcher.value).literals
}

function ofLiterals(
  context: SelectContext,
  tenant: number,
  name: string,
  values: readonly string[],
): Uint32Array {
  const lists: Uint32Array[] = []
  for (const value of values) {
    const pair = value === '' ? 0 : context.findPair(tenant, encodePair(name, value))
    if (pair !== 0) lists.push(context.view.postings(pair))
  }
  return union(lists)
}

function* ofValues(
  context: SelectContext,
  tenant: number,
  name: string,
  { test, step }: ValueTest,
): Generator<void, Uint32Array> {
  const { view } = context
  const lists: Uint32Array[] = []
  let steps = 0
  for (let pair = pairOfName(view, tenant, name); pair !== 0; pair = view.nextPair(pair)) {
    if (test(view.pairValue(pair))) lists.push(view.postings(pair))
    if (++steps % step === 0) yield
  }
  return union(lists)
}

/** The newest pair of a label name, 0 when the tenant has none. */
function pairOfName(view: HeadView, tenant: number, name: string): number {
  for (let id = view.firstName(tenant); id !== 0; id = view.nextName(id)) {
    if (view.nameText(id) === name) return view.firstPair(id)
  }
  return 0
}

/** Refs of the series that any of several selectors matches, whatever their samples' times. */
export function* matchAnySteps(
  context: SelectContext,
  tenant: number,
  selectors: readonly (readonly Matcher[])[],
): Generator<void, Uint32Array> {
  const lists: Uint32Array[] = []
  for (const matchers of selectors) lists.push(yield* matchSteps(context, tenant, matchers))
  return union(lists)
}

/** Series of any of several selectors; without selectors all series of the tenant. */
export function* selectAnySteps(
  context: SelectContext,
  tenant: number,
  selectors: readonly (readonly Matcher[])[],
  range: TimeRange,
): Generator<void, Uint32Array> {
  if (selectors.length === 0) return yield* selectSteps(context, tenant, [], range)
  const lists: Uint32Array[] = []
  for (const matchers of selectors) lists.push(yield* selectSteps(context, tenant, matchers, range))
  return union(lists)
}

/** Label names, sorted by their bytes; without selectors those of all series. */
export function* labelNamesSteps(
  context: SelectContext,
  tenant: number,
  selectors: readonly (readonly Matcher[])[],
  range: TimeRange,
): Generator<void, string[]> {
  const { view } = context
  const names = new Set<string>()
  if (selectors.length === 0) {
    for (let id = view.firstName(tenant); id !== 0; id = view.nextName(id)) {
      if (hasSeries(view, view.firstPair(id))) names.add(view.nameText(id))
    }
    return [...names].sort(compareUtf8)
  }
  const refs = yield* selectAnySteps(context, tenant, selectors, range)
  const ids = new Set<number>()
  for (let i = 0; i < refs.length; i++) {
    for (const pair of view.pairs(refs[i]!)) ids.add(view.pairNameId(pair))
    if (i % STEP === STEP - 1) yield
  }
  for (const id of ids) names.add(view.nameText(id))
  return [...names].sort(compareUtf8)
}

/** Values of a label, sorted by their bytes; without selectors those of all series. */
export function* labelValuesSteps(
  context: SelectContext,
  tenant: number,
  name: string,
  selectors: readonly (readonly Matcher[])[],
  range: TimeRange,
): Generator<void, string[]> {
  const { view } = context
  const values: string[] = []
  const first = pairOfName(view, tenant, name)
  if (first === 0) return values
  let steps = 0
  if (selectors.length === 0) {
    for (let pair = first; pair !== 0; pair = view.nextPair(pair)) {
      if (view.postingsCount(pair) > 0) values.push(view.pairValue(pair))
      if (++steps % STEP === 0) yield
    }
    return yield* sortSteps(values)
  }
  const nameId = view.pairNameId(first)
  const refs = yield* selectAnySteps(context, tenant, selectors, range)
  const pairs = new Set<number>()
  for (let i = 0; i < refs.length; i++) {
    for (const pair of view.pairs(refs[i]!)) if (view.pairNameId(pair) === nameId) pairs.add(pair)
    if (i % STEP === STEP - 1) yield
  }
  for (const pair of pairs) values.push(view.pairValue(pair))
  return yield* sortSteps(values)
}

/** Sorts texts by their bytes: short runs at once, then merged, pair by pair. */
function* sortSteps(texts: string[]): Generator<void, string[]> {
  let sorted: string[] = []
  for (let from = 0; from < texts.length; from += STEP) {
    sorted.push(...texts.slice(from, from + STEP).sort(compareUtf8))
    yield
  }
  for (let width = STEP; width < texts.length; width *= 2) {
    const merged: string[] = []
    for (let from = 0; from < sorted.length; from += 2 * width) {
      const middle = Math.min(from + width, sorted.length)
      const end = Math.min(middle + width, sorted.length)
      for (let left = from, right = middle; left < middle || right < end; ) {
        const isLeft =
          right >= end || (left < middle && compareUtf8(sorted[left]!, sorted[right]!) <= 0)
        merged.push(isLeft ? sorted[left++]! : sorted[right++]!)
        if (merged.length % STEP === 0) yield
      }
    }
    sorted = merged
  }
  return sorted
}

/** Label sets of the series of any of several selectors, in no particular order. */
export function* seriesSteps(
  context: SelectContext,
  tenant: number,
  selectors: readonly (readonly Matcher[])[],
  range: TimeRange,
): Generator<void, Labels[]> {
  const refs = yield* selectAnySteps(context, tenant, selectors, range)
  const found: Labels[] = []
  for (let i = 0; i < refs.length; i++) {
    found.push(context.view.labels(refs[i]!))
    if (i % 256 === 255) yield
  }
  return found
}

function hasSeries(view: HeadView, pair: number): boolean {
  for (let next = pair; next !== 0; next = view.nextPair(next)) {
    if (view.postingsCount(next) > 0) return true
  }
  return false
}
