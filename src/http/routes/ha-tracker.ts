/** GET /distributor/ha_tracker: which replica of each pair is believed; JSON where asked for. */
import { jsonReply } from '../errors.js'
import type { Front, HttpRequest, Reply } from '../handler.js'
import { escapeHtml, pageReply } from '../html.js'

/** The page. */
export function haTracker(request: HttpRequest, front: Front): Reply {
  const { limits } = front.backend.runtime
  const now = front.env.clock.now()
  const entries = front.backend.haEntries().map((entry) => ({
    user: entry.tenant,
    cluster: entry.cluster,
    replica: entry.replica,
    electedAt: new Date(entry.electedAt).toISOString(),
    lastReceivedAt: new Date(entry.heardAt).toISOString(),
    failoverAt: new Date(
      entry.heardAt + limits.of(entry.tenant).ha_tracker_failover_timeout,
    ).toISOString(),
    elections: entry.elections,
  }))
  if (/json/.test(request.incoming.headers.accept ?? '')) {
    return jsonReply(200, { elected: entries, now: new Date(now).toISOString() })
  }
  const rows = entries.map(
    (entry) =>
      `<tr>${Object.values(entry)
        .map((value) => `<td>${escapeHtml(String(value))}</td>`)
        .join('')}</tr>`,
  )
  return pageReply('HA tracker', [
    `<p>Now: ${new Date(now).toISOString()}</p>`,
    '<table><tr><th>tenant</th><th>cluster</th><th>elected replica</th><th>elected</th><th>last received</th><th>next failover</th><th>elections</th></tr>',
    ...rows,
    '</table>',
  ])
}
