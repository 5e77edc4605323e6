/** How much each tenant has and sends: Mimir's user_stats, and the pages over all tenants. */
import { jsonReply } from '../errors.js'
import type { Front, HttpRequest, Reply } from '../handler.js'
import { escapeHtml, pageReply } from '../html.js'

/** Rates are samples a second; nothing comes from rules that is not counted as sent. */
function statsOf(tenant: string, front: Front) {
  const rate = front.desk.rate(tenant)
  const numSeries = front.backend.seriesOf(tenant)
  return { ingestionRate: rate, numSeries, APIIngestionRate: rate, RuleIngestionRate: 0 }
}

function isJsonWanted({ incoming }: HttpRequest): boolean {
  return /json/.test(incoming.headers.accept ?? '')
}

/** GET /api/v1/user_stats */
export function userStats(request: HttpRequest, front: Front): Reply {
  return jsonReply(200, statsOf(request.tenant, front))
}

/** GET /distributor/all_user_stats: by series, then by name. */
export function allUserStats(request: HttpRequest, front: Front): Reply {
  const names = new Set([...front.backend.tenants(), ...front.desk.known()])
  const stats = Array.from(names, (userID) => ({ userID, ...statsOf(userID, front) }))
  stats.sort((a, b) => b.numSeries - a.numSeries || (a.userID < b.userID ? -1 : 1))
  if (isJsonWanted(request)) return jsonReply(200, stats)
  const rows = stats.map(
    ({ userID, numSeries, ingestionRate }) =>
      `<tr><td>${escapeHtml(userID)}</td><td>${numSeries}</td><td>${ingestionRate.toFixed(2)}</td></tr>`,
  )
  const head = '<table><tr><th>tenant</th><th>series</th><th>samples a second</th></tr>'
  return pageReply('Tenants', [head, ...rows, '</table>'])
}

/** GET /ingester/tenants: those that have, or had, series in memory. */
export function ingesterTenants(request: HttpRequest, front: Front): Reply {
  const tenants = front.backend.tenants()
  if (isJsonWanted(request)) return jsonReply(200, { tenants })
  const rows = tenants.map((tenant) => {
    const series = front.backend.seriesOf(tenant)
    return `<tr><td>${escapeHtml(tenant)}</td><td>${series}</td></tr>`
  })
  const head = '<table><tr><th>tenant</th><th>series in memory</th></tr>'
  return pageReply('Tenants in memory', [head, ...rows, '</table>'])
}
