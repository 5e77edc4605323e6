/** What a compactor's thread runs, once it stands back (worker.ts). */
import { type ActorHost, disconnect, runActor } from '../../shared/actor/index.js'
import { openBucket } from '../../shared/bucket/index.js'
import type { Env } from '../../shared/env/index.js'
import { Limits, type LimitsData } from '../../shared/limits/index.js'
import { connectMain } from '../supervisor/client.js'
import { BlockUploads } from './block-uploads.js'
import { connectCompactor } from './client.js'
import { Compactions } from './compaction.js'
import { Compactor } from './compactor.js'
import type { CompactorBoot } from './contract.js'
import { SeriesDeletions } from './series-deletion.js'
import { compactorTasks } from './tasks.js'
import { tenantCalls } from './tenant-deletion.js'

runActor<CompactorBoot>(async (env, boot, host) => {
  const { dataDir, bucket: bucketConfig } = boot.config
  const bucket = await openBucket(bucketConfig, { dataDir, component: 'compactor' }, env)
  const list = connectMain(host.open('main', 0))
  const limits = new Limits(boot.limits)
  const config = boot.config.compaction
  const { index, count } = boot
  const onDone = () => {
    for (let other = 0; other < count; other++) if (other !== index) wakeOther(env, host, other)
  }
  const compactions = new Compactions({
    env,
    bucket,
    list,
    limits,
    config,
    place: { index, count },
    onDone,
  })
  const parts = { env, boot, bucket, list, limits, compactions }
  const compactor = new Compactor(env, boot, compactorTasks(parts))
  const folder = `${dataDir}/compactor-${boot.index}/uploads`
  const checksMax = boot.config.uploadChecksMax
  const uploads = new BlockUploads({ env, bucket, list, limits, folder, checksMax })
  const scratch = `${dataDir}/compactor-${boot.index}/deletions`
  const pause = () => env.timers.yieldNow()
  const deletions = new SeriesDeletions({ env, bucket, list, scratch, pause })
  const wake = () => void compactor.calls.wake('')
  compactor.start()
  return {
    turn: () => false,
    calls: {
      ...compactor.calls,
      ...tenantCalls({ bucket, env, list }, wake),
      ...uploads.calls(),
      ...compactions.calls(),
      ...compactions.cleaningCalls(() => void compactor.calls.wake('compact')),
      ...deletions.calls(),
    },
    status: () => ({
      readyPercent: 100,
      isServing: true,
      details: compactions.details(),
      damage: compactions.damagedBlocks().map((block) => ({ ...block })),
    }),
    apply: (settings) => void limits.take(settings as LimitsData),
    async drain() {
      uploads.close()
      await compactor.drain()
      bucket.close()
    },
  }
})

/** Has another compactor look for jobs: what comes after ours may be its own. */
function wakeOther(env: Env, host: ActorHost, other: number): void {
  const compactor = connectCompactor(host.open('compactor', other), other)
  compactor
    .wake('compact')
    .catch((error: unknown) => {
      env.log.debug('a compactor was not woken', { other, err: String(error) })
    })
    .finally(() => disconnect(compactor))
}
