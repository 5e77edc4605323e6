/** Parameters of the read path's requests, refused where the tenant's `blocked_requests` say so. */
import { fail } from '../shared/errors/index.js'
import {
  type BlockedRequest,
  compileBlockedRequests,
  type TenantLimits,
} from '../shared/limits/index.js'
import { readForm } from './form.js'
import type { Front, HttpRequest } from './handler.js'
import { Params } from './params.js'

/** Rules, compiled once per row of limits. */
const compiled = new WeakMap<TenantLimits, readonly BlockedRequest[]>()

/**
 * URL parameters, at once, and, of a POST, the form in its body.
 * @throws AppError `err-mimir-request-blocked`
 */
export function readParams(request: HttpRequest, front: Front): Params | Promise<Params> {
  const read = readForm(request, front)
  if (read instanceof Promise) return read.then((params) => allowed(request, front, params))
  return allowed(request, front, read)
}

function allowed(request: HttpRequest, front: Front, params: Params): Params {
  checkBlocked(request, front, params)
  return params
}

/** @throws AppError `err-mimir-request-blocked` */
export function checkBlocked(
  request: HttpRequest,
  front: Front,
  params = new Params(request.search()),
): void {
  const { incoming, tenant } = request
  const limits = front.backend.runtime.limits.of(tenant)
  let rules = compiled.get(limits)
  if (rules === undefined) {
    rules = compileBlockedRequests(limits.blocked_requests)
    compiled.set(limits, rules)
  }
  if (rules.length === 0) return
  const { method = '', url = '' } = incoming
  const [path = ''] = url.split('?')
  const seen = { method, path, values: (name: string) => params.all(name) }
  if (!rules.some((matches) => matches(seen))) return
  const { metrics } = front.env
  metrics.cell('cortex_query_frontend_rejected_queries_total', tenant, 'blocked').add(1)
  throw fail('err-mimir-request-blocked')
}
