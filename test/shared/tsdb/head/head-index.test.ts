/** A reader's own selections: those of the owner, from another thread too, or none at all. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { createHeadMemory } from '../../../../src/shared/kernels/head.js'
import { H_INDEX_SEQUENCE } from '../../../../src/shared/kernels/head-layout.js'
import { labelsOf } from '../../../../src/shared/model/labels.js'
import type { Matcher } from '../../../../src/shared/model/matcher.js'
import { type Head, HeadReader } from '../../../../src/shared/tsdb/index.js'
import { createTestHead, headModule } from '../../../support/head-source.js'
import { GROUPS, type SelectorData } from './concurrent-selector.js'

const ALL = { mint: -Infinity, maxt: Infinity }
const MATCHERS: readonly (readonly Matcher[])[] = [
  [{ name: 'job', op: '=', value: 'a' }],
  [{ name: 'job', op: '!=', value: 'a' }],
  [{ name: 'job', op: '=~', value: 'a|b' }],
  [
    { name: '__name__', op: '=~', value: 'm.+' },
    { name: 'job', op: '!~', value: 'b.*' },
  ],
  [{ name: 'job', op: '=', value: 'missing' }],
  [{ name: 'missing', op: '=', value: '' }],
]

function filledHead(): Head {
  const head = createTestHead()
  for (let i = 0; i < 100; i++) {
    const job = ['a', 'b', 'bc', 'd'][i % 4]!
    const ref = head.getOrCreate('t', labelsOf({ __name__: `m${i % 3}`, job, i: `${i}` }))
    assert.equal(head.appendSample(ref, i * 1000, i), 'appended')
    assert.equal(head.appendSample(ref, i * 1000 + 500, i), 'appended')
  }
  head.getOrCreate('other', labelsOf({ __name__: 'm0', job: 'a' }))
  return head
}

test('a reader selects what the owner selects', () => {
  const head = filledHead()
  head.serve()
  const { index } = new HeadReader(head.view.memory, headModule(), 0)
  for (const matchers of MATCHERS) {
    for (const range of [ALL, { mint: 20_000, maxt: 40_250 }, { mint: 99_501, maxt: 200_000 }]) {
      const expected = head.select('t', matchers, range.mint, range.maxt)
      assert.deepEqual(index.select('t', matchers, range), expected)
    }
  }
  assert.deepEqual(index.labelNames('t'), head.labelNames('t', [], ALL))
  assert.deepEqual(index.labelNames('t'), ['__name__', 'i', 'job'])
  assert.deepEqual(index.labelValues('t', 'job'), ['a', 'b', 'bc', 'd'])
  assert.deepEqual(index.labelValues('other', 'job'), ['a'])
  // New since the reader was made.
  const ref = head.getOrCreate('new', labelsOf({ __name__: 'n' }))
  assert.equal(head.appendSample(ref, 1, 1), 'appended')
  const found = index.select('new', [{ name: '__name__', op: '=', value: 'n' }], ALL)
  assert.deepEqual(found, Uint32Array.of(ref))
})

test('names and values that were listed are listed anew when there are others', () => {
  const head = filledHead()
  head.serve()
  const { index } = new HeadReader(head.view.memory, headModule(), 0)
  for (const name of ['x', 'y']) {
    assert.equal(index.labelNames('t'), index.labelNames('t'))
    const ref = head.getOrCreate('t', labelsOf({ __name__: 'm', job: `new-${name}`, [name]: '1' }))
    assert.equal(head.appendSample(ref, 1, 1), 'appended')
    assert.deepEqual(index.labelNames('t'), head.labelNames('t', [], ALL))
    assert.deepEqual(index.labelValues('t', 'job'), head.labelValues('t', 'job', [], ALL))
    assert.deepEqual(index.labelValues('t', name), ['1'])
    assert.deepEqual(index.labelValues('other', 'job'), ['a'])
  }
})

test('there is no answer before the log is replayed, of unknown tenants, and amid a change', () => {
  const head = filledHead()
  const { index } = new HeadReader(head.view.memory, headModule(), 0)
  assert.equal(index.select('t', MATCHERS[0]!, ALL), undefined)
  assert.equal(index.labelNames('t'), undefined)
  head.serve()
  assert.equal(index.select('t', MATCHERS[0]!, ALL)?.length, 25)
  assert.equal(index.select('nobody', MATCHERS[0]!, ALL), undefined)
  const before = Atomics.add(head.view.u32, H_INDEX_SEQUENCE / 4, 1)
  assert.equal(before & 1, 0, 'no change is left open')
  assert.equal(index.select('t', MATCHERS[0]!, ALL), undefined)
  assert.equal(index.labelValues('t', 'job'), undefined)
})

test('known series change nothing that readers look at', () => {
  const head = filledHead()
  const before = Atomics.load(head.view.u32, H_INDEX_SEQUENCE / 4)
  head.getOrCreate('t', labelsOf({ __name__: 'm0', job: 'a', i: '0' }))
  assert.equal(Atomics.load(head.view.u32, H_INDEX_SEQUENCE / 4), before)
  head.getOrCreate('t', labelsOf({ __name__: 'm0', job: 'a', i: 'new' }))
  assert.equal(Atomics.load(head.view.u32, H_INDEX_SEQUENCE / 4), before + 2)
})

test('an answer in the middle of which series were created is put together anew', () => {
  const head = createTestHead()
  const create = (job: string): void => {
    const ref = head.getOrCreate('t', labelsOf({ __name__: 'm', job, i: `${seriesCount++}` }))
    assert.equal(head.appendSample(ref, 1, 1), 'appended')
  }
  let seriesCount = 0
  // So many values that they are not looked at in one step; the newest comes first.
  for (let i = 0; i < 300; i++) create(`job-${i}`)
  head.serve()
  const { index } = new HeadReader(head.view.memory, headModule(), 0)
  let checks = 0
  const refs = index.select('t', [{ name: 'job', op: '=~', value: 'job-.*[0-9]' }], ALL, () => {
    if (checks++ > 0) return
    // One among what has been looked at, then one among what has not.
    create('job-299')
    create('job-0')
  })
  assert.ok(checks > 2, 'the selection took steps')
  assert.deepEqual(
    refs,
    Uint32Array.from({ length: 302 }, (_, ref) => ref),
  )
})

/** Series that are created under the selector's eyes: tables are rehashed several times. */
const CREATED = 60_000
/** A machine that is busy with other things gives up earlier, with fewer series, though not without an answer. */
const DURATION_MS = 4000

