import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RE2JS } from 're2js'
import { AppError } from '../../../src/shared/errors/index.js'
import { compileRegex, compileReplacer, type LabelRegex } from '../../../src/shared/model/regex.js'

function matching(regex: LabelRegex, values: readonly string[]): string[] {
  return values.filter((value) => regex.test(value))
}

test('matches whole values only', () => {
  assert.deepEqual(matching(compileRegex('bar'), ['bar', 'bars', 'xbar', 'bar\n', '']), ['bar'])
  assert.deepEqual(matching(compileRegex('b.r|x'), ['bar', 'xx', 'bir', 'x', 'birx']), [
    'bar',
    'bir',
    'x',
  ])
  assert.deepEqual(matching(compileRegex('^b[ai]r$'), ['bar', 'bir', 'bars']), ['bar', 'bir'])
})

test('knows the literals of alternations, factored ones and optional parts', () => {
  const literals: [string, string[]][] = [
    ['', ['']],
    ['foo', ['foo']],
    ['foo|bar', ['foo', 'bar']],
    ['foo|', ['foo', '']],
    ['a(b|c)', ['ab', 'ac']],
    ['http_requests(_histogram)?', ['http_requests', 'http_requests_histogram']],
    ['(?:a|b)-[12]', ['a-1', 'a-2', 'b-1', 'b-2']],
    ['a\\.b\\|c', ['a.b|c']],
    ['a|a|b', ['a', 'b']],
    ['(?i)ab', ['AB', 'Ab', 'aB', 'ab']],
    ['x{3}|y{1,2}', ['xxx', 'y', 'yy']],
    ['zürich|😀', ['zürich', '😀']],
  ]
  for (const [pattern, expected] of literals) {
    const regex = compileRegex(pattern)
    assert.deepEqual([...regex.literals!].sort(), [...expected].sort(), pattern)
    assert.equal(regex.means, 'literals', pattern)
    for (const value of expected) assert.ok(regex.test(value), `${pattern} on ${value}`)
    assert.ok(!regex.test('no'), pattern)
  }
})

test('takes thousands of alternatives as a set', () => {
  const regex = compileRegex(Array.from({ length: 5000 }, (_, i) => `host-${i}`).join('|'))
  assert.equal(regex.literals?.length, 5000)
  assert.equal(regex.prefix, 'host-')
  assert.ok(regex.test('host-4999'))
  assert.ok(!regex.test('host-5000'))
})

test('recognises prefix, suffix, contains and their rows', () => {
  const cases: [string, LabelRegex['means'], string, string[], string[]][] = [
    ['.*', 'any', '', ['', 'a', '\n'], []],
    ['.+', 'not-empty', '', ['a', '\n'], ['']],
    ['foo.*', 'pieces', 'foo', ['foo', 'foo\n'], ['fo', 'xfoo']],
    ['foo.+', 'pieces', 'foo', ['foox', 'foo\n'], ['foo']],
    ['.*foo', 'pieces', '', ['foo', 'a\nfoo'], ['foox']],
    ['.+-server', 'pieces', '', ['api-server'], ['-server', 'api-servers']],
    ['.*foo.*', 'pieces', '', ['foo', 'xfoox'], ['fo o']],
    ['a.*b.+c', 'pieces', 'a', ['abxc', 'a..bb.c', 'abbc'], ['abc', 'ac', 'abx']],
    ['aba.*aba', 'pieces', 'aba', ['abaaba', 'aba-aba'], ['ababa', 'aba']],
    ['foo.*|.*bar', 'pieces', '', ['foox', 'xbar'], ['xfoo']],
    ['^foo.*$', 'pieces', 'foo', ['foobar'], ['barfoo']],
  ]
  for (const [pattern, means, prefix, yes, no] of cases) {
    const regex = compileRegex(pattern)
    assert.equal(regex.means, means, pattern)
    assert.equal(regex.prefix, prefix, pattern)
    assert.equal(regex.literals, undefined, pattern)
    for (const value of yes) assert.ok(regex.test(value), `${pattern} on ${value}`)
    for (const value of no) assert.ok(!regex.test(value), `${pattern} on ${value}`)
  }
})

test('lets a RegExp have what is proven linear, re2js the rest', () => {
  const means: [string, LabelRegex['means']][] = [
    ['5..', 'regexp'],
    ['4..|5..', 'regexp'],
    ['pod-[a-z0-9]+-[a-z0-9]+', 'regexp'],
    ['\\d+\\.\\d+\\.\\d+', 'regexp'],
    ['request_duration_seconds\\d*_bucket', 'regexp'],
    ['(foo|bar).*', 'regexp'],
    ['.*[a-z]+', 're2'],
    ['[a-z]+[0-9a-z]+', 're2'],
    ['(a+)+b', 're2'],
    ['(a|b)*', 're2'],
    ['(?i).*é', 're2'],
    ['\\pL+', 're2'],
    ['\\bfoo', 're2'],
  ]
  for (const [pattern, expected] of means)
    assert.equal(compileRegex(pattern).means, expected, pattern)
})

test('a pattern that backtracks exponentially takes bounded time', () => {
  const started = performance.now()
  assert.ok(!compileRegex('(a+)+b').test('a'.repeat(2000)))
  assert.ok(!compileRegex('(a|aa)+b|(.*)*x').test('a'.repeat(2000)))
  assert.ok(performance.now() - started < 2000)
})

test('counts characters, not UTF-16 units or bytes, and dots match newlines', () => {
  assert.ok(compileRegex('.').test('😀'))
  assert.ok(compileRegex('[^a]').test('😀'))
  assert.ok(compileRegex('.x').test('\nx'))
  assert.ok(compileRegex('[é-ü]+x').test('êx'))
  assert.ok(!compileRegex('..').test('😀'))
  assert.ok(compileRegex('(?i)k').test('\u212a'), 'the Kelvin sign')
})

