/**
 * Matchers → series of one block, by its postings. Semantics are those of the head
 * (head/select.ts), Prometheus' PostingsForMatchers: a matcher that matches the empty value also
 * takes series without the label.
 */
import type { Matcher } from '../../model/matcher.js'
import { compileRegex } from '../../model/regex.js'
import { intersect, subtract, union } from '../head/postings.js'
import { literalsOf, testOf } from '../head/select.js'
import type { IndexReader } from './reader.js'

/** References of the series that match all matchers, ascending. */
export async function selectRefs(
  index: IndexReader,
  matchers: readonly Matcher[],
): Promise<Uint32Array> {
  const tests = matchers.map((matcher) => ({ matcher, test: testOf(matcher) }))
  let refs: Uint32Array | undefined
  for (const { matcher, test } of tests) {
    if (test('')) continue
    const list = await havingValue(index, matcher, test, true)
    refs = refs === undefined ? list : intersect(refs, list)
    if (refs.length === 0) return refs
  }
  refs ??= await index.allPostings()
  for (const { matcher, test } of tests) {
    if (!test('') || refs.length === 0) continue
    refs = subtract(refs, await havingValue(index, matcher, (value) => !test(value), false))
  }
  return refs
}

/** Series that have the label with a value that passes; `wanted`: of the matcher itself. */
async function havingValue(
  index: IndexReader,
  matcher: Matcher,
  test: (value: string) => boolean,
  wanted: boolean,
): Promise<Uint32Array> {
  const { name, op } = matcher
  const literals = literalsOf(matcher, wanted === (op === '=' || op === '=~'))
  const rows =
    literals === undefined
      ? (await index.valueRows(name, wanted ? prefixOf(matcher) : '')).filter((row) =>
          test(row.value),
        )
      : await index.findValues(
          name,
          literals.filter((value) => value !== ''),
        )
  return union(await index.lists(rows))
}

/** What every value that passes begins with. */
function prefixOf(matcher: Matcher): string {
  return matcher.op === '=~' ? compileRegex(matcher.value).prefix : ''
}
