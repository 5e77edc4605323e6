/** Series that go take their labels' values and names with them, and others get their places. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { H_NAME_COUNT, H_PAIR_COUNT } from '../../../../src/shared/kernels/head-layout.js'
import { labelsOf } from '../../../../src/shared/model/labels.js'
import { takeLease } from '../../../../src/shared/tsdb/head/leases.js'
import {
  collectSteps,
  endLeaseOf,
  type Head,
  HeadReader,
} from '../../../../src/shared/tsdb/index.js'
import { createTestHead, headModule } from '../../../support/head-source.js'

const EVER = { mint: Number.NEGATIVE_INFINITY, maxt: Number.POSITIVE_INFINITY }

/** Collects series without samples of the first tenant; what was removed. */
function collect(head: Head, refs: readonly number[], onStep: () => void = () => {}): number {
  for (const steps = collectSteps(head, 0, refs, () => false); ; ) {
    const step = steps.next()
    if (step.done === true) return step.value.series
    onStep()
  }
}

test('names that no series has any more go, and their places are used again', () => {
  const head = createTestHead()
  const stays = head.getOrCreate('t', labelsOf({ __name__: 'stays', a: '1', b: '1' }))
  head.appendSample(stays, 1, 1)
  head.getOrCreate('other', labelsOf({ __name__: 'm', name_0_0: 'of another tenant' }))
  let names = 0
  let pairs = 0
  for (let round = 0; round < 20; round++) {
    const refs = Array.from({ length: 200 }, (_, i) =>
      head.getOrCreate('t', labelsOf({ __name__: 'm', a: `${i}`, [`name_${round}_${i}`]: 'v' })),
    )
    for (const ref of refs) head.appendSample(ref, 1, 1)
    const found = head.labelNames('t', [], EVER)
    assert.equal(found.length, 203)
    assert.ok(found.includes(`name_${round}_7`))
    for (const ref of refs) head.kernel.truncateSeries(ref, 2)
    assert.equal(collect(head, refs), 200)
    assert.deepEqual(head.labelNames('t', [], EVER), ['__name__', 'a', 'b'])
    if (round === 0) {
      names = head.view.word(H_NAME_COUNT)
      pairs = head.view.word(H_PAIR_COUNT)
    }
  }
  assert.equal(head.view.word(H_NAME_COUNT), names)
  assert.equal(head.view.word(H_PAIR_COUNT), pairs)
  assert.deepEqual(head.labelNames('other', [], EVER), ['__name__', 'name_0_0'])
  assert.equal(head.getOrCreate('t', labelsOf({ __name__: 'stays', a: '1', b: '1' })), stays)
})

test('a name that comes back while it is being removed stays, and nothing moves under a lease', () => {
  const head = createTestHead()
  const reader = new HeadReader(head.view.memory, headModule(), 1)
  const refs = Array.from({ length: 50 }, (_, i) =>
    head.getOrCreate('t', labelsOf({ __name__: 'm', [`name_${i}`]: 'v' })),
  )
  takeLease(head.view.u32, 1)
  let steps = 0
  const removed = collect(head, refs, () => {
    steps++
    // Between any two steps one of the names is used anew, by another series.
    const labels = labelsOf({ __name__: 'n', [`name_${steps % 50}`]: `${steps}` })
    if (steps < 30) head.appendSample(head.getOrCreate('t', labels), 1, 1)
    if (steps === 40) {
      assert.equal(reader.pairName(reader.pairs(refs[49]!)[1]!), 'name_49')
      endLeaseOf(head.view.memory, 1)
    }
  })
  assert.equal(removed, 50)
  assert.ok(steps >= 40)
  const wanted = Array.from({ length: 29 }, (_, i) => `name_${i + 1}`)
  assert.deepEqual(head.labelNames('t', [], EVER), ['__name__', ...wanted.sort()])
  for (const [i, name] of wanted.entries()) {
    assert.equal(head.labelValues('t', name, [], EVER).length, 1, `${i} ${name}`)
  }
})

test('labels of the series defined last are looked for anew when they have been taken out', () => {
  const head = createTestHead()
  const labels = labelsOf({ __name__: 'm', a: 'x', b: 'y' })
  const ref = head.getOrCreate('t', labels)
  takeLease(head.view.u32, 1)
  let again = ref
  let steps = 0
  const removed = collect(head, [ref], () => {
    steps++
    if (steps === 30) again = head.getOrCreate('t', labels)
    if (steps === 40) endLeaseOf(head.view.memory, 1)
  })
  assert.equal(removed, 1)
  assert.notEqual(again, ref)
  head.appendSample(again, 20, 1)
  // These would get the places of the first one's.
  const bare = head.getOrCreate('t', labelsOf({ __name__: 'n', b: 'z' }))
  const other = head.getOrCreate('t', labelsOf({ __name__: 'm', a: 'w', b: 'y' }))
  for (const one of [bare, other]) head.appendSample(one, 20, 1)
  assert.deepEqual(head.labelNames('t', [], EVER), ['__name__', 'a', 'b'])
  assert.deepEqual(head.labelValues('t', 'a', [], EVER), ['w', 'x'])
  assert.deepEqual(head.labelValues('t', 'b', [], EVER), ['y', 'z'])
  assert.equal(head.getOrCreate('t', labels), again)
})
