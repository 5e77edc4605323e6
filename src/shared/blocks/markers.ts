/**
 * Marks on blocks and tenants, small JSON objects: to be deleted, not to be compacted. That of a
 * block lies in its folder, with a copy in `T/markers/`, where one listing finds all of them
 * (Mimir's bucket layout; times are Unix seconds).
 */
import type { Bucket } from '../bucket/index.js'
import { AppError, fail } from '../errors/index.js'
import { isUlid } from '../tsdb/index.js'
import { blockKey, listNames, markerKey } from './names.js'

/** Why a block is not to be compacted, in Mimir's words. */
export type NoCompactReason =
  | 'manual'
  | 'index-size-exceeding'
  | 'block-index-out-of-order-chunk'
  | 'critical'

/** That a tenant is to be deleted. */
export interface TenantDeletionMark {
  /** Unix seconds. */
  readonly deletion_time: number
  /** When no block was left. */
  readonly finished_time?: number
}

/** What the marks of a tenant say. */
export interface TenantMarks {
  /** ULID → when it was marked, Unix seconds. */
  readonly deletions: ReadonlyMap<string, number>
  readonly noCompact: ReadonlySet<string>
  readonly isTenantDeleted: boolean
}

const DELETION = 'deletion-mark.json'
const NO_COMPACT = 'no-compact-mark.json'
const TENANT_DELETION = 'tenant-deletion-mark.json'
const READS_AT_ONCE = 16

/** Marks a block for deletion; one that is marked keeps its time. @param now ms */
export async function markForDeletion(
  bucket: Bucket,
  block: { readonly tenant: string; readonly ulid: string },
  options: { readonly now: number; readonly details?: string },
): Promise<void> {
  const own = blockKey(block.tenant, block.ulid, DELETION)
  const known = await findObject(bucket, own)
  const bytes =
    known ?? markOf(block.ulid, options.details, { deletion_time: Math.floor(options.now / 1000) })
  // The block's own mark first: the copy alone would be a mark on nothing.
  if (known === undefined) await bucket.put(own, bytes)
  await bucket.put(markerKey(block.tenant, `${block.ulid}-${DELETION}`), bytes)
}

/** Keeps a block out of compactions. @param now ms */
export async function markNoCompact(
  bucket: Bucket,
  block: { readonly tenant: string; readonly ulid: string },
  options: { readonly now: number; readonly reason: NoCompactReason; readonly details?: string },
): Promise<void> {
  const time = Math.floor(options.now / 1000)
  const fields = { no_compact_time: time, reason: options.reason }
  const bytes = markOf(block.ulid, options.details, fields)
  await bucket.put(blockKey(block.tenant, block.ulid, NO_COMPACT), bytes)
  await bucket.put(markerKey(block.tenant, `${block.ulid}-${NO_COMPACT}`), bytes)
}

/** Takes both copies of all marks of a block away. */
export async function removeBlockMarks(
  bucket: Bucket,
  { tenant, ulid }: { readonly tenant: string; readonly ulid: string },
): Promise<void> {
  await bucket.delete([blockKey(tenant, ulid, DELETION), blockKey(tenant, ulid, NO_COMPACT)])
  await bucket.delete([
    markerKey(tenant, `${ulid}-${DELETION}`),
    markerKey(tenant, `${ulid}-${NO_COMPACT}`),
  ])
}

/** Whether a file of a block's folder is a mark. */
export function isBlockMark(file: string): boolean {
  return file === DELETION || file === NO_COMPACT
}

/** Reads the marks of a tenant by one listing; times that are known are not read again. */
export async function readMarks(
  bucket: Bucket,
  tenant: string,
  known: ReadonlyMap<string, number> = new Map(),
): Promise<TenantMarks> {
  const names = await listNames(bucket, markerKey(tenant, ''))
  const noCompact = new Set<string>()
  const marked: string[] = []
  for (const name of names) {
    const ulid = name.slice(0, 26)
    if (!isUlid(ulid)) continue
    if (name === `${ulid}-${NO_COMPACT}`) noCompact.add(ulid)
    if (name === `${ulid}-${DELETION}`) marked.push(ulid)
  }
  const deletions = new Map<string, number>()
  for (let at = 0; at < marked.length; at += READS_AT_ONCE) {
    const some = marked.slice(at, at + READS_AT_ONCE)
    const times = await Promise.all(
      some.map((ulid) => known.get(ulid) ?? deletionTime(bucket, tenant, ulid)),
    )
    for (const [i, time] of times.entries()) if (time !== undefined) deletions.set(some[i]!, time)
  }
  return { deletions, noCompact, isTenantDeleted: names.includes(TENANT_DELETION) }
}

/** When a block was marked, Unix seconds; undefined when the mark is gone. */
async function deletionTime(
  bucket: Bucket,
  tenant: string,
  ulid: string,
): Promise<number | undefined> {
  const key = markerKey(tenant, `${ulid}-${DELETION}`)
  const bytes = await findObject(bucket, key)
  if (bytes === undefined) return undefined
  const { deletion_time: time } = parseMark<{ deletion_time?: unknown }>(bytes, key)
  if (typeof time !== 'number') throw damagedMark(key, 'deletion_time is missing')
  return time
}

/** That a tenant is to be deleted; undefined when it is not. */
export async function findTenantDeletion(
  bucket: Bucket,
  tenant: string,
): Promise<TenantDeletionMark | undefined> {
  const key = markerKey(tenant, TENANT_DELETION)
  const bytes = await findObject(bucket, key)
  if (bytes === undefined) return undefined
  const mark = parseMark<Partial<TenantDeletionMark>>(bytes, key)
  if (typeof mark.deletion_time !== 'number') throw damagedMark(key, 'deletion_time is missing')
  const { deletion_time, finished_time } = mark
  return finished_time === undefined || finished_time === 0
    ? { deletion_time }
    : { deletion_time, finished_time }
}

/** Marks a tenant, or changes its mark. */
export async function writeTenantDeletion(
  bucket: Bucket,
  tenant: string,
  mark: TenantDeletionMark,
): Promise<void> {
  await bucket.put(markerKey(tenant, TENANT_DELETION), Buffer.from(JSON.stringify(mark)))
}

/** The object, or undefined when there is none. */
export async function findObject(bucket: Bucket, key: string): Promise<Uint8Array | undefined> {
  try {
    return await bucket.get(key)
  } catch (error) {
    if (error instanceof AppError && error.id === 'bucket-not-found') return undefined
    throw error
  }
}

function markOf(id: string, details: string | undefined, fields: object): Uint8Array {
  const mark = { id, version: 1, ...(details === undefined ? {} : { details }), ...fields }
  return Buffer.from(JSON.stringify(mark))
}

function parseMark<T>(bytes: Uint8Array, key: string): T {
  try {
    const mark: unknown = JSON.parse(Buffer.from(bytes).toString())
    if (typeof mark === 'object' && mark !== null) return mark as T
  } catch (error) {
    throw damagedMark(key, String(error))
  }
  throw damagedMark(key, 'it is not an object')
}

function damagedMark(key: string, text: string): AppError {
  return fail('block-damaged', { block: key, section: 'mark', text })
}
