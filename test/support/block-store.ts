/** A bucket with blocks of a grid of counters in it, for tests of whoever reads blocks. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ulidOf } from '../../src/shared/base/ulid.js'
import { type BlockEntry, entryOfMeta } from '../../src/shared/blocks/index.js'
import type { Bucket } from '../../src/shared/bucket/index.js'
import { type Env, NODE_CLOCK, NODE_TIMERS } from '../../src/shared/env/index.js'
import { nodeDisk } from '../../src/shared/env/node-disk.js'
import { segmentName, writeBlock } from '../../src/shared/tsdb/index.js'
import { gridSeries, scratchFolder } from './blocks.js'
import { createFakeEnv } from './fake-env.js'
import { createMemoryBucket, type MemoryBackend } from './memory-bucket.js'

/** Where all grids begin, ms: on a boundary of two hours. */
export const GRID_FROM = 1_700_006_400_000
export const STEP_MS = 15_000

/** The real clock, timers and disk; all else of a test. */
export function realTimeEnv(): Env {
  return { ...createFakeEnv(), clock: NODE_CLOCK, timers: NODE_TIMERS, disk: nodeDisk() }
}

/** Samples [from, to) of a grid, as a block. */
export interface GridBlock {
  readonly series: number
  readonly from: number
  readonly to: number
  readonly level?: number
  readonly segmentBytesMax?: number
}

/** Blocks in a bucket in memory, and on the disk. */
export class BlockStore {
  readonly env: Env
  readonly folder: string
  readonly bucket: Bucket
  readonly backend: MemoryBackend
  private made = 0

  constructor(env = realTimeEnv()) {
    this.env = env
    this.folder = scratchFolder()
    const { bucket, backend } = createMemoryBucket(env)
    this.bucket = bucket
    this.backend = backend
  }

  /** Writes a block to the disk, and tells where it is. */
  async make(tenant: string, grid: GridBlock): Promise<BlockEntry & { localDir: string }> {
    const number = Uint8Array.from({ length: 10 }, (_, i) => (i === 9 ? this.made : 7))
    const ulid = ulidOf(GRID_FROM + this.made++, number)
    const folder = join(this.folder, tenant)
    const { disk } = this.env
    disk.makeFolder(folder)
    const samples = grid.to - grid.from
    const from = GRID_FROM + grid.from * STEP_MS
    const { level = 1, segmentBytesMax } = grid
    const meta = await writeBlock(disk, folder, {
      ulid,
      compaction: { level, sources: [ulid] },
      ...(segmentBytesMax === undefined ? {} : { segmentBytesMax }),
      series: gridSeries({ series: grid.series, from, stepMs: STEP_MS, samples }),
    })
    const localDir = join(folder, ulid)
    return { ...entryOfMeta(tenant, meta!, { inBucket: false, localDir }), localDir }
  }

  /** Copies a block of the disk into the bucket; its entry without the local copy. */
  async put(entry: BlockEntry & { localDir: string }): Promise<BlockEntry> {
    const { localDir, ...rest } = entry
    const { disk } = this.env
    const chunks = disk.list(join(localDir, 'chunks')).map((_, i) => `chunks/${segmentName(i)}`)
    for (const file of [...chunks, 'index', 'meta.json']) {
      const key = `${entry.tenant}/${entry.ulid}/${file}`
      await this.bucket.put(key, readFileSync(join(localDir, file)))
    }
    return { ...rest, inBucket: true }
  }

  /** Takes a block out of the bucket. */
  async remove({ tenant, ulid }: BlockEntry): Promise<void> {
    const keys = [...this.backend.objects.keys()]
    await this.bucket.delete(keys.filter((key) => key.startsWith(`${tenant}/${ulid}/`)))
  }

  /** Reads of objects since the last time it was asked: `get` and `attributes`, by key. */
  reads(): { operation: string; key: string }[] {
    return this.backend.calls
      .splice(0)
      .filter(({ operation }) => operation === 'get' || operation === 'attributes')
  }
}

/** What a query over samples [from, to) of a grid must say. */
export function gridCount(grid: GridBlock): number {
  return grid.series * (grid.to - grid.from)
}
