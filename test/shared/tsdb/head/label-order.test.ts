/** Series in the order of a block, against the order of their labels as texts, by seed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededPrng } from '../../../../src/shared/base/prng.js'
import { type Labels, labelsOf } from '../../../../src/shared/model/labels.js'
import { compareLabels } from '../../../../src/shared/tsdb/block/writer.js'
import { orderByLabels } from '../../../../src/shared/tsdb/index.js'
import { createTestHead } from '../../../support/head-source.js'

const VALUES = ['a', 'b', 'ab', 'prod-1', 'Grün', '😀', '\uffff', 'x'.repeat(200)]

for (const count of [0, 1, 511, 512, 513, 1025, 5000]) {
  test(`${count} series are ordered by their labels, with pauses`, async () => {
    const head = createTestHead()
    const prng = new SeededPrng(count)
    const known = new Map<number, Labels>()
    for (let i = 0; i < count; i++) {
      const record: Record<string, string> = { __name__: `m${prng.nextU32() % 4}`, unique: `${i}` }
      for (const name of ['job', 'env', 'ü']) {
        if (prng.nextU32() % 3 > 0) record[name] = VALUES[prng.nextU32() % VALUES.length]!
      }
      const labels = labelsOf(record)
      known.set(head.getOrCreate('anna', labels), labels)
    }
    // In the order of creation, in part in the one that is wanted, or at random.
    const refs = [...known.keys()]
    const byLabels = (a: number, b: number): number => compareLabels(known.get(a)!, known.get(b)!)
    const wanted = [...refs].sort(byLabels)
    const half = [...wanted.slice(0, count >> 1), ...wanted.slice(count >> 1).reverse()]
    for (const list of [refs, half, wanted]) {
      let pauses = 0
      const pause = async (): Promise<void> => void pauses++
      const ordered = await orderByLabels(head.view, Uint32Array.from(list), pause)
      assert.deepEqual([...ordered.refs], wanted)
      assert.ok(pauses >= count / 512, `${pauses} pauses`)
    }
  })
}

test('a series that is named twice is found', async () => {
  const head = createTestHead()
  const ref = head.getOrCreate('anna', labelsOf({ __name__: 'm' }))
  const twice = orderByLabels(head.view, Uint32Array.of(ref, ref), async () => {})
  await assert.rejects(twice, /is there twice/)
})
