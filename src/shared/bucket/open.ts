/** Configuration → bucket. The only place that knows which kinds there are. */
import { isAbsolute, join } from 'node:path'
import type { Env } from '../env/index.js'
import { fail } from '../errors/index.js'
import type { BucketBackend } from './backend.js'
import type { Bucket } from './bucket.js'
import { filesystemBackend } from './filesystem.js'
import { createBucket, RETRY_DEFAULTS, type RetryPolicy } from './retrying.js'
import type { S3Config } from './s3.js'

/** The keys below `blocks_storage` (or another storage) that say where its bucket is. */
export interface BucketConfig extends S3Config {
  readonly backend: 'filesystem' | 's3' | 'gcs' | 'azure' | 'swift'
  readonly storage_prefix: string
  readonly 'filesystem.dir': string
  readonly 's3.max_retries': number
}

/** What is known where a bucket is opened. */
export interface BucketPlace {
  /** Root of local data: a relative `filesystem.dir` lies below it. */
  readonly dataDir: string
  /** Who asks: label `component` of the metrics, `store-gateway`. */
  readonly component: string
  /** Other retries and deadlines than usual. */
  readonly policy?: Partial<RetryPolicy>
}

/**
 * Opens the bucket of a configuration; nothing is asked of the server yet.
 *
 * @throws AppError `config-invalid` when what its kind needs is missing
 */
export async function openBucket(
  config: BucketConfig,
  place: BucketPlace,
  env: Env,
): Promise<Bucket> {
  const prefix = config.storage_prefix
  if (!/^[0-9A-Za-z]*$/.test(prefix)) {
    const text = `storage_prefix: ${prefix} has characters other than letters and digits`
    throw fail('config-invalid', { text })
  }
  const backend = await openBackend(config, place, env)
  const policy = { ...RETRY_DEFAULTS, ...triesOf(config), ...place.policy }
  return createBucket({ backend, prefix, policy, env, component: place.component })
}

/** Mimir's keys count retries; a try comes before them. */
function triesOf(config: BucketConfig): Partial<RetryPolicy> {
  switch (config.backend) {
    case 's3':
      return { triesMax: config['s3.max_retries'] + 1 }
    default:
      return {}
  }
}

async function openBackend(
  config: BucketConfig,
  place: BucketPlace,
  env: Env,
): Promise<BucketBackend> {
  switch (config.backend) {
    case 'filesystem': {
      const dir = config['filesystem.dir']
      return filesystemBackend(isAbsolute(dir) ? dir : join(place.dataDir, dir), env)
    }
    case 's3':
      return (await import('./s3.js')).s3Backend(config, env)
    default:
      throw fail('config-invalid', { text: `backend: ${config.backend} is not there yet` })
  }
}
