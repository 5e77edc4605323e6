/** How much each tenant has and sends: Mimir's user_stats, and the pages over all tenants. */
import type { MetricName } from '../../shared/telemetry/index.js'
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

/** Columns of the page of usage: what, and where it is counted; series and rate stand before them. */
const USAGE = {
  active_series: 'cortex_ingester_active_series',
  samples_received: 'cortex_distributor_received_samples_total',
  requests: 'cortex_distributor_requests_in_total',
  samples_discarded: 'cortex_discarded_samples_total',
  requests_discarded: 'cortex_discarded_requests_total',
  queries: 'cortex_query_frontend_queries_total',
  blocks: 'cortex_bucket_blocks_count',
} as const satisfies Record<string, MetricName>

/** GET /distributor/usage: all that is counted of each tenant, since the start where it is a total. */
export function usage(request: HttpRequest, front: Front): Reply {
  const { backend, desk } = front
  const names = [...new Set([...backend.tenants(), ...desk.known()])].sort()
  const rows = names.map((tenant) => ({
    tenant,
    series: backend.seriesOf(tenant),
    samples_per_second: desk.rate(tenant),
    ...Object.fromEntries(
      Object.entries(USAGE).map(([column, metric]) => [column, backend.totalOf(metric, tenant)]),
    ),
  }))
  if (isJsonWanted(request)) return jsonReply(200, { tenants: rows })
  const columns = ['tenant', 'series', 'samples_per_second', ...Object.keys(USAGE)]
  const head = columns.map((column) => `<th>${column.replaceAll('_', ' ')}</th>`).join('')
  const lines = rows.map((row) => {
    const cells = Object.values(row).map((value) =>
      typeof value === 'number' ? String(Math.round(value * 100) / 100) : value,
    )
    return `<tr>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`
  })
  return pageReply('Usage', [`<table><tr>${head}</tr>`, ...lines, '</table>'])
}
