/** Mimir's endpoints of an ingester: how its life is to go on, and what it holds of a tenant. */
import { bodyOf } from '../../actors/querier/client.js'
import { fail } from '../../shared/errors/index.js'
import { jsonReply, textReply } from '../errors.js'
import { readSmallBody } from '../form.js'
import type { Front, HttpRequest, Reply } from '../handler.js'
import { escapeHtml, pageReply } from '../html.js'
import type { PreparedKind } from '../lifecycle.js'

/**
 * GET, POST and DELETE /ingester/prepare-shutdown, whether heads are cut when the process stops, and
 * /store-gateway/prepare-shutdown.
 */
export function prepareShutdown(kind: PreparedKind): (request: HttpRequest, front: Front) => Reply {
  return ({ incoming }, { backend: { lifecycle } }) => {
    if (incoming.method !== 'POST' && incoming.method !== 'DELETE') {
      return textReply(200, lifecycle.isShutdownPrepared(kind) ? 'set\n' : 'unset\n')
    }
    lifecycle.prepareShutdown(kind, incoming.method === 'POST')
    return { status: 204 }
  }
}

/** POST /ingester/shutdown: cuts all heads, then stops the process. */
export async function shutdown(_request: HttpRequest, { backend, env }: Front): Promise<Reply> {
  await backend.flushHeads([], true)
  // The answer first.
  env.timers.after(0, () => backend.lifecycle.stop())
  return { status: 204 }
}

/** GET, PUT and DELETE /ingester/unregister-on-shutdown. */
export async function unregisterOnShutdown(request: HttpRequest, front: Front): Promise<Reply> {
  const { lifecycle } = front.backend
  const { method } = request.incoming
  if (method === 'DELETE') lifecycle.isUnregistering = true
  if (method === 'PUT') lifecycle.isUnregistering = await readUnregister(request, front)
  return jsonReply(200, { unregister: lifecycle.isUnregistering })
}

async function readUnregister(request: HttpRequest, front: Front): Promise<boolean> {
  const body = await readSmallBody(request, front)
  let value: unknown
  try {
    value = JSON.parse(Buffer.concat(body.pieces).toString())
  } catch (error) {
    throw fail('bad-data', { text: 'the body is not JSON' }, error)
  }
  const { unregister } = (value ?? {}) as { unregister?: unknown }
  if (typeof unregister === 'boolean') return unregister
  throw fail('bad-data', { text: 'the body must be {"unregister": true} or false' })
}

/** GET, POST and DELETE /ingester/prepare-instance-ring-downscale: whether writes are taken. */
export function ringDownscale({ incoming }: HttpRequest, { backend }: Front): Reply {
  const { lifecycle } = backend
  if (incoming.method === 'POST') lifecycle.setReadOnly(true)
  if (incoming.method === 'DELETE') lifecycle.setReadOnly(false)
  return jsonReply(200, { timestamp: Math.floor(lifecycle.readOnlyMs() / 1000) })
}

/** What heads hold of a tenant, as the status of the TSDB has it. */
interface HeadStatus {
  readonly headStats: Readonly<
    Record<'numSeries' | 'numLabelPairs' | 'chunkCount' | 'minTime' | 'maxTime', number>
  >
  readonly seriesCountByMetricName: readonly { readonly name: string; readonly value: number }[]
}

async function headStatus(tenant: string, request: HttpRequest, front: Front): Promise<HeadStatus> {
  const query = { kind: 'tsdb-status', limit: 20 } as const
  const { frontend } = front.backend
  const answer = await frontend.run(tenant, query, { signal: request.signal() })
  return (JSON.parse(bodyOf(answer).toString()) as { data: HeadStatus }).data
}

/** GET /ingester/tsdb/:tenant: the head of a tenant, over all shards; JSON where asked for. */
export async function tenantTsdb(request: HttpRequest, front: Front): Promise<Reply> {
  const tenant = request.param('tenant')
  if (!front.backend.tenants().includes(tenant)) {
    throw fail('not-found', { text: `no tenant ${tenant} in memory` })
  }
  const status = await headStatus(tenant, request, front)
  if (/json/.test(request.incoming.headers.accept ?? '')) return jsonReply(200, status)
  const { headStats, seriesCountByMetricName } = status
  const time = (ms: number): string => (Number.isFinite(ms) ? new Date(ms).toISOString() : '-')
  const rows: [string, string | number][] = [
    ['series', headStats.numSeries],
    ['label pairs', headStats.numLabelPairs],
    ['chunks', headStats.chunkCount],
    ['oldest sample', time(headStats.minTime ?? Number.NaN)],
    ['newest sample', time(headStats.maxTime ?? Number.NaN)],
    ...seriesCountByMetricName.map(({ name, value }): [string, number] => [name, value]),
  ]
  return pageReply(`Head of ${tenant}`, [
    '<table>',
    ...rows.map(
      ([name, value]) =>
        `<tr><td>${escapeHtml(name)}</td><td>${escapeHtml(String(value))}</td></tr>`,
    ),
    '</table>',
  ])
}

/** GET /ingester/tsdb_metrics: the head of the tenant by the names of Prometheus' TSDB. */
export async function tsdbMetrics(request: HttpRequest, front: Front): Promise<Reply> {
  const { headStats } = await headStatus(request.tenant, request, front)
  const rows: [string, string, number | null][] = [
    ['prometheus_tsdb_head_series', 'Series in the head.', headStats.numSeries],
    ['prometheus_tsdb_head_chunks', 'Chunks in the head.', headStats.chunkCount],
    ['prometheus_tsdb_head_min_time', 'Oldest time in the head, ms.', headStats.minTime],
    ['prometheus_tsdb_head_max_time', 'Newest time in the head, ms.', headStats.maxTime],
  ]
  const text = rows
    // Without samples there are no times.
    .filter(([, , value]) => Number.isFinite(value))
    .map(
      ([name, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${value}\n`,
    )
  return textReply(200, text.join(''))
}
