/**
 * The ring pages: one member for each actor of a kind, as it is now. There is one process, so that
 * nobody can be forgotten: who is down is being restarted.
 */
import { createHashring } from '../../shared/hashring/index.js'
import { jsonReply } from '../errors.js'
import type { Front, Handler, HttpRequest, Reply } from '../handler.js'
import { escapeHtml, pageReply } from '../html.js'

/** Mimir's words for the states of actors. */
const STATES: Readonly<Record<string, string>> = {
  starting: 'JOINING',
  running: 'ACTIVE',
  restarting: 'UNHEALTHY',
  draining: 'LEAVING',
  stopped: 'LEFT',
}

/** GET /ingester/ring and its like; JSON where asked for, `tokens=true` lists tokens on the page. */
export function ringPage(kind: string): Handler {
  return async (request, front) => {
    const members = await membersOf(kind, front)
    const now = new Date(front.env.clock.now()).toISOString()
    if (/json/.test(request.incoming.headers.accept ?? '')) {
      return jsonReply(200, { shards: members, now })
    }
    return htmlOf(kind, members, request)
  }
}

/** A member as Mimir's JSON has it. */
interface Member {
  readonly id: string
  readonly state: string
  readonly address: string
  readonly timestamp: string
  readonly registered_timestamp: string
  readonly read_only: boolean
  readonly zone: string
  readonly tokens: readonly number[]
}

async function membersOf(kind: string, front: Front): Promise<Member[]> {
  const { children } = await front.backend.status()
  const { clock } = front.env
  const now = new Date(clock.now()).toISOString()
  const startedAt = new Date(clock.now() - clock.monotonic()).toISOString()
  const own = children.filter(({ actor }) => actor.startsWith(`${kind}/`))
  const memberCount = Math.max(1, Math.floor(own.length / front.config.zones))
  const ring = kind === 'ingester' ? createHashring(memberCount) : undefined
  return own.map(({ actor, state }, index): Member => {
    const member = index % memberCount
    return {
      id: actor.replace('/', '-'),
      state: STATES[state] ?? 'PENDING',
      address: `${front.config.listenAddress}:${front.config.listenPort}`,
      timestamp: now,
      registered_timestamp: startedAt,
      read_only: false,
      zone: front.config.zones > 1 ? `zone-${Math.floor(index / memberCount)}` : '',
      tokens: [...(ring?.tokens ?? [])].filter((_, at) => ring!.owners[at] === member),
    }
  })
}

function htmlOf(kind: string, members: readonly Member[], request: HttpRequest): Reply {
  const withTokens = request.search().get('tokens') === 'true'
  const rows = members.map(({ id, state, zone, tokens, timestamp }) => {
    const cells = [id, state, zone, timestamp, withTokens ? tokens.join(' ') : tokens.length]
    return `<tr>${cells.map((cell) => `<td>${escapeHtml(String(cell))}</td>`).join('')}</tr>`
  })
  const head =
    '<table><tr><th>instance</th><th>state</th><th>zone</th><th>last heard of</th><th>tokens</th></tr>'
  return pageReply(`Ring of ${kind}`, [head, ...rows, '</table>'])
}
