/** Relabel rules, action by action; expectations are those of Prometheus' documentation. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { compileRelabel } from '../../../src/shared/relabel/index.js'

const LABELS = { __name__: 'm', a: 'foo', b: 'bar', c: 'baz' }

function run(rules: unknown, labels: Record<string, string> = LABELS) {
  const result = compileRelabel(rules)(labelsOf(labels))
  return result === undefined
    ? undefined
    : Object.fromEntries(result.map(({ name, value }) => [name, value]))
}

describe('relabel rules', () => {
  const cases: readonly (readonly [string, unknown, Record<string, string> | undefined])[] = [
    ['no rules', [], LABELS],
    [
      'replace with groups',
      [{ source_labels: ['a'], target_label: 'd', regex: 'f(.*)', replacement: `ch${'$'}{1}-$1` }],
      { ...LABELS, d: 'choo-oo' },
    ],
    [
      'replace that does not match',
      [{ source_labels: ['a'], target_label: 'd', regex: 'o' }],
      LABELS,
    ],
    [
      'replace with nothing removes',
      [{ source_labels: ['nope'], target_label: 'a' }],
      { __name__: 'm', b: 'bar', c: 'baz' },
    ],
    [
      'a target from a group',
      [{ source_labels: ['a', 'b'], regex: '(.*);(.*)', target_label: 'x_$2', replacement: '$1' }],
      { ...LABELS, x_bar: 'foo' },
    ],
    [
      'a target that is no name',
      [{ source_labels: ['a'], regex: '(.*)', target_label: '1$1', replacement: 'x' }],
      LABELS,
    ],
    [
      'a separator',
      [{ source_labels: ['a', 'b'], separator: '-', target_label: 'd' }],
      { ...LABELS, d: 'foo-bar' },
    ],
    ['keep', [{ source_labels: ['a'], regex: 'foo', action: 'keep' }], LABELS],
    ['keep of others', [{ source_labels: ['a'], regex: 'fo', action: 'keep' }], undefined],
    ['drop', [{ source_labels: ['a'], regex: '.*o.*', action: 'drop' }], undefined],
    ['keepequal', [{ source_labels: ['a'], target_label: 'b', action: 'keepequal' }], undefined],
    ['dropequal', [{ source_labels: ['a'], target_label: 'b', action: 'dropequal' }], LABELS],
    [
      'labelmap',
      [{ regex: '(b.*)', replacement: 'x_$1', action: 'labelmap' }],
      { ...LABELS, x_b: 'bar' },
    ],
    ['labeldrop', [{ regex: 'a|b', action: 'labeldrop' }], { __name__: 'm', c: 'baz' }],
    ['labelkeep', [{ regex: '__name__|a', action: 'labelkeep' }], { __name__: 'm', a: 'foo' }],
    [
      'uppercase',
      [{ source_labels: ['a', 'b'], separator: '', target_label: 'd', action: 'uppercase' }],
      { ...LABELS, d: 'FOOBAR' },
    ],
    [
      'Lowercase, any case of action',
      [{ source_labels: ['a'], target_label: 'd', action: 'LowerCase' }],
      { ...LABELS, d: 'foo' },
    ],
    // MD5 of "foo;bar" ends in the bytes that Prometheus' own test names.
    [
      'hashmod',
      [{ source_labels: ['c'], target_label: 'd', modulus: '1000', action: 'hashmod' }],
      { ...LABELS, d: '976' },
    ],
    [
      'rules one after the other',
      [
        { source_labels: ['a'], target_label: 'b' },
        { source_labels: ['b'], regex: 'foo', action: 'drop' },
      ],
      undefined,
    ],
  ]
  for (const [name, rules, expected] of cases) {
    test(name, () => assert.deepEqual(run(rules), expected))
  }

  for (const [rule, text] of [
    ['x', /expected keys and values/],
    [{ regexp: 'a' }, /unknown key regexp/],
    [{ action: 'explode', target_label: 'a' }, /unknown action explode/],
    [{ source_labels: ['a'] }, /replace needs a target_label/],
    [{ source_labels: 'a', target_label: 'b' }, /source_labels: expected a list/],
    [{ target_label: 'a', regex: '(' }, /relabel rule 1: /],
    [{ target_label: 'a', action: 'hashmod' }, /hashmod needs a modulus/],
  ] as const) {
    test(`refuses ${JSON.stringify(rule)}`, () => {
      assert.throws(() => compileRelabel([rule]), text)
    })
  }
})
