/**
 * Why is my data missing: what was refused of a tenant's pushes, the newest text of each reason, and
 * how much of it there was. One for the tenant itself, one for the operator over all tenants.
 */
import { jsonReply } from '../errors.js'
import type { Front, HttpRequest, Reply } from '../handler.js'
import { escapeHtml, pageReply } from '../html.js'

/** What is told of one tenant. */
function rejectedOf(tenant: string, front: Front) {
  return {
    discarded_samples: front.backend.discarded(tenant),
    rejections: front.desk.rejections(tenant).map((rejection) => ({
      id: rejection.id,
      reason: rejection.reason,
      status: rejection.status,
      text: rejection.text,
      requests: rejection.count,
      first: new Date(rejection.firstAt).toISOString(),
      last: new Date(rejection.lastAt).toISOString(),
    })),
  }
}

/** GET /api/v1/rejected */
export function rejected(request: HttpRequest, front: Front): Reply {
  return jsonReply(200, { status: 'success', data: rejectedOf(request.tenant, front) })
}

/** GET /distributor/rejected: of every tenant that had anything refused since the start. */
export function allRejected(request: HttpRequest, front: Front): Reply {
  const rows = front.desk
    .known()
    .map((tenant) => ({ tenant, ...rejectedOf(tenant, front) }))
    .filter(({ rejections }) => rejections.length > 0)
  if (/json/.test(request.incoming.headers.accept ?? '')) return jsonReply(200, rows)
  const lines = rows.flatMap(({ tenant, rejections, discarded_samples: discarded }) => [
    `<h2>${escapeHtml(tenant)}</h2>`,
    `<p>${Object.entries(discarded)
      .map(([reason, count]) => `${escapeHtml(reason)}: ${count}`)
      .join(' · ')}</p>`,
    '<table><tr><th>last</th><th>reason</th><th>requests</th><th>status</th><th>first error of the newest</th></tr>',
    ...rejections.map(
      ({ last, reason, requests, status, text }) =>
        `<tr><td>${last}</td><td>${escapeHtml(reason)}</td><td>${requests}</td><td>${status}</td><td>${escapeHtml(text)}</td></tr>`,
    ),
    '</table>',
  ])
  return pageReply('Rejected samples', lines.length === 0 ? ['<p>None.</p>'] : lines)
}
