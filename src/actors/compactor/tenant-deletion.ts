/** Marks tenants for deletion, after which no query sees their blocks; the cleaner takes those away. */
import { findTenantDeletion, listNames, writeTenantDeletion } from '../../shared/blocks/index.js'
import type { Bucket } from '../../shared/bucket/index.js'
import type { Env } from '../../shared/env/index.js'
import { isUlid } from '../../shared/tsdb/index.js'
import type { BlockListCalls } from '../supervisor/contract.js'
import type { TenantCalls } from './contract.js'
import { forgetBlock } from './shipper.js'

/** What the calls work on. */
export interface TenantDeletionParts {
  readonly bucket: Bucket
  readonly env: Env
  readonly list: Pick<BlockListCalls, 'blocks' | 'changeBlocks'>
}

/** The calls. @param wake has the cleaner and the shipper look at once */
export function tenantCalls(parts: TenantDeletionParts, wake: () => void): TenantCalls {
  const { bucket, env, list } = parts
  return {
    async deleteTenant({ tenant }) {
      if ((await findTenantDeletion(bucket, tenant)) === undefined) {
        const deletion_time = Math.floor(env.clock.now() / 1000)
        await writeTenantDeletion(bucket, tenant, { deletion_time })
        env.log.info('tenant marked for deletion', { tenant })
      }
      wake()
    },
    async forgetTenant({ tenant }) {
      const { entries } = await list.blocks({ tenant })
      for (const entry of entries) await forgetBlock({ env, list }, entry)
    },
    async tenantDeletionStatus({ tenant }) {
      const names = await listNames(bucket, `${tenant}/`)
      return { areBlocksDeleted: !names.some((name) => isUlid(name.replace(/\/$/, ''))) }
    },
  }
}
