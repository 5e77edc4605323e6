/** The thread of a compactor. */
import { runActor } from '../../shared/actor/index.js'
import { openBucket } from '../../shared/bucket/index.js'
import { Limits, type LimitsData } from '../../shared/limits/index.js'
import { connectMain } from '../supervisor/client.js'
import { BlockUploads } from './block-uploads.js'
import { Compactor } from './compactor.js'
import type { CompactorBoot } from './contract.js'
import { compactorTasks } from './tasks.js'
import { tenantCalls } from './tenant-deletion.js'

runActor<CompactorBoot>(async (env, boot, host) => {
  const { dataDir, bucket: bucketConfig } = boot.config
  const bucket = await openBucket(bucketConfig, { dataDir, component: 'compactor' }, env)
  const list = connectMain(host.open('main', 0))
  const limits = new Limits(boot.limits)
  const compactor = new Compactor(env, boot, compactorTasks({ env, boot, bucket, list, limits }))
  const folder = `${dataDir}/compactor-${boot.index}/uploads`
  const checksMax = boot.config.uploadChecksMax
  const uploads = new BlockUploads({ env, bucket, list, limits, folder, checksMax })
  const wake = () => void compactor.calls.wake('')
  compactor.start()
  return {
    turn: () => false,
    calls: { ...compactor.calls, ...tenantCalls(bucket, env, wake), ...uploads.calls() },
    apply: (settings) => void limits.take(settings as LimitsData),
    async drain() {
      uploads.close()
      await compactor.drain()
      bucket.close()
    },
  }
})
