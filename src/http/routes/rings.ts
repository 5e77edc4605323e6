/**
 * The ring pages: who is in, in which state, with which tokens, and when it was last heard of. A member
 * can be forgotten; one that is alive registers again with its next heartbeat.
 */
import type { RingMember } from '../../actors/supervisor/contract.js'
import { fail } from '../../shared/errors/index.js'
import { jsonReply } from '../errors.js'
import { readForm } from '../form.js'
import type { Front, Handler, HttpRequest, Reply } from '../handler.js'
import { escapeHtml, pageReply } from '../html.js'

/** Rings in Mimir of what is here once for the whole process, with the process as the one member. */
export const RINGS_OF_PROCESS = ['querier', 'query-scheduler', 'overrides-exporter'] as const

/** GET /ingester/ring and its like; JSON where asked for, `tokens=true` lists tokens on the page. */
export function ringPage(kind: string): Handler {
  return async (request, front) => {
    // What actors say of themselves is asked for here, and is what the members are shown by.
    const { readiness } = await front.backend.status()
    const members = isOfProcess(kind)
      ? [ofProcess(kind, front, readiness.isReady)]
      : front.backend.rings.members(kind)
    if (!/json/.test(request.incoming.headers.accept ?? '')) return htmlOf(kind, members, request)
    const now = new Date(front.env.clock.now()).toISOString()
    return jsonReply(200, { shards: members.map((member) => shardOf(member, front)), now })
  }
}

/** POST to the same: `forget` names the member. */
export function forgetMember(kind: string): Handler {
  return async (request, front) => {
    const id = (await readForm(request, front)).get('forget')
    // The process is heard of all the time, and so registers again at once.
    const isForgotten = isOfProcess(kind)
      ? id === `${kind}-0`
      : front.backend.rings.forget(kind, id)
    if (!isForgotten) {
      throw fail('not-found', { text: `the ring of ${kind}s has no member ${id}` })
    }
    const location = `${front.config.pathPrefix}/${kind}/ring`
    return { status: 302, headers: { location } }
  }
}

/** GET /memberlist: what Mimir's processes gossip about is here known to one. */
export function memberlist(_request: HttpRequest, { endpoints }: Front): Reply {
  const rings = endpoints.filter(({ method, path }) => method === 'GET' && path.endsWith('/ring'))
  const links = rings.map(({ fullPath, doc }) => {
    const path = escapeHtml(fullPath)
    return `<li><a href="${path}"><code>${path}</code></a> ${escapeHtml(doc)}</li>`
  })
  return pageReply('Memberlist', [
    '<p>There is one process and no gossip: the members of all rings are parts of this process.</p>',
    '<ul>',
    ...links,
    '</ul>',
  ])
}

function isOfProcess(kind: string): boolean {
  return RINGS_OF_PROCESS.some((name) => name === kind)
}

/** The process as the one member of a ring. */
function ofProcess(kind: string, { env: { clock } }: Front, isReady: boolean): RingMember {
  const now = clock.now()
  return {
    id: `${kind}-0`,
    index: 0,
    state: isReady ? 'ACTIVE' : 'JOINING',
    heartbeatMs: now,
    registeredMs: now - clock.monotonic(),
    zone: '',
    tokens: [],
  }
}

/** A member as Mimir's JSON has it. */
function shardOf(member: RingMember, { config, backend }: Front) {
  const readOnlyMs = member.id.startsWith('ingester-') ? backend.lifecycle.readOnlyMs() : 0
  const { id, state, heartbeatMs, registeredMs, zone, tokens } = member
  return {
    id,
    state,
    address: `${config.listenAddress}:${config.listenPort}`,
    timestamp: new Date(heartbeatMs).toISOString(),
    registered_timestamp: new Date(registeredMs).toISOString(),
    read_only: readOnlyMs > 0,
    read_only_updated_timestamp:
      readOnlyMs > 0 ? new Date(readOnlyMs).toISOString() : '0001-01-01T00:00:00Z',
    zone,
    tokens,
  }
}

function htmlOf(kind: string, members: readonly RingMember[], request: HttpRequest): Reply {
  const withTokens = request.search().get('tokens') === 'true'
  const rows = members.map(({ id, state, zone, tokens, heartbeatMs, registeredMs }) => {
    const [heard, registered] = [heartbeatMs, registeredMs].map((ms) => new Date(ms).toISOString())
    const shown = withTokens ? tokens.join(' ') : tokens.length
    const cells = [id, state, zone, heard, registered, shown].map(
      (cell) => `<td>${escapeHtml(String(cell))}</td>`,
    )
    const button = `<button name="forget" value="${escapeHtml(id)}">forget</button>`
    return `<tr>${cells.join('')}<td>${button}</td></tr>`
  })
  const columns = ['instance', 'state', 'zone', 'last heard of', 'registered', 'tokens', '']
  const head = columns.map((column) => `<th>${column}</th>`).join('')
  return pageReply(`Ring of ${kind}`, [
    '<form method="post">',
    `<table><tr>${head}</tr>`,
    ...rows,
    '</table></form>',
  ])
}
