/** Blocks for tests: those that a real Prometheus wrote, and series to write our own from. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Labels, labelsOf } from '../../src/shared/model/labels.js'
import { encodeXorChunk } from '../../src/shared/tsdb/chunk/xor.js'
import {
  type Block,
  type BlockChunk,
  type BlockSeries,
  compareLabels,
  readSeries,
  type StoredSeries,
} from '../../src/shared/tsdb/index.js'
import { sharedPath } from './shared-material.js'

/** Folders of all fixture blocks; empty after the test was skipped. */
export function fixtureBlocks(t: TestContext): string[] {
  const root = sharedPath('conformance/blocks', t)
  if (root === undefined) return []
  return readdirSync(root)
    .filter((name) => !name.includes('.'))
    .flatMap((name) =>
      readdirSync(join(root, name))
        .filter((block) => block.length === 26)
        .map((block) => join(root, name, block)),
    )
}

/** Folders of tests that are over, or are going on. */
const scratchFolders: string[] = []

process.once('exit', () => {
  for (const folder of scratchFolders) rmSync(folder, { recursive: true, force: true })
})

/**
 * A folder that goes with the process of the test file. Not with the test: hooks run in the order in
 * which they were set, so it would go while what the test started still writes to it; and after a hook
 * that fails no other runs, so that what was started would never end.
 */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-block-'))
  scratchFolders.push(folder)
  return folder
}

/** All series of a block. */
export async function allSeries(block: Block): Promise<StoredSeries[]> {
  const found: StoredSeries[] = []
  for await (const series of readSeries(block)) found.push(series)
  return found
}

/** A chunk of floats. */
export function floatChunk(ts: readonly number[], values: readonly number[]): BlockChunk {
  const data = encodeXorChunk(Float64Array.from(ts), Float64Array.from(values))
  return { mint: ts[0]!, maxt: ts.at(-1)!, encoding: 1, data }
}

/** What `gridSeries` makes. */
export interface Grid {
  readonly series: number
  /** ms, the first sample's time. */
  readonly from: number
  readonly stepMs: number
  readonly samples: number
  /** Samples of a chunk. */
  readonly perChunk?: number
}

/** Counters of several names and instances on one grid of times, sorted. */
export function gridSeries(grid: Grid): BlockSeries[] {
  const all: Labels[] = Array.from({ length: grid.series }, (_, i) =>
    labelsOf({
      __name__: `metric_${i % 7}_total`,
      instance: `host-${i % 31}:9100`,
      job: i % 2 === 0 ? 'node' : 'naïve "job"\n',
      shard: String(i),
    }),
  )
  all.sort(compareLabels)
  return all.map((labels, s) => ({ labels, chunks: gridChunks(grid, s) }))
}

function gridChunks(grid: Grid, series: number): BlockChunk[] {
  const { from, stepMs, samples, perChunk = 120 } = grid
  const chunks: BlockChunk[] = []
  for (let i = 0; i < samples; i += perChunk) {
    const count = Math.min(perChunk, samples - i)
    const ts = Array.from({ length: count }, (_, k) => from + (i + k) * stepMs)
    chunks.push(
      floatChunk(
        ts,
        ts.map((t) => (t / stepMs) * (series + 1)),
      ),
    )
  }
  return chunks
}
