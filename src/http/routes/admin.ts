/** Pages for people, probes and scrapers: index, readiness, metrics, configuration, build. */
import { hostname } from 'node:os'
import { fail } from '../../shared/errors/index.js'
import { jsonReply, textReply } from '../errors.js'
import type { Front, HttpRequest, MountedEndpoint, Reply } from '../handler.js'
import { escapeHtml, pageReply } from '../html.js'

/** The version of Mimir whose API is spoken: Grafana decides by it what it may ask for. */
const MIMIR_API_VERSION = '3.0.0'
/** GET / */
export function index(_request: HttpRequest, front: Front): Reply {
  const rows = front.endpoints.map(indexRow).join('\n')
  return pageReply(`nilometer ${front.backend.version}`, [
    '<p>Long-term, multi-tenant storage for Prometheus metrics.</p>',
    '<table>',
    rows,
    '</table>',
  ])
}

function indexRow(endpoint: MountedEndpoint): string {
  const path = escapeHtml(endpoint.fullPath)
  // What a click is to open: no path with a place for a name, nothing that does more than show.
  const isPage =
    endpoint.method === 'GET' &&
    !endpoint.auth &&
    !endpoint.path.includes('/:') &&
    endpoint.path !== '/ingester/flush'
  const shown = isPage ? `<a href="${path}"><code>${path}</code></a>` : `<code>${path}</code>`
  return `<tr><td>${endpoint.method}</td><td>${shown}</td><td>${escapeHtml(endpoint.doc)}</td></tr>`
}

/** GET /ready */
export async function ready(_request: HttpRequest, front: Front): Promise<Reply> {
  const { readiness } = await front.backend.status()
  return readiness.isReady ? textReply(200, 'ready\n') : textReply(503, `${readiness.reason}\n`)
}

/** GET /metrics */
export function metrics(_request: HttpRequest, front: Front): Reply {
  const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }
  return { status: 200, headers, body: front.backend.metricsText(), compress: true }
}

/** GET /config */
export function config(request: HttpRequest, front: Front): Reply {
  const mode = request.search().get('mode')
  if (mode !== null && mode !== 'diff' && mode !== 'defaults') {
    throw fail('bad-data', { text: `unknown mode ${mode}: diff and defaults are known` })
  }
  return textReply(200, front.backend.configYaml(mode ?? 'all'))
}

/** GET /services */
export async function services(_request: HttpRequest, front: Front): Promise<Reply> {
  const { children } = await front.backend.status()
  return textReply(200, children.map(({ actor, state }) => `${actor} => ${state}\n`).join(''))
}

/** GET and POST /ingester/flush: the status says nothing of what came of it, as in Mimir. */
export async function flush(request: HttpRequest, front: Front): Promise<Reply> {
  const search = request.search()
  const isAwaited = search.get('wait') === 'true'
  await front.backend.flushHeads(search.getAll('tenant'), isAwaited)
  return { status: 204 }
}

/** GET /debug/actors */
export async function debugActors(_request: HttpRequest, front: Front): Promise<Reply> {
  return jsonReply(200, await front.backend.status())
}

/** GET /debug/damage: what the actors could not read of their data, at their last start and since. */
export async function debugDamage(_request: HttpRequest, front: Front): Promise<Reply> {
  const { children } = await front.backend.status()
  const damage = children.flatMap(({ actor, status }) =>
    (status?.damage ?? []).map((entry) => ({ actor, ...entry })),
  )
  return jsonReply(200, { damage })
}

/**
 * GET /api/v1/status/buildinfo. Grafana takes `application` and `features` from here to know what
 * the server can do; the version is that of the API, the revision our own.
 */
export function buildInfo(_request: HttpRequest, front: Front): Reply {
  const data = {
    application: 'Grafana Mimir',
    version: MIMIR_API_VERSION,
    revision: `nilometer-${front.backend.version}`,
    branch: 'nilometer',
    buildUser: '',
    buildDate: '',
    goVersion: '',
    features: {
      ruler_config_api: 'false',
      alertmanager_config_api: 'false',
      query_sharding: 'false',
      federated_rules: 'false',
    },
  }
  return jsonReply(200, { status: 'success', data })
}

/** GET /api/v1/status/config: shaped as Prometheus', empty as Mimir's; /config has the real one. */
export function statusConfig(): Reply {
  return jsonReply(200, { status: 'success', data: { yaml: '' } })
}

/** GET /api/v1/status/flags */
export function statusFlags(): Reply {
  return jsonReply(200, { status: 'success', data: {} })
}

/**
 * GET /api/v1/status/runtimeinfo: of Prometheus' fields those that mean something here; what
 * is corrupt /debug/damage lists. The monotonic clock begins with the process, and the configuration
 * is read then.
 */
export async function runtimeInfo(_request: HttpRequest, front: Front): Promise<Reply> {
  const { backend, env } = front
  const { children } = await backend.status()
  const now = env.clock.now()
  const startTime = new Date(now - env.clock.monotonic()).toISOString()
  const data = {
    startTime,
    CWD: process.cwd(),
    hostname: hostname(),
    serverTime: new Date(now).toISOString(),
    reloadConfigSuccess: true,
    lastConfigTime: startTime,
    corruptionCount: children.reduce((sum, { status }) => sum + (status?.damage?.length ?? 0), 0),
  }
  return jsonReply(200, { status: 'success', data })
}
