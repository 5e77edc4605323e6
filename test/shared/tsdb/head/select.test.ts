/** Matchers against a naive model that looks at every series, by seed; and the label questions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededPrng } from '../../../../src/shared/base/prng.js'
import { compareUtf8, type Labels, labelsOf } from '../../../../src/shared/model/labels.js'
import type { Matcher } from '../../../../src/shared/model/matcher.js'
import type { Head } from '../../../../src/shared/tsdb/index.js'
import { createTestHead } from '../../../support/head-source.js'

interface Known {
  readonly ref: number
  readonly labels: Labels
  readonly times: readonly number[]
}

/** Values that go with the patterns below; the empty one stands for no label. */
const VALUES = ['', 'a', 'b', 'ab', 'abc', 'prod-1', 'prod-2', 'Grün', '😀', 'x'.repeat(200)]
const NAMES = ['__name__', 'job', 'instance', 'env', 'ü']
const PATTERNS = [
  '.*',
  '.+',
  '',
  'a|b',
  'a.*',
  '.*b',
  'prod-[12]',
  'a|',
  '(ab)?c?',
  'x+',
  '[^a].*',
  'Gr.n',
  '.',
  'nothing',
]

function fill(head: Head, prng: SeededPrng, tenant: string, count: number): Known[] {
  const known = new Map<number, Known>()
  for (let i = 0; i < count; i++) {
    const record: Record<string, string> = { __name__: `m${prng.nextU32() % 4}` }
    for (const name of NAMES.slice(1)) record[name] = VALUES[prng.nextU32() % VALUES.length]!
    if (i % 3 === 0) record['unique'] = `${i}`
    const labels = labelsOf(record)
    const ref = head.getOrCreate(tenant, labels)
    if (known.has(ref)) continue
    const times = Array.from({ length: prng.nextU32() % 300 }, (_, k) => i * 10 + k * 60_000)
    for (const t of times) assert.equal(head.appendSample(ref, t, 1), 'appended')
    known.set(ref, { ref, labels, times })
  }
  return [...known.values()]
}

function randomMatcher(prng: SeededPrng): Matcher {
  const name = [...NAMES, 'unique', 'missing'][prng.nextU32() % (NAMES.length + 2)]!
  const op = (['=', '!=', '=~', '!~'] as const)[prng.nextU32() % 4]!
  const isRegex = op === '=~' || op === '!~'
  const values = isRegex ? PATTERNS : [...VALUES, 'm0', 'm1', '3']
  return { name, op, value: values[prng.nextU32() % values.length]! }
}

/** What a matcher means, told by JavaScript's own RegExp on one label set. */
function passes(labels: Labels, { name, op, value }: Matcher): boolean {
  const own = labels.find((label) => label.name === name)?.value ?? ''
  if (op === '=') return own === value
  if (op === '!=') return own !== value
  const isMatch = new RegExp(`^(?:${value})$`, 'su').test(own)
  return op === '=~' ? isMatch : !isMatch
}

/** Whether a series has a chunk (120 samples, two hours) that overlaps a range. */
function overlaps(times: readonly number[], mint: number, maxt: number): boolean {
  let from = 0
  for (let i = 1; i <= times.length; i++) {
    const isCut =
      i === times.length ||
      i - from === 120 ||
      Math.floor(times[i]! / 7_200_000) !== Math.floor(times[from]! / 7_200_000)
    if (!isCut) continue
    if (times[from]! <= maxt && times[i - 1]! >= mint) return true
    from = i
  }
  return false
}

test('selects what a look at every series would, for random matchers and ranges', () => {
  for (let seed = 1; seed <= 6; seed++) {
    const prng = new SeededPrng(seed)
    const head = createTestHead()
    const known = fill(head, prng, 't', 400)
    fill(head, prng, 'other', 50)
    for (let round = 0; round < 300; round++) {
      const matchers = Array.from({ length: prng.nextU32() % 4 }, () => randomMatcher(prng))
      const isBounded = round % 3 === 0
      const mint = isBounded ? prng.nextU32() % 20_000_000 : -Infinity
      const maxt = isBounded ? mint + (prng.nextU32() % 3_000_000) : Infinity
      const expected = known
        .filter(({ labels }) => matchers.every((matcher) => passes(labels, matcher)))
        .filter(({ times }) => times.length > 0 && mayOverlap(times, mint, maxt))
        .map(({ ref }) => ref)
      const got = Array.from(head.select('t', matchers, mint, maxt))
      const context = `seed ${seed}: ${JSON.stringify(matchers)} ${mint}..${maxt}`
      assert.deepEqual(
        got,
        [...got].sort((a, b) => a - b),
        context,
      )
      if (!isBounded) assert.deepEqual(got, expected, context)
      for (const { ref, times } of known) {
        // The newest chunk and the tail count as one: more may be selected there, never less.
        if (expected.includes(ref) && overlaps(times, mint, maxt))
          assert.ok(got.includes(ref), context)
        if (got.includes(ref)) assert.ok(expected.includes(ref), context)
      }
    }
  }
})

function mayOverlap(times: readonly number[], mint: number, maxt: number): boolean {
  return times[0]! <= maxt && times.at(-1)! >= mint
}

test('lists label names and values as a look at every series would', () => {
  const prng = new SeededPrng(99)
  const head = createTestHead()
  const known = fill(head, prng, 't', 300).filter(({ times }) => times.length > 0)
  const range = { mint: -Infinity, maxt: Infinity }
  for (let round = 0; round < 150; round++) {
    const count = round % 4
    const selectors = Array.from({ length: count }, () => [
      randomMatcher(prng),
      randomMatcher(prng),
    ])
    const series = known.filter(
      ({ labels }) =>
        count > 0 && selectors.some((all) => all.every((matcher) => passes(labels, matcher))),
    )
    if (count === 0) continue
    const names = new Set(series.flatMap(({ labels }) => labels.map(({ name }) => name)))
    assert.deepEqual(head.labelNames('t', selectors, range), [...names].sort(compareUtf8))
    for (const wanted of ['job', 'unique', 'missing']) {
      const values = new Set(
        series.flatMap(({ labels }) => labels.filter(({ name }) => name === wanted)),
      )
      const expected = [...new Set([...values].map(({ value }) => value))].sort(compareUtf8)
      assert.deepEqual(head.labelValues('t', wanted, selectors, range), expected)
    }
    assert.equal(head.series('t', selectors, range).length, series.length)
  }
})

test('lists all names and values of a tenant when nothing is asked of its series', () => {
  const head = createTestHead()
  head.appendSample(head.getOrCreate('t', labelsOf({ __name__: 'up', job: 'b' })), 1, 1)
  head.appendSample(head.getOrCreate('t', labelsOf({ __name__: 'up', job: 'ä' })), 1, 1)
  head.appendSample(head.getOrCreate('u', labelsOf({ __name__: 'up', env: 'x' })), 1, 1)
  const range = { mint: 0, maxt: 10 }
  assert.deepEqual(head.labelNames('t', [], range), ['__name__', 'job'])
  assert.deepEqual(head.labelValues('t', 'job', [], range), ['b', 'ä'])
  assert.deepEqual(head.labelValues('t', 'env', [], range), [])
})

test('a bad pattern is the caller’s error', () => {
  const head = createTestHead()
  head.appendSample(head.getOrCreate('t', labelsOf({ __name__: 'up' })), 1, 1)
  const matchers = [{ name: 'job', op: '=~', value: '(' } as const]
  assert.throws(() => head.select('t', matchers, 0, 10), { id: 'bad-data' })
})
