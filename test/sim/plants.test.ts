/**
 * Planted bugs: each breaks one rule between actors (docs/architecture.md) in one place, and the
 * simulation must find it within 1,000 seeds. What it finds is compared with what the bug does, so
 * that a run that fails for another reason does not count.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Distributor } from '../../src/actors/distributor/distributor.js'
import type { Ingester } from '../../src/actors/ingester/ingester.js'
import type { DiskFile } from '../../src/shared/env/index.js'
import * as layout from '../../src/shared/kernels/assembly/write-request-layout.js'
import type { WriteRequestKernel } from '../../src/shared/kernels/write-request.js'
import { FakeDisk } from '../support/fake-disk.js'
import { runCrashes, SCENARIOS, type Weather } from './crash-run.js'
import type { WorldOptions } from './world.js'

const SEEDS = 1_000
const LOST = /was acknowledged and is not there/
/** What one series lacks another has, or has twice: which of them is seen first is all the same. */
const MISPLACED = new RegExp(`${LOST.source}|is there and was never sent|has another value at`)
const STUCK = /it never takes writes again|a push is never answered/

/** Each seed has a world, and a disk, of its own. */
async function isFound(
  makeOptions: () => WorldOptions,
  weather: Weather,
  by: RegExp,
): Promise<void> {
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      await runCrashes(seed, makeOptions(), weather)
    } catch (error) {
      assert.match(String(error), by, `seed ${seed}`)
      return
    }
  }
  assert.fail(`not found within ${SEEDS} seeds`)
}

function scenario(name: string): { options: WorldOptions; weather: Weather } {
  const found = Object.entries(SCENARIOS).find(([key]) => key.includes(name))
  assert.ok(found !== undefined, name)
  return found[1]
}

/** Rule 13: the log goes as soon as a snapshot is begun, not when it is on disk. */
class HastyDisk extends FakeDisk {
  override open(path: string, mode: 'read' | 'append' | 'create' | 'update'): DiskFile {
    const match = /^(.*)\/snapshot\.(\d{8})\.tmp$/.exec(path)
    if (mode === 'create' && match !== null) {
      const [, folder, number] = match
      for (const name of this.list(`${folder}/wal`)) {
        if (/^\d{8}$/.test(name) && name < number!) this.remove(`${folder}/wal/${name}`)
      }
    }
    return super.open(path, mode)
  }
}

test('a snapshot that deletes its log too early is found', () => {
  const { options, weather } = scenario(
    'snapshots are taken all the time, power fails, fsync always',
  )
  return isFound(() => ({ ...options, disk: new HastyDisk() }), weather, LOST)
})

/** Rule 9: the acks of a turn go out, and then its batch is written. */
function ackFirst(ingester: Ingester): void {
  interface Turn {
    due: { link: { send(id: number, ack: unknown): void }; requestId: number; ack: unknown }[]
    commit(...of: unknown[]): void
  }
  const { loop } = ingester as unknown as { loop: Turn }
  const { commit } = loop
  loop.commit = (...of) => {
    for (const { link, requestId, ack } of loop.due) link.send(requestId, ack)
    loop.due.length = 0
    commit.apply(loop, of)
  }
}

test('an ack before the write is found', () => {
  const { options, weather } = scenario('actors die and the disk fails')
  return isFound(() => ({ ...options, onIngester: ackFirst }), weather, LOST)
})

interface Bench {
  readonly kernel: WriteRequestKernel
  readonly sets: readonly { readonly dictionary: { clear(): void } }[]
}

function benchOf(distributor: Distributor): Bench {
  return (distributor as unknown as { bench: Bench }).bench
}

/** Rule 7: what was defined on the link before is taken for defined on the next. */
function keepDefines(distributor: Distributor): void {
  for (const { dictionary } of benchOf(distributor).sets) dictionary.clear = () => {}
}

test('a define that is skipped after a restart is found', () => {
  const { options, weather } = scenario('actors die and the disk fails')
  return isFound(() => ({ ...options, onDistributor: keepDefines }), weather, STUCK)
})

/** Rule 7: an id that is given to another series counts as defined, since it was for the one before. */
function reuseEarly(distributor: Distributor): void {
  const { kernel } = benchOf(distributor)
  const { defineRows } = kernel.exports
  const planted = (context: number): number => {
    for (let i = 0; i < kernel.get(layout.ATTENTION_COUNT); i++) {
      const row = kernel.rowAt(kernel.words[(kernel.attention >>> 2) + i]!)
      const first = kernel.words[(row + layout.ROW_FIRST) >>> 2]!
      const id = kernel.words[(kernel.get(layout.COLUMN_IDS) >>> 2) + first]!
      const shard = kernel.shards.findIndex(({ defined }) => isSet(kernel, defined, id))
      const isNew = kernel.bytes[kernel.routes + id] === layout.ROUTE_NEW
      if (isNew && shard >= 0) kernel.bytes[kernel.routes + id] = shard
    }
    return defineRows(context)
  }
  Object.assign(kernel, { exports: { ...kernel.exports, defineRows: planted } })
}

function isSet(kernel: WriteRequestKernel, bitmap: number, id: number): boolean {
  return ((kernel.bytes[bitmap + (id >>> 3)]! >>> (id & 7)) & 1) === 1
}

test('a slot that is reused too early is found', () => {
  const { options, weather } = scenario('series ids are so few')
  return isFound(() => ({ ...options, onDistributor: reuseEarly }), weather, MISPLACED)
})
