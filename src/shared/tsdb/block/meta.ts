/**
 * meta.json of a block: Prometheus' fields, and the `thanos` section that Mimir and Thanos add when
 * a block goes to a bucket. Read with what may be missing filled in; fields that we do not know are
 * kept, so that a block that passes through us loses nothing.
 */
import { fail } from '../../errors/index.js'

/** What a block holds; zeros may be left out. */
export interface BlockStats {
  readonly numSamples: number
  readonly numSeries: number
  readonly numChunks: number
  readonly numTombstones?: number
  readonly numFloatSamples?: number
  readonly numHistogramSamples?: number
}

/** A block that went into a compaction. */
export interface BlockParent {
  readonly ulid: string
  readonly minTime: number
  readonly maxTime: number
}

/** Where a block comes from. */
export interface BlockCompaction {
  /** 1 from a head; one more than its highest source after a compaction. */
  readonly level: number
  /** The level 1 blocks that it descends from, sorted. */
  readonly sources: readonly string[]
  readonly parents?: readonly BlockParent[]
  readonly hints?: readonly string[]
  readonly deletable?: boolean
  readonly failed?: boolean
}

/** A file of a block; meta.json itself is listed without a size. */
export interface BlockFileEntry {
  readonly rel_path: string
  readonly size_bytes?: number
}

/** The section of object storage. */
export interface ThanosMeta {
  readonly version?: number
  /** External labels: `__compactor_shard_id__`, `__out_of_order__`. */
  readonly labels: Readonly<Record<string, string>>
  readonly downsample: { readonly resolution: number }
  /** `receive` (a head), `compactor`, `upload`. */
  readonly source: string
  readonly segment_files?: readonly string[]
  readonly files?: readonly BlockFileEntry[]
}

/** meta.json. Times are ms since the epoch; the block covers minTime <= t < maxTime. */
export interface BlockMeta {
  readonly version: 1
  readonly ulid: string
  readonly minTime: number
  readonly maxTime: number
  readonly stats: BlockStats
  readonly compaction: BlockCompaction
  readonly thanos?: ThanosMeta
}

/** External label of a split block: `1_of_4`. */
export const COMPACTOR_SHARD_LABEL = '__compactor_shard_id__'
/** External label of a block that holds samples which came out of order. */
export const OUT_OF_ORDER_LABEL = '__out_of_order__'
/** Compaction hint of the same. */
export const OUT_OF_ORDER_HINT = 'from-out-of-order'

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/

/** Whether a name is that of a block. */
export function isUlid(name: string): boolean {
  return ULID.test(name)
}

/** Whether a block was made of samples that came out of order only. */
export function isOutOfOrder(meta: BlockMeta): boolean {
  return (
    meta.thanos?.labels[OUT_OF_ORDER_LABEL] === 'true' ||
    meta.compaction.hints?.includes(OUT_OF_ORDER_HINT) === true
  )
}

/**
 * meta.json → values.
 *
 * @param where named in the error: the path or key that the bytes are from
 * @throws AppError `block-damaged` when it is no meta.json of version 1
 */
export function decodeBlockMeta(bytes: Uint8Array, where: string): BlockMeta {
  const damaged = (text: string) =>
    fail('block-damaged', { block: where, section: 'meta.json', text })
  let found: unknown
  try {
    found = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'))
  } catch (error) {
    throw damaged(String(error))
  }
  if (typeof found !== 'object' || found === null) throw damaged('it is not an object')
  const meta = found as Partial<BlockMeta>
  if (meta.version !== 1) throw damaged(`version ${String(meta.version)} is not known`)
  if (typeof meta.ulid !== 'string' || !isUlid(meta.ulid)) throw damaged('ulid is not a ULID')
  if (!Number.isSafeInteger(meta.minTime) || !Number.isSafeInteger(meta.maxTime)) {
    throw damaged('minTime or maxTime is missing')
  }
  if (meta.minTime! > meta.maxTime!) throw damaged('minTime is after maxTime')
  const thanos = meta.thanos
  return {
    ...(meta as BlockMeta),
    stats: {
      ...meta.stats,
      numSamples: count(meta.stats?.numSamples),
      numSeries: count(meta.stats?.numSeries),
      numChunks: count(meta.stats?.numChunks),
    },
    compaction: {
      ...meta.compaction,
      level: count(meta.compaction?.level),
      sources: meta.compaction?.sources ?? [],
    },
    ...(thanos === undefined || thanos === null ? {} : { thanos: filled(thanos) }),
  }
}

/** meta.json as Prometheus writes it: tabs, and its order of fields. */
export function encodeBlockMeta(meta: BlockMeta): Uint8Array {
  const { ulid, minTime, maxTime, stats, compaction, version, thanos, ...rest } = meta
  const ordered = { ulid, minTime, maxTime, stats, compaction, version, thanos, ...rest }
  return Buffer.from(JSON.stringify(ordered, undefined, '\t'))
}

function filled(thanos: ThanosMeta): ThanosMeta {
  return {
    ...thanos,
    labels: thanos.labels ?? {},
    downsample: thanos.downsample ?? { resolution: 0 },
    source: thanos.source ?? '',
  }
}

function count(value: unknown): number {
  return typeof value === 'number' && value > 0 ? value : 0
}
