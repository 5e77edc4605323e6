/**
 * Heads that spill: some seeds each time (`npm run sim -- --only spill` makes as many as are asked
 * for), and planted bugs, each of which must be found within 1,000 seeds.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Ingester } from '../../src/actors/ingester/ingester.js'
import type { DiskFile } from '../../src/shared/env/index.js'
import { FakeDisk } from '../support/fake-disk.js'
import { runSpills, type SpillOptions } from './spill-run.js'

const SEEDS = 1_000
const UNREADABLE = /chunks\/[0-9a-f]{8} is damaged at/

for (const seed of [1, 2]) {
  test(`heads spill, are cut, die and are read meanwhile, seed ${seed}`, () => runSpills(seed))
}

/** Each seed has a disk of its own. */
async function isFound(makeOptions: () => SpillOptions): Promise<void> {
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      await runSpills(seed, makeOptions())
    } catch (error) {
      assert.match(String(error), UNREADABLE, `seed ${seed}`)
      return
    }
  }
  assert.fail(`not found within ${SEEDS} seeds`)
}

/** Files whose last chunk was dropped go at once, whoever has a lease. */
function removeEarly(ingester: Ingester): void {
  interface Planted {
    readonly files: Map<number, { goneSince?: number }>
    collect(): void
  }
  const { spiller } = (ingester as unknown as { spilling: { spiller: Planted } }).spilling
  const { collect } = spiller
  spiller.collect = () => {
    for (const file of spiller.files.values()) file.goneSince = 0
    collect.call(spiller)
  }
}

test('a chunk file that is removed while a lease still reads it is found', () =>
  isFound(() => ({ onIngester: removeEarly })))

/** What becomes of a write to a chunk file is not looked at. */
class CarelessDisk extends FakeDisk {
  override open(path: string, mode: 'read' | 'append' | 'create' | 'update'): DiskFile {
    const file = super.open(path, mode)
    if (mode !== 'create' || !path.startsWith('data/ingester-0/chunks/')) return file
    return Object.assign(Object.create(file) as DiskFile, {
      write: (bytes: Uint8Array, at?: number) => {
        try {
          file.write(bytes, at)
        } catch {
          // Planted.
        }
        return bytes.length
      },
    })
  }
}

test('chunks that leave memory before they are written are found', () =>
  isFound(() => ({ disk: new CarelessDisk() })))
