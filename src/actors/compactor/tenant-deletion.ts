/** Marks tenants for deletion; the cleaner takes their blocks away. */
import { findTenantDeletion, listNames, writeTenantDeletion } from '../../shared/blocks/index.js'
import type { Bucket } from '../../shared/bucket/index.js'
import type { Env } from '../../shared/env/index.js'
import { isUlid } from '../../shared/tsdb/index.js'
import type { TenantCalls } from './contract.js'

/** The calls, over a bucket. @param wake has the cleaner and the shipper look at once */
export function tenantCalls(bucket: Bucket, env: Env, wake: () => void): TenantCalls {
  return {
    async deleteTenant({ tenant }) {
      if ((await findTenantDeletion(bucket, tenant)) === undefined) {
        const deletion_time = Math.floor(env.clock.now() / 1000)
        await writeTenantDeletion(bucket, tenant, { deletion_time })
        env.log.info('tenant marked for deletion', { tenant })
      }
      wake()
    },
    async tenantDeletionStatus({ tenant }) {
      const names = await listNames(bucket, `${tenant}/`)
      return { areBlocksDeleted: !names.some((name) => isUlid(name.replace(/\/$/, ''))) }
    },
  }
}
