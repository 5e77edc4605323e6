/**
 * Plays the clients of a rehearsal of queries: connections of this process to lanes and a frontend of
 * their own, which are those of the server but for what they count and log in. Queriers answer from
 * what they have practised on (actors/querier/warm-up.ts), so that nothing of it is seen by anybody.
 */
import type { QueryStage } from '../actors/querier/client.js'
import type { QuerierAnswer } from '../actors/querier/contract.js'
import { QueryFrontend, type QueryFrontendConfig } from '../actors/query-frontend/query-frontend.js'
import { EndingTimers } from '../shared/actor/index.js'
import { createNodeEnv, type Env, NODE_CLOCK } from '../shared/env/index.js'
import type { Limits } from '../shared/limits/index.js'
import { createLog, openMetrics } from '../shared/telemetry/index.js'
import type { HttpBackend, HttpConfig } from './handler.js'
import type { Lifecycle } from './lifecycle.js'
import { openTo, type Sender, Stage } from './rehearsal.js'
import { createGate, createLanes } from './server.js'

/** Connections, each of which asks one thing after the other. */
const CLIENTS = 2
/** Times that all is asked, by rounds: code that has met one instance of everything is made for that one. */
const ROUNDS = [1, 1, 8]
/** What a round may take, ms. */
const MS_MAX = 250

/** The newest samples of what queriers practise on, s. */
const END = 1_700_002_385
const SPAN = { start: String(END - 1_800), end: String(END) }

const INSTANT = [
  'warm_total',
  'warm_total{code=~"4..|5..",path=~"/a.*",job!~"x-.*",instance!=""}',
  'absent(warm_total{job="none"})',
  'sum by (job) (rate(warm_total{code!="400"}[5m]))',
  'quantile by (job) (0.9, warm_gauge)',
]
const RANGES = [
  'rate(warm_total[5m])',
  'sum by (job) (rate(warm_total[5m]))',
  'warm_gauge > 3',
  'label_replace(delta(warm_gauge[5m]), "host", "$1", "instance", "([^-]+)-.*")',
]

/** What is asked: paths below the prefix of the API, and their parameters. */
export const REHEARSED: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ...INSTANT.map((query) => ['/api/v1/query', { query, time: String(END) }] as const),
  ...RANGES.map((query) => ['/api/v1/query_range', { query, ...SPAN, step: '30' }] as const),
  ['/api/v1/labels', SPAN],
  ['/api/v1/label/instance/values', SPAN],
  ['/api/v1/label/__name__/values', { 'match[]': '{job="a"}', ...SPAN }],
  ['/api/v1/series', { 'match[]': '{job="a"}', ...SPAN }],
]

/** What stands behind the lanes. */
type Behind = QueryStage & { readonly lifecycle: Lifecycle }

/**
 * Queriers that have the same answer for everything. A rehearsal of pushes begins with some queries: code
 * of sockets and lanes that never met one would be thrown away for the first.
 */
export function standIn(limits: Limits): QueryStage {
  const text = '{"status":"success","data":{"resultType":"vector","result":[]}}'
  const run = async (): Promise<QuerierAnswer> => {
    return { pieces: [Buffer.from(text)], samplesRead: 0, seriesRead: 0, tookMs: 0 }
  }
  return { queriers: { size: CLIENTS, run }, limits, isWanted: () => false }
}

/** Asks queriers as clients of the query API would. */
export async function playClients(
  behind: Behind,
  config: { readonly http: HttpConfig; readonly frontend: QueryFrontendConfig },
  env: Env,
  rounds: readonly number[] = ROUNDS,
): Promise<void> {
  const requests = requestsOf(config.http)
  for (const times of rounds) await playRound(behind, config, env, { requests, times })
}

async function playRound(
  { queriers, limits, lifecycle, isWanted }: Behind,
  config: { readonly http: HttpConfig; readonly frontend: QueryFrontendConfig },
  env: Env,
  { requests, times }: { readonly requests: readonly Buffer[]; readonly times: number },
): Promise<void> {
  const timers = new EndingTimers(env.timers)
  const own = silentEnv(timers)
  const frontend = new QueryFrontend(own, queriers, config.frontend)
  // Queries ask for nothing else, and need not say who asks.
  const backend = { frontend, runtime: { limits }, lifecycle } as unknown as HttpBackend
  const gate = createGate(openTo(config.http), own)
  const { lane, front } = createLanes(backend, config.http, own, gate)
  const stage = await Stage.open(env, config.http, lane)
  try {
    const askers = await Promise.all(Array.from({ length: CLIENTS }, () => stage.connect()))
    const until = env.clock.monotonic() + MS_MAX
    const count = requests.length * times
    let next = 0
    const ask = async (asker: Sender): Promise<void> => {
      while (next < count && !isWanted() && env.clock.monotonic() < until) {
        await asker.send(requests[next++ % requests.length]!)
      }
    }
    await Promise.all(askers.map(ask))
    front.queryLog.flush()
  } finally {
    await stage.close()
    timers.end()
  }
}

/** An Env whose counts and lines nobody sees, of one hidden class with the real one. */
function silentEnv(timers: EndingTimers): Env {
  const metrics = openMetrics()
  const log = createLog({ write: () => {}, now: NODE_CLOCK.now, levelMin: 'info' })
  const own = log.with({ actor: 'main' })
  return createNodeEnv({ actor: 'main', logLevel: 'info', metrics, timers, log: own })
}

/** As clients send them. */
function requestsOf({ pathPrefix, prometheusPrefix }: HttpConfig): Buffer[] {
  return REHEARSED.map(([path, params], index) => {
    const url = `${pathPrefix}${prometheusPrefix}${path}?${new URLSearchParams(params)}`
    const head = `GET ${url} HTTP/1.1\r\nX-Scope-OrgID: rehearsal-${index % 2}\r\n`
    return Buffer.from(`${head}Host: localhost\r\nConnection: keep-alive\r\n\r\n`, 'latin1')
  })
}
