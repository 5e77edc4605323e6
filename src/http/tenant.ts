/**
 * Which tenant a request is for: `X-Scope-OrgID` under Mimir's rules (reference: "Tenancy and
 * authentication"). Tenant ids become directory and bucket names, so the character set is a
 * safety rule too.
 */
import { fail } from '../shared/errors/index.js'
import type { HttpConfig, RequestHead } from './handler.js'

const BYTES_MAX = 150
const UNSUPPORTED = /[^0-9a-zA-Z!\-_.*'()]/
const RESERVED = '__mimir_cluster'

/**
 * The tenant of a request; several, sorted and each once (`a|b`), where the endpoint reads and tenant
 * federation is on.
 *
 * @throws AppError `no-org-id`, `tenant-id-invalid` (both 401), `too-many-tenants` (422)
 */
export function tenantOf(incoming: RequestHead, config: HttpConfig, isFederated: boolean): string {
  if (!config.multitenancyEnabled) return config.noAuthTenant
  const header = incoming.headers['x-scope-orgid']
  const text = Array.isArray(header) ? header[0] : header
  if (text === undefined || text === '') {
    if (config.tenantHeaderRequired) throw fail('no-org-id')
    return config.noAuthTenant
  }
  if (!text.includes('|')) {
    checkTenantId(text)
    return text
  }
  const ids = [...new Set(text.split('|'))].sort()
  for (const id of ids) checkTenantId(id)
  const max = mostTenants(config, isFederated)
  if (ids.length > max) throw fail('too-many-tenants', { max, count: ids.length })
  return ids.join('|')
}

function mostTenants({ federation }: HttpConfig, isFederated: boolean): number {
  if (!isFederated || !federation.isEnabled) return 1
  return federation.tenantsMax > 0 ? federation.tenantsMax : Number.POSITIVE_INFINITY
}

/**
 * The tenant that a page's path names.
 *
 * @throws AppError `bad-data` when there can be none of that name
 */
export function tenantInPath(request: { param(name: string): string }): string {
  const id = request.param('tenant')
  try {
    checkTenantId(id)
  } catch (error) {
    throw fail('bad-data', { text: error instanceof Error ? error.message : String(error) }, error)
  }
  return id
}

/**
 * Checks one tenant id.
 *
 * @throws AppError `no-org-id` for an empty one, `tenant-id-invalid`
 */
export function checkTenantId(id: string): void {
  if (id === '') throw fail('no-org-id')
  if (UNSUPPORTED.test(id)) {
    const text = `tenant ID '${id}' contains unsupported character '${UNSUPPORTED.exec(id)![0]}'`
    throw fail('tenant-id-invalid', { text })
  }
  if (id.length > BYTES_MAX) {
    throw fail('tenant-id-invalid', { text: `tenant ID is too long: max ${BYTES_MAX} characters` })
  }
  if (id === '.' || id === '..') {
    throw fail('tenant-id-invalid', { text: "tenant ID is '.' or '..'" })
  }
  if (id === RESERVED) {
    throw fail('tenant-id-invalid', { text: `tenant ID '${RESERVED}' is not allowed` })
  }
}
