/** Queries in hand: who runs what, ending one, and the slow ones of late. */
import { fail } from '../../shared/errors/index.js'
import { jsonReply } from '../errors.js'
import type { Front, HttpRequest, Reply } from '../handler.js'
import { parseInteger } from '../params.js'

/** GET /debug/queries: those of all tenants. */
export function debugQueries(_request: HttpRequest, front: Front): Reply {
  return jsonReply(200, { queries: front.backend.frontend.queries() })
}

/** GET /debug/slow-queries: the last ones that took long, newest first. */
export function slowQueries(_request: HttpRequest, front: Front): Reply {
  return jsonReply(200, { queries: front.backend.frontend.slowQueries() })
}

/** POST /debug/queries/:id/cancel: whoever's it is. */
export function debugCancel(request: HttpRequest, front: Front): Reply {
  return cancel(request, front, undefined)
}

/** GET /api/v1/queries: the tenant's own. */
export function ownQueries(request: HttpRequest, front: Front): Reply {
  const { tenant } = request
  const data = front.backend.frontend.queries().filter((query) => query.tenant === tenant)
  return jsonReply(200, { status: 'success', data })
}

/** POST /api/v1/queries/:id/cancel: one of the tenant's own. */
export function cancelQuery(request: HttpRequest, front: Front): Reply {
  return cancel(request, front, request.tenant)
}

function cancel(request: HttpRequest, front: Front, tenant: string | undefined): Reply {
  const id = parseInteger(request.param('id'))
  if (id === undefined || !front.backend.frontend.cancel(id, tenant)) {
    throw fail('not-found', { text: `there is no query ${request.param('id')} in hand` })
  }
  return jsonReply(200, { status: 'success', data: { id } })
}
