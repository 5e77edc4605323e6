/**
 * A backend as the rest of the server sees it: with the prefix, a deadline for each try, retries
 * with back-off of what may pass, and the metrics of object storage.
 */
import type { Env } from '../env/index.js'
import { AppError } from '../errors/index.js'
import {
  type BucketBackend,
  type ByteRange,
  DELETE_MAX,
  type FailedTry,
  unavailable,
} from './backend.js'
import type { Bucket, BucketAttributes, BucketBody, BucketEntry } from './bucket.js'
import { putInParts } from './multipart.js'

/** How long and how often is tried, and how much is asked for at once. */
export interface RetryPolicy {
  /** Tries of one call, the first included. */
  readonly triesMax: number
  /** Time of a try that moves no data worth naming. */
  readonly tryTimeoutMs: number
  /** No further try begins after this long. */
  readonly giveUpMs: number
  /** Wait before the second try; doubles, up to {@link BACKOFF_MS_MAX}, with jitter. */
  readonly backoffMs: number
  /** Entries of a page of a listing. */
  readonly pageEntries: number
}

/** Defaults; configuration changes tries and time. */
export const RETRY_DEFAULTS: RetryPolicy = {
  triesMax: 10,
  tryTimeoutMs: 30_000,
  giveUpMs: 60_000,
  backoffMs: 100,
  pageEntries: 1000,
}

/** Longest wait between two tries. */
export const BACKOFF_MS_MAX = 5_000

/** A transfer slower than this counts as hanging: it is cut and tried anew. */
const BYTES_PER_SECOND_MIN = 64 * 1024
/** What is allowed for an object whose size is not known before. */
const UNKNOWN_SIZE = 16 * 1024 * 1024

/** What a bucket is put together from. */
export interface BucketParts {
  readonly backend: BucketBackend
  /** '' or a folder name, without slashes at its ends. */
  readonly prefix: string
  readonly policy: RetryPolicy
  readonly env: Pick<Env, 'timers' | 'clock' | 'prng' | 'metrics' | 'disk'>
  /** Who asks: label `component` of the metrics. */
  readonly component: string
}

/** The bucket over a backend. */
export function createBucket(parts: BucketParts): Bucket {
  return new RetryingBucket(parts)
}

class RetryingBucket implements Bucket {
  readonly name: string
  private readonly parts: BucketParts
  private readonly prefix: string

  constructor(parts: BucketParts) {
    this.name = parts.backend.name
    this.parts = parts
    this.prefix = parts.prefix === '' ? '' : `${parts.prefix}/`
  }

  get(key: string): Promise<Uint8Array> {
    return this.read('get', key, undefined)
  }

  async getRange(key: string, offset: number, length: number): Promise<Uint8Array> {
    if (length <= 0) return new Uint8Array(0)
    return this.read('get_range', key, { offset, length })
  }

  async put(key: string, body: BucketBody, options: { ifAbsent?: boolean } = {}): Promise<void> {
    const { backend, env } = this.parts
    const full = this.prefix + key
    const size =
      'path' in body ? (env.disk.findFacts(body.path)?.size ?? UNKNOWN_SIZE) : body.length
    const ifAbsent = options.ifAbsent === true
    const { parts } = backend
    if (parts !== undefined && 'path' in body && size > parts.partSize) {
      const isThere = async () => (await this.attributes(key)).size === size
      const object = { key: full, path: body.path, size, ifAbsent, isThere }
      return putInParts(parts, object, (operation, bytes, run) =>
        this.tried(operation, full, bytes, run),
      )
    }
    const isAgain = await this.tried('upload', full, size, (signal, tries) =>
      backend.put(full, body, ifAbsent, signal).then(
        () => false,
        (error) => {
          // An answer that was lost: our own object may be the one that is there.
          if (tries > 1 && error instanceof AppError && error.id === 'bucket-exists') return true
          throw error
        },
      ),
    )
    if (isAgain) await this.checkOwn(key, body)
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (let at = 0; at < keys.length; at += DELETE_MAX) {
      const part = keys.slice(at, at + DELETE_MAX).map((key) => this.prefix + key)
      await this.tried('delete', part[0] ?? '', 0, (signal) =>
        this.parts.backend.delete(part, signal),
      )
    }
  }

