/**
 * A block's way into the bucket and out of it. Whoever sees a meta.json sees a whole block: it goes
 * up last and away first. An upload that was cut off goes on where it was: objects appear whole, a
 * ULID names the same bytes for ever, so what is there with the right size stays.
 */
import { join } from 'node:path'
import type { Bucket } from '../bucket/index.js'
import type { Disk } from '../env/index.js'
import { AppError, fail } from '../errors/index.js'
import {
  type BlockFileEntry,
  type BlockMeta,
  decodeBlockMeta,
  encodeBlockMeta,
  hasTombstones,
  TOMBSTONES_FILE,
} from '../tsdb/index.js'
import { isBlockMark, removeBlockMarks } from './markers.js'
import { blockKey, debugMetaKey } from './names.js'

/** Bytes of one read of a download. */
const DOWNLOAD_BYTES = 8 * 1024 * 1024

/**
 * Uploads a block directory; one that is there already is left alone.
 *
 * @param block.dir the block's own folder
 * @returns its meta.json as the bucket has it, with the `thanos` section
 * @throws AppError of the bucket; calling again goes on
 */
export async function uploadBlock(
  bucket: Bucket,
  block: { readonly tenant: string; readonly dir: string },
  disk: Disk,
): Promise<BlockMeta> {
  const { tenant, dir } = block
  const local = decodeBlockMeta(disk.readFile(join(dir, 'meta.json')), dir)
  const { ulid } = local
  const files = filesOf(dir, disk)
  const meta = withThanos(local, files)
  const there = new Map<string, number>()
  const prefix = blockKey(tenant, ulid, '')
  for await (const { key, size } of bucket.list(prefix)) {
    there.set(key.slice(prefix.length), size ?? -1)
  }
  // Alone of a block's files they change: they are sent each time.
  if (hasTombstones(disk, dir)) {
    await bucket.put(prefix + TOMBSTONES_FILE, { path: join(dir, TOMBSTONES_FILE) })
  }
  if (there.has('meta.json')) return meta
  const bytes = encodeBlockMeta(meta)
  await bucket.put(debugMetaKey(tenant, ulid), bytes)
  for (const { rel_path: file, size_bytes: size } of files) {
    if (there.get(file) === size) continue
    await bucket.put(prefix + file, { path: join(dir, file) })
  }
  await bucket.put(`${prefix}meta.json`, bytes)
  return meta
}

/** Chunk files and index, with their sizes. */
function filesOf(dir: string, disk: Disk): BlockFileEntry[] {
  const chunks = disk.list(join(dir, 'chunks')).map((name) => `chunks/${name}`)
  return [...chunks, 'index'].map((file) => {
    const facts = disk.findFacts(join(dir, file))
    if (facts === undefined) {
      throw fail('block-damaged', { block: dir, section: file, text: 'the file is missing' })
    }
    return { rel_path: file, size_bytes: facts.size }
  })
}

function withThanos(meta: BlockMeta, files: readonly BlockFileEntry[]): BlockMeta {
  const segments = files.filter(({ rel_path }) => rel_path.startsWith('chunks/'))
  return {
    ...meta,
    thanos: {
      version: 1,
      labels: meta.thanos?.labels ?? {},
      downsample: { resolution: 0 },
      source: meta.thanos?.source || 'receive',
      segment_files: segments.map(({ rel_path }) => rel_path.slice('chunks/'.length)),
      files: [...files, { rel_path: 'meta.json' }],
    },
  }
}

/**
 * Takes a block out of the bucket: meta.json first, so that nobody takes the rest for a block, then
 * the files, its marks last, so that what is cut off is found and finished.
 */
export async function deleteBlock(
  bucket: Bucket,
  block: { readonly tenant: string; readonly ulid: string },
): Promise<void> {
  const prefix = blockKey(block.tenant, block.ulid, '')
  await bucket.delete([`${prefix}meta.json`])
  const files: string[] = []
  for await (const { key } of bucket.list(prefix)) {
    if (!isBlockMark(key.slice(prefix.length))) files.push(key)
  }
  await bucket.delete(files)
  await removeBlockMarks(bucket, block)
}

/**
 * Copies a block to a local folder, which appears whole. meta.json is read first and says which
 * files there are.
 *
 * @throws AppError `bucket-not-found` when the block is gone
 */
export async function downloadBlock(
  bucket: Bucket,
  block: { readonly tenant: string; readonly ulid: string; readonly dir: string },
  disk: Disk,
): Promise<BlockMeta> {
  const { tenant, ulid, dir } = block
  const bytes = await bucket.get(blockKey(tenant, ulid, 'meta.json'))
  const meta = decodeBlockMeta(bytes, blockKey(tenant, ulid, 'meta.json'))
  const draft = `${dir}.tmp-for-download`
  disk.remove(draft)
  disk.makeFolder(join(draft, 'chunks'))
  for (const { name, size } of await filesInBucket(bucket, tenant, ulid, meta)) {
    await downloadFile(bucket, blockKey(tenant, ulid, name), join(draft, name), size, disk)
  }
  disk.replaceFile(join(draft, 'meta.json'), bytes)
  disk.syncFolder(join(draft, 'chunks'))
  disk.remove(dir)
  disk.rename(draft, dir)
  return meta
}

/**
 * Copies a block's index alone to a local file.
 * @throws AppError `bucket-not-found` when the block is gone
 */
export async function downloadIndex(
  bucket: Bucket,
  block: { readonly tenant: string; readonly ulid: string; readonly path: string },
  disk: Disk,
): Promise<void> {
  const key = blockKey(block.tenant, block.ulid, 'index')
  const { size } = await bucket.attributes(key)
  await downloadFile(bucket, key, block.path, size, disk)
}

async function filesInBucket(
  bucket: Bucket,
  tenant: string,
  ulid: string,
  meta: BlockMeta,
): Promise<{ name: string; size: number }[]> {
  const prefix = blockKey(tenant, ulid, '')
  const found: { name: string; size: number }[] = []
  for await (const { key, size } of bucket.list(prefix)) {
    const name = key.slice(prefix.length)
    if (!/^(index|tombstones|chunks\/\d{6})$/.test(name)) continue
    found.push({ name, size: size ?? (await bucket.attributes(key)).size })
  }
  const sizes = new Map(found.map(({ name, size }) => [name, size]))
  for (const { rel_path: name, size_bytes: size } of meta.thanos?.files ?? []) {
    if (size === undefined || sizes.get(name) === size) continue
    const text = `meta.json says ${size} bytes, the bucket has ${sizes.get(name) ?? 'no such file'}`
    throw fail('block-damaged', { block: `${tenant}/${ulid}`, section: name, text })
  }
  return found
}

async function downloadFile(
  bucket: Bucket,
  key: string,
  path: string,
  size: number,
  disk: Disk,
): Promise<void> {
  const file = disk.open(path, 'create')
  try {
    for (let at = 0; at < size; ) {
      const part = await bucket.getRange(key, at, Math.min(DOWNLOAD_BYTES, size - at))
      if (part.length === 0) {
        throw new AppError('bucket-not-found', { bucket: bucket.name, operation: 'get', key })
      }
      for (let done = 0; done < part.length; ) {
        const written = file.write(part.subarray(done))
        if (written === 0) throw fail('disk-failed', { text: `write ${path}: ENOSPC` })
        done += written
      }
      at += part.length
    }
    file.sync()
  } finally {
    file.close()
  }
}
