/** What stands between a request and its endpoint: which listener it came on, who it is from. */
import { fail } from '../../shared/errors/index.js'
import type { Endpoint, HttpConfig, RequestHead } from '../handler.js'
import { tenantOf } from '../tenant.js'
import { type AccessControl, checkAllowed } from './access.js'
import type { Credential, Permission } from './credentials.js'

/** What an endpoint wants of a credential. A row that does not say, and does not only read: admin. */
export function permissionOf(endpoint: Endpoint): Permission | 'open' {
  if (endpoint.access !== undefined) return endpoint.access
  if (endpoint.isFederated === true) return 'read'
  if (endpoint.auth && endpoint.method === 'GET') return 'read'
  const isApi = endpoint.prefix === 'prometheus' && !endpoint.path.includes('/admin/')
  return isApi ? 'read' : 'admin'
}

/** Lets requests through. */
export class Gate {
  private readonly config: HttpConfig
  private readonly access: AccessControl | undefined
  /** Requests that came on the operator's listener. */
  private readonly onAdmin = new WeakSet<RequestHead>()

  constructor(config: HttpConfig, access: AccessControl | undefined) {
    this.config = config
    this.access = access
  }

  /** A request came on the operator's listener. */
  markAdmin(incoming: RequestHead): void {
    this.onAdmin.add(incoming)
  }

  /**
   * The tenant, or tenants, that a request is for.
   *
   * @throws AppError `not-found` on the wrong listener, `unauthorized`, `forbidden`, and those of
   *   `tenantOf`
   */
  enter(incoming: RequestHead, endpoint: Endpoint): string | Promise<string> {
    const permission = permissionOf(endpoint)
    if (this.config.adminListener !== undefined && permission !== 'open') {
      const isAdmin = permission === 'admin'
      if (isAdmin !== this.onAdmin.has(incoming)) {
        throw fail('not-found', { text: '404 page not found' })
      }
    }
    if (this.access === undefined || permission === 'open') return this.tenant(incoming, endpoint)
    return this.enterAs(this.access, incoming, endpoint, permission)
  }

  private async enterAs(
    access: AccessControl,
    incoming: RequestHead,
    endpoint: Endpoint,
    permission: Permission,
  ): Promise<string> {
    const who = await access.identify(incoming)
    const tenant = this.tenant(incoming, endpoint, who)
    checkAllowed(who, permission, tenant)
    return tenant
  }

  private tenant(incoming: RequestHead, endpoint: Endpoint, who?: Credential): string {
    if (!endpoint.auth) return ''
    const isFederated = endpoint.isFederated === true
    const own = who === undefined || who.tenants === '*' ? undefined : [...who.tenants]
    if (own === undefined || !this.config.multitenancyEnabled) {
      return tenantOf(incoming, this.config, isFederated)
    }
    // Who has one tenant need not name it; who has several must.
    const [noAuthTenant = ''] = own
    const tenantHeaderRequired = own.length > 1
    const config = { ...this.config, noAuthTenant, tenantHeaderRequired }
    return tenantOf(incoming, config, isFederated)
  }
}