test('selections are whole while series are created', async () => {
  const head = createTestHead(createHeadMemory())
  head.tenant('t')
  head.serve()
  const cells = new SharedArrayBuffer(16)
  const counters = new Int32Array(cells)
  const workerData: SelectorData = { memory: head.view.memory, module: headModule(), cells }
  const url = new URL('./concurrent-selector.js', import.meta.url)
  const worker = new Worker(url, { workerData })
  const verdict = once(worker, 'message')
  // A thread that has just come online still loads its code.
  while (Atomics.load(counters, 3) === 0) await sleep(1)
  const end = performance.now() + DURATION_MS
  for (let i = 0; i < CREATED && performance.now() < end; i++) {
    const ref = head.getOrCreate('t', labelsOf({ group: `g${i % GROUPS}`, i: `${i}` }))
    assert.equal(head.appendSample(ref, i, 1), 'appended')
    Atomics.store(counters, 1, i + 1)
    // Pauses of all lengths, so that selections begin and end anywhere.
    for (let k = (i * 7919) % 3000; k > 0; k--) Atomics.load(counters, 1)
  }
  // The thread may have had no processor amid all this; nothing changes any more: now it gets one.
  const answered = Atomics.load(counters, 2)
  const isAnswered = (): boolean => Atomics.load(counters, 2) > answered
  for (let tries = 0; tries < 10_000 && !isAnswered(); tries++) await sleep(1)
  Atomics.store(counters, 0, 1)
  assert.equal((await verdict)[0], 'fine')
  assert.ok(isAnswered(), `no answer in ${counters[3]} attempts`)
})
