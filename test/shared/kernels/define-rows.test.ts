/** Where the kernel places series, against the ring that everybody else asks. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import { createHashring, memberOf, shuffleMembers } from '../../../src/shared/hashring/index.js'
import { compileKernel } from '../../../src/shared/kernels/load.js'
import { WriteRequestKernel } from '../../../src/shared/kernels/write-request.js'

const SIZES = {
  bodyBytesMax: 1 << 16,
  sourceBytesMax: 1 << 16,
  samplesMax: 1_024,
  defineBytesMax: 1 << 16,
  seriesIdsMax: 1_024,
  heapBytes: 4 << 20,
  templateBytes: 1 << 20,
}

test('asks the ring as the host does, at its ends too', () => {
  const random = new SeededPrng(5)
  for (const shardCount of [1, 2, 3, 8]) {
    const ring = createHashring(shardCount)
    const module = compileKernel('write-request')
    const fill = (bytes: Uint8Array): void => random.fill(bytes)
    const kernel = new WriteRequestKernel(module, { ...SIZES, shardCount }, fill, ring)
    const hashes = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff]
    for (let i = 0; i < 2_000; i++) hashes.push(random.nextU32())
    const met = new Set<number>()
    for (const hash of hashes) {
      const member = kernel.exports.memberOf(kernel.context, hash)
      assert.equal(member, memberOf(ring, hash), `hash ${hash} of ${shardCount} shards`)
      met.add(member)
    }
    assert.equal(met.size, shardCount)
    for (const tenant of ['one', 'other', 'third']) {
      const members = shuffleMembers(ring, tenant, { size: 2, zones: 1 })
      kernel.setMembers(members)
      for (const hash of hashes) {
        const member = kernel.exports.memberOf(kernel.context, hash)
        assert.equal(member, memberOf(ring, hash, members), `hash ${hash} of ${tenant}`)
      }
    }
  }
})
