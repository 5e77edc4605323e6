/** Configuration → bucket. The only place that knows which kinds there are. */
import { isAbsolute, join } from 'node:path'
import type { Env } from '../env/index.js'
import type { AzureConfig } from './azure.js'
import type { BucketBackend } from './backend.js'
import type { Bucket } from './bucket.js'
import { checkBucketConfig } from './check.js'
import { filesystemBackend } from './filesystem.js'
import type { GcsConfig } from './gcs.js'
import { createBucket, RETRY_DEFAULTS, type RetryPolicy } from './retrying.js'
import type { S3Config } from './s3-config.js'
import type { SwiftConfig } from './swift.js'

/** The keys below `blocks_storage` (or another storage) that say where its bucket is. */
export interface BucketConfig extends S3Config, GcsConfig, AzureConfig, SwiftConfig {
  readonly backend: 'filesystem' | 's3' | 'gcs' | 'azure' | 'swift'
  readonly storage_prefix: string
  readonly 'filesystem.dir': string
  readonly 's3.max_retries': number
  readonly 'gcs.max_retries': number
  readonly 'azure.max_retries': number
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
  checkBucketConfig(config, env.disk)
  const { backend, retriesMax } = await openBackend(config, place, env)
  // Mimir's keys count retries; a try comes before them.
  const policy = { ...RETRY_DEFAULTS, triesMax: retriesMax + 1, ...place.policy }
  return createBucket({
    backend,
    prefix: config.storage_prefix,
    policy,
    env,
    component: place.component,
  })
}

async function openBackend(
  config: BucketConfig,
  place: BucketPlace,
  env: Env,
): Promise<{ backend: BucketBackend; retriesMax: number }> {
  switch (config.backend) {
    case 'filesystem': {
      const dir = config['filesystem.dir']
      const root = isAbsolute(dir) ? dir : join(place.dataDir, dir)
      return { backend: filesystemBackend(root, env), retriesMax: 0 }
    }
    case 's3': {
      const { s3Backend } = await import('./s3.js')
      return { backend: s3Backend(config, env), retriesMax: config['s3.max_retries'] }
    }
    case 'gcs': {
      const { gcsBackend } = await import('./gcs.js')
      return { backend: gcsBackend(config, env), retriesMax: config['gcs.max_retries'] }
    }
    case 'azure': {
      const { azureBackend } = await import('./azure.js')
      return { backend: azureBackend(config, env), retriesMax: config['azure.max_retries'] }
    }
    case 'swift': {
      const { swiftBackend } = await import('./swift.js')
      return swiftBackend(config, env)
    }
  }
}
