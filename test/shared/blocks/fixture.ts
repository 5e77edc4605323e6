/** A block directory on a fake disk, small, and no more than what uploads look at. */
import { type BlockMeta, encodeBlockMeta } from '../../../src/shared/tsdb/index.js'
import type { FakeDisk } from '../../support/fake-disk.js'

/** ULIDs in order. */
export const ULIDS = [
  '01M7ZZPHPZCHJZ23KFTRSA94T0',
  '01M7ZZPHPZCHJZ23KFTRSA94T1',
  '01M7ZZPHPZCHJZ23KFTRSA94T2',
] as const

/** meta.json of a 2 h block from a head. */
export function metaOf(ulid: string, changes: Partial<BlockMeta> = {}): BlockMeta {
  return {
    version: 1,
    ulid,
    minTime: 0,
    maxTime: 7_200_000,
    stats: { numSamples: 3, numSeries: 2, numChunks: 2 },
    compaction: { level: 1, sources: [ulid] },
    ...changes,
  }
}

/** Makes the directory; returns its path. */
export function makeBlock(disk: FakeDisk, tenant: string, meta: BlockMeta): string {
  const dir = `data/ingester-0/blocks/${tenant}/${meta.ulid}`
  disk.makeFolder(`${dir}/chunks`)
  disk.replaceFile(`${dir}/chunks/000001`, Buffer.from(`chunks one of ${meta.ulid}`))
  disk.replaceFile(`${dir}/chunks/000002`, Buffer.from(`chunks two of ${meta.ulid}`))
  disk.replaceFile(`${dir}/index`, Buffer.from(`index of ${meta.ulid}`))
  disk.replaceFile(`${dir}/meta.json`, encodeBlockMeta(meta))
  return dir
}
