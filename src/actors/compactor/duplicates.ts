/**
 * Blocks that others have made superfluous: all their sources went into another block of the same
 * shard too. They are left by a crash between a compaction's upload and the marks on its sources, or
 * by two compactors that did the same work.
 */
import { type BlockMeta, COMPACTOR_SHARD_LABEL } from '../../shared/tsdb/index.js'

/** ULIDs of the blocks that can go. */
export function findDuplicates(metas: readonly BlockMeta[]): Set<string> {
  const groups = new Map<string, BlockMeta[]>()
  for (const meta of metas) {
    const shard = meta.thanos?.labels[COMPACTOR_SHARD_LABEL] ?? ''
    const group = groups.get(shard)
    if (group === undefined) groups.set(shard, [meta])
    else group.push(meta)
  }
  const found = new Set<string>()
  for (const group of groups.values()) {
    // Those of the most sources first; of equal ones the older stays, by its ULID.
    group.sort(
      (a, b) =>
        b.compaction.sources.length - a.compaction.sources.length || (a.ulid < b.ulid ? -1 : 1),
    )
    const holders = new Map<string, BlockMeta[]>()
    for (const meta of group) {
      const { sources } = meta.compaction
      const [first] = sources
      if (first === undefined) continue
      const isCovered = (holders.get(first) ?? []).some((kept) => covers(kept, meta))
      if (isCovered) found.add(meta.ulid)
      else for (const source of sources) holders.set(source, [...(holders.get(source) ?? []), meta])
    }
  }
  return found
}

function covers(kept: BlockMeta, meta: BlockMeta): boolean {
  const sources = new Set(kept.compaction.sources)
  const isInside = kept.minTime <= meta.minTime && kept.maxTime >= meta.maxTime
  return isInside && meta.compaction.sources.every((source) => sources.has(source))
}
