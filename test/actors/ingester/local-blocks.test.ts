/** The note of what of a shard's tenants is in blocks. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LocalBlocks } from '../../../src/actors/ingester/local-blocks.js'
import { createFakeEnv } from '../../support/fake-env.js'

const FOLDER = 'data/ingester-0'

test('tenants that are gone leave the note once no log has samples of theirs', () => {
  const { disk } = createFakeEnv()
  disk.makeFolder(FOLDER)
  const open = (): LocalBlocks => {
    const blocks = new LocalBlocks(disk, FOLDER)
    blocks.open(() => assert.fail('nothing is damaged'))
    return blocks
  }
  const blocks = open()
  blocks.decide('gone', { before: 1_000, lateBefore: 3 }, [])
  blocks.decide('back', { before: 2_000, lateBefore: 0 }, [])
  blocks.decide('here', { before: 3_000, lateBefore: 0 }, [])
  const gone = new Set(['gone', 'back'])
  const look = (oldest: number, newest: number): void => {
    blocks.forgetGone({ oldest, newest }, (tenant, { before }) => {
      assert.ok(before > 0)
      return gone.has(tenant)
    })
  }
  look(4, 6)
  // One that came back in between: it counts from when it is gone again.
  gone.delete('back')
  look(5, 7)
  gone.add('back')
  look(6, 9)
  assert.deepEqual(blocks.cutTenants(), ['gone', 'back', 'here'], 'segment 6 may have samples')
  look(7, 10)
  assert.deepEqual(blocks.cutTenants(), ['back', 'here'])
  assert.equal(blocks.cutOf('gone').before, Number.NEGATIVE_INFINITY)
  look(9, 10)
  assert.deepEqual(blocks.cutTenants(), ['back', 'here'])
  look(10, 12)
  assert.deepEqual(blocks.cutTenants(), ['here'])
  assert.equal(open().cutTenants().length, 3, 'the file says so from the next cut on')
  blocks.decide('here', { before: 4_000, lateBefore: 0 }, [])
  assert.deepEqual(open().cutTenants(), ['here'])
  assert.equal(open().cutOf('here').before, 4_000)
})
