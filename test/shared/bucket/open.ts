/** Opens a bucket from configuration keys, on the real clock and disk. */
import { type Bucket, type BucketConfig, openBucket } from '../../../src/shared/bucket/index.js'
import type { RetryPolicy } from '../../../src/shared/bucket/retrying.js'
import { type Config, configSlice, defaultConfig } from '../../../src/shared/config/index.js'
import { NODE_CLOCK, NODE_TIMERS, nodeDisk } from '../../../src/shared/env/index.js'
import { createFakeEnv } from '../../support/fake-env.js'

const env = { ...createFakeEnv(), clock: NODE_CLOCK, timers: NODE_TIMERS, disk: nodeDisk() }

/**
 * @param changes keys with their block, `blocks_storage.s3.endpoint`
 * @param more what the configuration does not have, keys of the bucket
 */
export function openConfigured(
  changes: Partial<Config>,
  policy: Partial<RetryPolicy> = {},
  more: Partial<BucketConfig> = {},
): Promise<Bucket> {
  const config: BucketConfig = { ...configSlice(defaultConfig(changes), 'blocks_storage'), ...more }
  return openBucket(config, { dataDir: '.', component: 'test', policy }, env)
}