  async *list(prefix: string, delimiter = ''): AsyncGenerator<BucketEntry> {
    const full = this.prefix + prefix
    let from: string | undefined
    do {
      const query = { prefix: full, delimiter, from, limit: this.parts.policy.pageEntries }
      const page = await this.tried('iter', full, UNKNOWN_SIZE, (signal) =>
        this.parts.backend.listPage(query, signal),
      )
      for (const entry of page.entries) {
        yield { ...entry, key: entry.key.slice(this.prefix.length) }
      }
      from = page.next
    } while (from !== undefined)
  }

  attributes(key: string): Promise<BucketAttributes> {
    const full = this.prefix + key
    return this.tried('attributes', full, 0, (signal) =>
      this.parts.backend.attributes(full, signal),
    )
  }

  localPath(key: string): string | undefined {
    return this.parts.backend.localPath?.(this.prefix + key)
  }

  close(): void {
    this.parts.backend.close()
  }

  private read(operation: string, key: string, range: ByteRange | undefined): Promise<Uint8Array> {
    const full = this.prefix + key
    return this.tried(operation, full, range?.length ?? UNKNOWN_SIZE, (signal) =>
      this.parts.backend.get(full, range, signal),
    )
  }

  /** After a lost answer: the object that is there must be the one that we sent. */
  private async checkOwn(key: string, body: BucketBody): Promise<void> {
    const there = await this.get(key)
    const sent = 'path' in body ? this.parts.env.disk.readFile(body.path) : body
    if (Buffer.compare(there, sent) === 0) return
    throw new AppError('bucket-exists', { bucket: this.name, operation: 'upload', key })
  }

  private async tried<T>(
    operation: string,
    key: string,
    size: number,
    run: (signal: AbortSignal, tries: number) => Promise<T>,
  ): Promise<T> {
    const { policy } = this.parts
    const { clock, timers } = this.parts.env
    const begin = clock.monotonic()
    for (let tries = 1; ; tries++) {
      try {
        return await this.once({ bucket: this.name, operation, key }, size, (signal) =>
          run(signal, tries),
        )
      } catch (error) {
        const mayPass = error instanceof AppError && error.id === 'bucket-unavailable'
        const isLate = clock.monotonic() - begin > policy.giveUpMs
        if (!mayPass || tries >= policy.triesMax || isLate) throw error
        await timers.sleep(this.backoffMs(tries))
      }
    }
  }

  /** One try, under its deadline and counted. */
  private async once<T>(
    tried: FailedTry,
    size: number,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { env, component, policy } = this.parts
    const labels = [tried.operation, component, this.name] as const
    const timeoutMs = policy.tryTimeoutMs + (size / BYTES_PER_SECOND_MIN) * 1000
    const controller = new AbortController()
    const timer = env.timers.after(timeoutMs, () => controller.abort())
    const begin = env.clock.monotonic()
    env.metrics.cell('thanos_objstore_bucket_operations_total', ...labels).add(1)
    try {
      return await run(controller.signal)
    } catch (error) {
      const failed = controller.signal.aborted
        ? unavailable(tried, `no end within ${Math.round(timeoutMs)} ms`, error)
        : asAppError(tried, error)
      if (failed.id !== 'bucket-not-found' && failed.id !== 'bucket-exists') {
        env.metrics.cell('thanos_objstore_bucket_operation_failures_total', ...labels).add(1)
      }
      throw failed
    } finally {
      timer.cancel()
      const tookSeconds = (env.clock.monotonic() - begin) / 1000
      env.metrics
        .histogram('thanos_objstore_bucket_operation_duration_seconds', ...labels)
        .observe(tookSeconds)
    }
  }

  private backoffMs(tries: number): number {
    const most = Math.min(BACKOFF_MS_MAX, this.parts.policy.backoffMs * 2 ** (tries - 1))
    return most / 2 + (this.parts.env.prng.nextU32() / 2 ** 32) * (most / 2)
  }
}

/** What a backend threw; anything but an AppError is of the connection, and may pass. */
function asAppError(tried: FailedTry, error: unknown): AppError {
  if (error instanceof AppError) return error
  const code = (error as NodeJS.ErrnoException).code
  return unavailable(tried, code ?? String(error), error)
}
