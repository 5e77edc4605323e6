/** A rewriting that changes nothing leaves everything as it is, whatever labels look like. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TenantLimits } from '../../../src/shared/limits/index.js'
import { type RawLabels, rawBody } from '../../support/write-request.js'
import { Fixture } from './fixture.js'

const NAME = ['__name__', 'm'] as const
const SETS: Readonly<Record<string, RawLabels>> = {
  sorted: [NAME, ['a', '1'], ['b', '2']],
  unsorted: [['z', '1'], NAME, ['a', '2']],
  'empty values': [NAME, ['a', ''], ['b', '2'], ['c', '']],
  'lengths of two bytes': [NAME, ['a', 'x'.repeat(1_500)], ['n'.repeat(200), 'y']],
  'a length of three bytes': [NAME, ['a', 'x'.repeat(20_000)]],
  'more than ASCII': [NAME, ['a', 'größer 😀 \ufffd'], ['b', '\ue000']],
  'no UTF-8': [NAME, ['a', Buffer.from([0xc3, 0x28])]],
  duplicates: [NAME, ['a', '1'], ['a', '2']],
  'no name': [['a', '1']],
  'an empty name of a label': [NAME, ['', 'x']],
  'nothing at all': [],
}

for (const [name, labels] of Object.entries(SETS)) {
  test(`labels: ${name}`, () => {
    const seen = [{}, { drop_labels: ['nothing'] }].map((limits) => {
      const fixture = new Fixture({ limits: { ...limits, max_label_value_length: 30_000 } })
      const now = fixture.env.clock.now()
      const { status, text } = fixture.push(rawBody({ series: [{ labels, samples: [[now, 1]] }] }))
      return { status, text, stored: [...fixture.shards[0]!.samples] }
    })
    const isEmpty = labels.length === 0
    // A series that is left without labels goes without a word.
    if (isEmpty) assert.deepEqual([seen[1]!.status, seen[1]!.stored], [200, []])
    else assert.deepEqual(seen[1], seen[0])
  })
}

test('a body is cut for labels that may grow, and for those alone', () => {
  const framesOf = (limits: Partial<TenantLimits>): number => {
    const fixture = new Fixture({ limits })
    const now = fixture.env.clock.now()
    // Label sets take more than half of what a frame of this ring may define, and less than all.
    const series = Array.from({ length: 150 }, (_, n) => ({
      labels: [NAME, ['n', `${n}`.padStart(1_000, 'x')]] as RawLabels,
      samples: [[now, n]] as [number, number][],
    }))
    const { status, text } = fixture.push(rawBody({ series }))
    assert.deepEqual([status, text], [200, ''])
    assert.equal(fixture.shards[0]!.samples.size, series.length)
    return fixture.shards[0]!.frames.length
  }
  const rule = (more: object) => ({ metric_relabel_configs: [more] as never })
  assert.equal(framesOf({}), 1)
  assert.equal(framesOf({ drop_labels: ['nothing'] }), 1)
  assert.equal(framesOf({ label_value_length_over_limit_strategy: 'drop' }), 1)
  assert.equal(framesOf(rule({ regex: 'nothing', action: 'LabelDrop' })), 1)
  assert.equal(framesOf(rule({ source_labels: ['n'], regex: 'no', action: 'drop' })), 1)
  assert.ok(framesOf(rule({ source_labels: ['n'], target_label: 'm' })) > 1)
  assert.ok(framesOf(rule({ regex: 'n', action: 'labelmap', replacement: 'm' })) > 1)
})
