/** What a table tells of sets beside their labels. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { LabelTable } from '../../../src/shared/promql/index.js'

test('the sets of several lists come once each, again and again', () => {
  const labels = new LabelTable()
  const [a, b, c] = ['a', 'b', 'c'].map((job) => labels.internLabels(labelsOf({ job }))) as [
    number,
    number,
    number,
  ]
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(
      [...labels.distinctSets([Uint32Array.of(b, a), Uint32Array.of(a, c)])],
      [b, a, c],
    )
    // The numbers grow with the table.
    for (let n = 0; n < 1000; n++) labels.internLabels(labelsOf({ job: `${i} ${n}` }))
    const last = labels.internLabels(labelsOf({ job: `${i} 999` }))
    assert.deepEqual([...labels.distinctSets([Uint32Array.of(last), Uint32Array.of(last)])], [last])
  }
})

test('numbers that were not given back are no one else’s', () => {
  const labels = new LabelTable()
  const set = labels.internLabels(labelsOf({ job: 'a' }))
  labels.takeNumbers()[set] = 1
  assert.equal(labels.takeNumbers()[set], 0)
})

test('the pair of a set with a name', () => {
  const labels = new LabelTable()
  const set = labels.internLabels(labelsOf({ job: 'a', instance: 'b' }))
  const other = labels.internLabels(labelsOf({ instance: 'b' }))
  const jobOf = labels.pairsOf('job')
  for (let i = 0; i < 2; i++) {
    assert.equal(labels.pairValue(jobOf(set)), 'a')
    assert.equal(jobOf(other), -1)
  }
  assert.equal(labels.pairsOf('none')(set), -1)
})

test('sets keep their pairs and ids while the table grows, views taken before too', () => {
  const table = new LabelTable()
  const pairs = Array.from({ length: 3_000 }, (_, i) => table.pair(`n${i % 7}`, `v${i}`))
  const wanted = pairs.map((pair, i) => Uint32Array.from([pair, ...pairs.slice(0, i % 5)]))
  const first = table.pairs(table.internSet(wanted[0]!))
  const ids = wanted.map((set) => table.internSet(set))
  assert.deepEqual(first, wanted[0])
  assert.equal(new Set(ids).size, wanted.length)
  for (const [i, set] of wanted.entries()) {
    assert.deepEqual(Array.from(table.pairs(ids[i]!)), Array.from(set))
    assert.equal(table.internSet(set), ids[i])
  }
  assert.equal(table.size().sets, wanted.length + 1)
})

test('sets are put in order as comparing them two by two does, few of them or many', () => {
  const labels = new LabelTable()
  const texts = ['', 'a', 'b', 'é', '\u{1f600}', '\uffff', '10', '9']
  const value = (i: number, by: number) => texts[Math.floor(i / by) % texts.length]!
  const all = Uint32Array.from({ length: 2_000 }, (_, i) =>
    labels.internLabels(
      labelsOf({ a: value(i, 1), b: value(i, 8), c: value(i, 64), [`é${i % 3}`]: value(i, 5) }),
    ),
  )
  const sets = labels.distinctSets([all.map((_, i) => all[(i * 7919) % all.length]!)])
  for (const some of [sets, sets.subarray(0, 3), sets.subarray(0, 1), sets.subarray(0, 0)]) {
    const before = some.slice()
    assert.deepEqual(
      labels.sorted(some),
      some.slice().sort((x, y) => labels.compare(x, y)),
    )
    assert.deepEqual(some, before)
  }
  // Of a table with many other pairs as well.
  for (let i = 0; i < 5_000; i++) labels.internLabels(labelsOf({ other: `${i}` }))
  const few = sets.subarray(0, 20)
  assert.deepEqual(
    labels.sorted(few),
    few.slice().sort((x, y) => labels.compare(x, y)),
  )
})
