/** What rewriting labels does to them: nothing where nothing is asked for, whatever they look like. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import type { TenantLimits } from '../../../src/shared/limits/index.js'
import type { Label } from '../../../src/shared/model/labels.js'
import { compileRelabel } from '../../../src/shared/relabel/index.js'
import { BODY_V2 } from '../../../src/shared/wire/frames/index.js'
import { RequestTemplate } from '../../../src/shared/wire/remote-write/index.js'
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

/** Labels of a small world, so that rules meet them; sorted, each series once. */
function randomSets(random: () => number): Label[][] {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const names = ['a', 'b', 'grün', 'job', 'pod', 'pod_ip']
  const values = ['1', '2', 'x', 'größer', 'x'.repeat(150)]
  return Array.from({ length: 40 }, (_, n) => {
    const own = names.filter(() => random() < 0.7).map((name) => ({ name, value: pick(values) }))
    const labels = [{ name: '__name__', value: pick(['go_x', 'up']) }, ...own]
    return [...labels, { name: 'z', value: `${n}` }]
  })
}

function randomRules(random: () => number): Record<string, unknown>[] {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const sources = [['__name__'], ['a'], ['a', 'b'], ['missing'], ['grün'], ['job', 'pod', 'a']]
  return Array.from({ length: 1 + Math.floor(random() * 4) }, () => {
    const action = pick(['keep', 'drop', 'keepequal', 'dropequal', 'labeldrop', 'labelkeep'])
    if (action === 'labeldrop') return { action, regex: pick(['pod.*', 'a|b', 'gr.n', 'job']) }
    if (action === 'labelkeep') return { action, regex: pick(['[^p].*', '.+', 'z|a|job|__.*']) }
    if (action.endsWith('equal'))
      return { action, source_labels: [pick(['a', 'job'])], target_label: pick(['b', 'pod']) }
    const regex = pick(['go_.*', '', '1|2', '1;.*', '.*ö.*', 'x.*', '.*'])
    return { action, source_labels: pick(sources), regex }
  })
}

for (const protocol of ['1.0', '2.0'] as const) {
  test(`rules that only take away do so alike with and without text, ${protocol}`, () => {
    const prng = new SeededPrng(7)
    const random = (): number => prng.nextU32() / 2 ** 32
    let stays = 0
    for (let round = 0; round < 20; round++) {
      const [sets, rules] = [randomSets(random), randomRules(random)]
      const limits = { drop_labels: ['b', 'other'], metric_relabel_configs: rules as never }
      const relabel = compileRelabel(rules)
      const expected = sets
        .map((labels) => relabel(labels.filter(({ name }) => name !== 'b')))
        .filter((labels) => labels?.some(({ name }) => name === '__name__'))
        .map((labels) => `acme|${labels!.map(({ name, value }) => `${name}=${value}`).join(',')}`)
      const fixture = new Fixture({ limits: { ...limits, name_validation_scheme: 'utf8' } })
      const body = new RequestTemplate(sets, protocol).fill(fixture.env.clock.now(), () => 1)
      fixture.push(body, 'acme', protocol === '2.0' ? BODY_V2 : 0)
      const stored = [...fixture.shards[0]!.samples.keys()].sort()
      assert.deepEqual(stored, [...new Set(expected)].sort(), JSON.stringify(rules))
      stays += stored.length
    }
    assert.ok(stays > 100, `${stays} series stayed`)
  })
}
