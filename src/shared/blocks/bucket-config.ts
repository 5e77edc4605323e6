/** Which bucket the blocks are in: `blocks_storage.*` over `common.storage.*`, as Mimir has it. */
import type { BucketConfig } from '../bucket/index.js'
import { type Config, configSlice, defaultConfig } from '../config/index.js'

/** The slice that `openBucket` takes. */
export function blocksBucketConfig(config: Config): BucketConfig {
  const own: Record<string, unknown> = configSlice(config, 'blocks_storage')
  const defaults: Record<string, unknown> = configSlice(defaultConfig(), 'blocks_storage')
  const common: Record<string, unknown> = configSlice(config, 'common.storage')
  const isGiven = (key: string): boolean =>
    JSON.stringify(own[key]) !== JSON.stringify(defaults[key])
  const rows = Object.keys(common).map((key) => [key, isGiven(key) ? own[key] : common[key]])
  return Object.fromEntries(rows) as unknown as BucketConfig
}
