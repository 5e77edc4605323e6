/** Where things lie in a bucket, as Mimir lays them out. */
import type { Bucket } from '../bucket/index.js'

/** Folders at the bucket's root that are no tenants. */
const NO_TENANTS = new Set(['__mimir_cluster', 'debug', 'rules', 'alerts', 'alertmanager'])

/** `T/ULID/index`. */
export function blockKey(tenant: string, ulid: string, file: string): string {
  return `${tenant}/${ulid}/${file}`
}

/** `T/markers/NAME`. */
export function markerKey(tenant: string, name: string): string {
  return `${tenant}/markers/${name}`
}

/** The index of a tenant's blocks. */
export function bucketIndexKey(tenant: string): string {
  return `${tenant}/bucket-index.json.gz`
}

/** A copy of the meta.json of every block that was ever uploaded. */
export function debugMetaKey(tenant: string, ulid: string): string {
  return `${tenant}/debug/metas/${ulid}.json`
}

/** Tenants that have anything in the bucket, in order. */
export async function listTenants(bucket: Bucket): Promise<string[]> {
  const found: string[] = []
  for await (const { key } of bucket.list('', '/')) {
    if (key.endsWith('/') && !NO_TENANTS.has(key.slice(0, -1))) found.push(key.slice(0, -1))
  }
  return found
}

/** Names right below a prefix; those of folders end in `/`. */
export async function listNames(bucket: Bucket, prefix: string): Promise<string[]> {
  const found: string[] = []
  for await (const { key } of bucket.list(prefix, '/')) found.push(key.slice(prefix.length))
  return found
}
