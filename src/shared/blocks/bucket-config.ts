/** Which bucket the blocks are in; what `common.storage` gives has been filled in at load. */
import type { BucketConfig } from '../bucket/index.js'
import { azureEnvironment, type Config, configSlice } from '../config/index.js'

/** The slice that `openBucket` takes. */
export function blocksBucketConfig(config: Config): BucketConfig {
  return { ...configSlice(config, 'blocks_storage'), 'azure.identity': azureEnvironment() }
}