test('classes keep the meaning of RE2', () => {
  assert.ok(!compileRegex('a\\s').test('a\v'), '\\s has no vertical tab')
  assert.ok(!compileRegex('a\\s').test('a\u00a0'))
  assert.ok(compileRegex('a[]x]+').test('a]x'))
  assert.ok(compileRegex('[a-]+').test('-a-'))
  assert.ok(compileRegex('x{,2}').test('x{,2}'))
  assert.ok(compileRegex('[^a]+').test('\n'))
  assert.ok(compileRegex('[[:alpha:]]+').test('abc'))
})

test('errors are worded as Go words them', () => {
  const texts: [string, string][] = [
    ['(foo', 'error parsing regexp: missing closing ): `(foo`'],
    ['foo)', 'error parsing regexp: unexpected ): `foo)`'],
    ['foo)(?:bar', 'error parsing regexp: unexpected ): `foo)(?:bar`'],
    ['a**', 'error parsing regexp: invalid nested repetition operator: `**`'],
    ['*a', 'error parsing regexp: missing argument to repetition operator: `*`'],
    ['(?i)*', 'error parsing regexp: missing argument to repetition operator: `*`'],
    ['[a', 'error parsing regexp: missing closing ]: `[a`'],
    ['[b-a]', 'error parsing regexp: invalid character class range: `b-a`'],
    ['a\\', 'error parsing regexp: trailing backslash at end of expression: ``'],
    ['x{1001}', 'error parsing regexp: invalid repeat count: `{1001}`'],
    ['(?=a)', 'error parsing regexp: invalid or unsupported Perl syntax: `(?=`'],
    ['\\8', 'error parsing regexp: invalid escape sequence: `\\8`'],
  ]
  for (const [pattern, text] of texts) {
    for (const compile of [compileRegex, compileReplacer]) {
      assert.throws(
        () => compile(pattern),
        (error) => error instanceof AppError && error.id === 'bad-data' && error.message === text,
        pattern,
      )
    }
  }
})

test('agrees with RE2 on generated patterns and values', () => {
  const alphabet = ['a', 'b', '-', 'é', '\n', '😀']
  const char = fc.constantFrom(...alphabet)
  const atom = fc.oneof(
    char.map((one) => (one === '-' ? '\\-' : one)),
    fc.constantFrom('.', '[ab]', '[^a]', '\\d', '\\w', '[a-b-]', '^', '$', '(?i:b)', ''),
  )
  const { pattern } = fc.letrec<{ pattern: string; item: string }>((tie) => ({
    item: fc
      .tuple(
        fc.oneof(
          { maxDepth: 2 },
          atom,
          tie('pattern').map((inner) => `(${inner})`),
        ),
        fc.constantFrom('', '', '', '*', '+', '?', '*?', '{2}', '{1,2}', '{1,}'),
      )
      .map(([one, repeat]) => (/^[\^$]?$/.test(one) ? one : one + repeat)),
    pattern: fc.oneof(
      { maxDepth: 3 },
      fc.array(tie('item'), { maxLength: 4 }).map((items) => items.join('')),
      fc
        .array(
          fc.array(tie('item'), { maxLength: 3 }).map((items) => items.join('')),
          { minLength: 2, maxLength: 3 },
        )
        .map((options) => options.join('|')),
    ),
  }))
  const value = fc.array(char, { maxLength: 6 }).map((chars) => chars.join(''))
  fc.assert(
    fc.property(pattern, fc.array(value, { minLength: 8, maxLength: 8 }), (text, values) => {
      const regex = compileRegex(text)
      const twin = RE2JS.compile(`^(?s:${text})$`)
      for (const one of [...values, ...(regex.literals ?? [])]) {
        const expected = twin.matcher(one).matches()
        assert.equal(regex.test(one), expected, `${text} on ${JSON.stringify(one)}`)
        if (!expected) continue
        assert.ok(one.startsWith(regex.prefix), `${text}: prefix ${regex.prefix}`)
        if (regex.literals !== undefined) assert.ok(regex.literals.includes(one), text)
      }
    }),
    { seed: 11, numRuns: 1500 },
  )
})

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: Go's templates
test('a replacer expands groups as Go does', () => {
  const replacer = compileReplacer('(?P<first>\\w+)-(\\w+)(-x)?')
  const expand = (template: string) => replacer.replace('ab-cd', template)
  assert.equal(expand('$1'), 'ab')
  assert.equal(expand('${2}/$first'), 'cd/ab')
  assert.equal(expand('$0'), 'ab-cd')
  assert.equal(expand('$1x'), '', 'the longest name counts: 1x')
  assert.equal(expand('${1}x'), 'abx')
  assert.equal(expand('$$1'), '$1')
  assert.equal(expand('$3|$9|$none'), '||', 'groups that did not match or do not exist')
  assert.equal(expand('$01'), '', 'no leading zeros')
  assert.equal(expand('$ $'), '$ $', 'malformed: as it stands')
  assert.equal(expand('${1 }${'), '${1 }${')
  assert.equal(expand(''), '')
  assert.equal(replacer.replace('abcd', '$1'), undefined)
})
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: Go's templates

test('a replacer matches whole values, newlines included', () => {
  assert.equal(compileReplacer('a(.*)').replace('xab', '$1'), undefined)
  assert.equal(compileReplacer('a(.*)').replace('a\nb', '$1'), '\nb')
  assert.equal(compileReplacer('a|ab').replace('ab', '[$0]'), '[ab]')
  assert.equal(compileReplacer('').replace('', 'x'), 'x')
})
