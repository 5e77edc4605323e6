/** The thread of a compactor. */
import { runActor } from '../../shared/actor/index.js'
import { openBucket } from '../../shared/bucket/index.js'
import { Limits, type LimitsData } from '../../shared/limits/index.js'
import { connectMain } from '../supervisor/client.js'
import { Compactor } from './compactor.js'
import type { CompactorBoot } from './contract.js'
import { compactorTasks } from './tasks.js'

runActor<CompactorBoot>(async (env, boot, host) => {
  const { dataDir, bucket: bucketConfig } = boot.config
  const bucket = await openBucket(bucketConfig, { dataDir, component: 'compactor' }, env)
  const list = connectMain(host.open('main', 0))
  const limits = new Limits(boot.limits)
  const compactor = new Compactor(env, boot, compactorTasks({ env, boot, bucket, list, limits }))
  compactor.start()
  return {
    turn: () => false,
    calls: compactor.calls,
    apply: (settings) => void limits.take(settings as LimitsData),
    async drain() {
      await compactor.drain()
      bucket.close()
    },
  }
})
