/** A bucket in memory, for tests of what stands on buckets; it passes the contract test. */
import type {
  BucketBackend,
  BucketPage,
  ByteRange,
  ListQuery,
} from '../../src/shared/bucket/backend.js'
import type { BucketBody, BucketEntry } from '../../src/shared/bucket/bucket.js'
import type { Bucket } from '../../src/shared/bucket/index.js'
import { createBucket, RETRY_DEFAULTS, type RetryPolicy } from '../../src/shared/bucket/retrying.js'
import type { Env } from '../../src/shared/env/index.js'
import { fail } from '../../src/shared/errors/index.js'

/** One call that is about to happen. */
export interface BucketCall {
  readonly operation: 'get' | 'put' | 'delete' | 'list' | 'attributes'
  readonly key: string
}

/** The in-memory backend and its handles. */
export class MemoryBackend implements BucketBackend {
  readonly name = 'memory'
  /** Runs before each call; what it throws is what the call fails with. */
  before: (call: BucketCall) => void | Promise<void> = () => {}
  /** Calls so far. */
  readonly calls: BucketCall[] = []
  readonly objects = new Map<string, { bytes: Uint8Array; mtime: number }>()
  private readonly env: Pick<Env, 'disk' | 'clock'>

  constructor(env: Pick<Env, 'disk' | 'clock'>) {
    this.env = env
  }

  async get(key: string, range: ByteRange | undefined): Promise<Uint8Array> {
    await this.called('get', key)
    const { bytes } = this.find('get', key)
    if (range === undefined) return bytes.slice()
    return bytes.slice(range.offset, range.offset + range.length)
  }

  async put(key: string, body: BucketBody, ifAbsent: boolean): Promise<void> {
    await this.called('put', key)
    if (ifAbsent && this.objects.has(key)) {
      throw fail('bucket-exists', { bucket: this.name, operation: 'put', key })
    }
    const bytes = 'path' in body ? this.env.disk.readFile(body.path) : body.slice()
    this.objects.set(key, { bytes, mtime: this.env.clock.now() })
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      await this.called('delete', key)
      this.objects.delete(key)
    }
  }

  async listPage({ prefix, delimiter, from, limit }: ListQuery): Promise<BucketPage> {
    await this.called('list', prefix)
    const entries = new Map<string, BucketEntry>()
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix))
    keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    for (const key of keys) {
      const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
      const folded = end < 0 ? key : key.slice(0, end + delimiter.length)
      if (from !== undefined && Buffer.compare(Buffer.from(folded), Buffer.from(from)) <= 0)
        continue
      if (entries.size === limit && !entries.has(folded)) {
        return { entries: [...entries.values()], next: [...entries.keys()].at(-1)! }
      }
      const { bytes, mtime } = this.objects.get(key)!
      entries.set(folded, end < 0 ? { key, size: bytes.length, mtime } : { key: folded })
    }
    return { entries: [...entries.values()] }
  }

  async attributes(key: string): Promise<{ size: number; mtime: number }> {
    await this.called('attributes', key)
    const { bytes, mtime } = this.find('attributes', key)
    return { size: bytes.length, mtime }
  }

  close(): void {}

  private async called(operation: BucketCall['operation'], key: string): Promise<void> {
    const call = { operation, key }
    this.calls.push(call)
    await this.before(call)
  }

  private find(operation: string, key: string): { bytes: Uint8Array; mtime: number } {
    const found = this.objects.get(key)
    if (found === undefined) throw fail('bucket-not-found', { bucket: this.name, operation, key })
    return found
  }
}

/** A bucket over an in-memory backend. */
export function createMemoryBucket(
  env: Env,
  options: { prefix?: string; policy?: Partial<RetryPolicy> } = {},
): { bucket: Bucket; backend: MemoryBackend } {
  const backend = new MemoryBackend(env)
  const policy = { ...RETRY_DEFAULTS, ...options.policy }
  const prefix = options.prefix ?? ''
  return { bucket: createBucket({ backend, prefix, policy, env, component: 'test' }), backend }
}
