/** What the meta.json of a block must be that a tenant uploads (Mimir's rules); pure. */
import { AppError, fail } from '../../shared/errors/index.js'
import { type BlockMeta, COMPACTOR_SHARD_LABEL, decodeBlockMeta } from '../../shared/tsdb/index.js'

/** What it is checked against. */
export interface MetaBounds {
  /** Of the request's path. */
  readonly ulid: string
  /** ms since the epoch. */
  readonly now: number
  /** 0 = blocks are kept for ever. */
  readonly retentionMs: number
  /** Of all files; 0 = any. */
  readonly bytesMax: number
}

/** Labels of old versions, which say nothing any more. */
const DROPPED_LABELS = new Set(['__org_id__', '__ingester_id__', '__shard_id__'])

/**
 * Checks it, and gives it as it is to be stored.
 *
 * @throws AppError `bad-data`, `block-past-retention`, `body-too-large`
 */
export function checkUploadedMeta(bytes: Uint8Array, bounds: MetaBounds): BlockMeta {
  const meta = decoded(bytes)
  if (meta.ulid !== bounds.ulid) throw bad(`meta.json is of ${meta.ulid}, not of ${bounds.ulid}`)
  checkTimes(meta, bounds)
  const { thanos } = meta
  if (thanos?.files === undefined || thanos.files.length === 0) {
    throw bad('missing thanos.files: each file with its size')
  }
  if (thanos.downsample.resolution > 0) throw bad('the block contains downsampled data')
  if (!thanos.files.some(({ rel_path }) => rel_path === 'index')) throw bad('files lacks the index')
  let size = 0
  for (const { rel_path: path, size_bytes: bytes } of thanos.files) {
    if (path === 'meta.json') continue
    if (path !== 'index' && !/^chunks\/\d{6}$/.test(path))
      throw bad(`file with invalid path: ${path}`)
    if (!Number.isSafeInteger(bytes) || bytes! <= 0) throw bad(`file with invalid size: ${path}`)
    size += bytes!
  }
  if (bounds.bytesMax > 0 && size > bounds.bytesMax) {
    throw fail('body-too-large', { max: bounds.bytesMax })
  }
  const labels = checkedLabels(thanos.labels)
  return { ...meta, thanos: { ...thanos, version: 1, labels, source: 'upload' } }
}

function decoded(bytes: Uint8Array): BlockMeta {
  try {
    return decodeBlockMeta(bytes, 'upload')
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    throw bad(`malformed meta.json: ${error.details['text']}`)
  }
}

function checkTimes(meta: BlockMeta, { now, retentionMs }: MetaBounds): void {
  if (meta.minTime < 0 || meta.maxTime <= meta.minTime) {
    throw bad(`invalid minTime/maxTime: ${meta.minTime}, ${meta.maxTime}`)
  }
  if (meta.maxTime > now) throw bad(`block max time is in the future: ${meta.maxTime}`)
  if (retentionMs > 0 && meta.maxTime < now - retentionMs) {
    throw fail('block-past-retention', { block: meta.ulid, maxTime: meta.maxTime })
  }
}

function checkedLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const [name, value] of Object.entries(labels)) {
    if (DROPPED_LABELS.has(name)) continue
    if (name !== COMPACTOR_SHARD_LABEL) throw bad(`unsupported external label: ${name}`)
    const [, index, count] = /^([1-9]\d*)_of_([1-9]\d*)$/.exec(value) ?? []
    if (Number(index) > Number(count) || index === undefined) {
      throw bad(`invalid ${COMPACTOR_SHARD_LABEL} external label: ${value}`)
    }
    kept[name] = value
  }
  return kept
}

function bad(text: string): AppError {
  return fail('bad-data', { text })
}
