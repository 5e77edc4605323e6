/**
 * The HTTP server: Hono's router over the endpoint table on a Node server. A request passes here
 * once: drain check → tenant → handler → reply, and is counted and logged when its answer is out.
 * Handlers get the Node request and the reply goes straight to the Node response: the web-standard
 * objects in between cost 85 µs for a body of 92 KB. A request for a row's very path goes past the
 * router too (route-table.ts), and a connection that brings remote write past Node's server
 * (push-lane.ts).
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono } from 'hono'
import { quoteGo } from '../shared/base/go-string.js'
import { StopSource } from '../shared/base/stop-signal.js'
import type { Env } from '../shared/env/index.js'
import { fail } from '../shared/errors/index.js'
import { AccessControl } from './access/access.js'
import { Gate } from './access/gate.js'
import { AnswerHeads } from './answer-heads.js'
import { Admission, discardRest, sendReply } from './bodies.js'
import { BodyGarbage } from './body-garbage.js'
import { ENDPOINTS } from './endpoints.js'
import { errorReply } from './errors.js'
import type { Front, HttpBackend, HttpConfig, MountedEndpoint, Reply } from './handler.js'
import { createListener, type Lane } from './listener.js'
import { PushDesk } from './push-desk.js'
import { PushLane } from './push-lane.js'
import type { PushWay } from './push-way.js'
import { QueryLane } from './query-lane.js'
import { QueryLog } from './query-log.js'
import { replyTo } from './reply.js'
import { RequestMeter } from './request-meter.js'
import { RouteTable } from './route-table.js'
import { OTLP } from './routes/otlp.js'
import { REMOTE_WRITE } from './routes/push.js'

/** What the lane for pushes takes, by paths of the table. */
const PUSH_WAYS: Readonly<Record<string, PushWay>> = {
  '/api/v1/push': REMOTE_WRITE,
  '/otlp/v1/metrics': OTLP,
}

type FrontContext = Context<{ Bindings: HttpBindings }>

/** A request and its response, however they were routed. */
interface Exchange {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  /** A path parameter, decoded. */
  param(name: string): string
}

/** A server that is not listening yet. */
export interface HttpServer {
  /** Binds; the port it has got. @throws AppError `config-invalid` when the address cannot be had */
  listen(): Promise<number>
  /**
   * Stops: answers 503 on open connections, closes the listener, waits for requests in flight up
   * to the configured time and then cuts them off.
   */
  drain(): Promise<void>
}

/** What looks at connections, and what they share with Node's server. */
interface Lanes {
  readonly front: Front
  readonly meter: RequestMeter
  readonly routes: RouteTable
  readonly state: { isDraining: boolean }
  readonly lane: Lane
}

/** The lanes over what stands behind them. */
export function createLanes(
  backend: HttpBackend,
  config: HttpConfig,
  env: Env,
  gate = createGate(config, env),
): Lanes {
  const meter = new RequestMeter(env)
  const { limits } = backend.runtime
  const { ingestionRateMax, ratePeriodMs } = config
  const { lifecycle } = backend
  const isReadOnly = () => lifecycle.readOnlyMs() > 0
  const desk = new PushDesk({ env, limits, ingestionRateMax, ratePeriodMs, isReadOnly })
  const front: Front = {
    backend,
    distributors: desk.over(backend.distributors),
    frontend: backend.frontend,
    config,
    env,
    gate,
    desk,
    queryLog: new QueryLog(env, config),
    admission: createAdmission(backend, config, env, desk),
    endpoints: mountEndpoints(config),
  }
  const state = { isDraining: false }
  const routes = new RouteTable(front.endpoints)
  const doors = Object.entries(PUSH_WAYS).map(([path, way]) => ({
    endpoint: routes.find('POST', `${config.pathPrefix}${path}`)!.endpoint,
    way,
  }))
  const heads = new AnswerHeads(env.clock, config.idleTimeoutMs)
  const lane = inTurn(
    new PushLane({ front, meter, doors, state }, heads),
    new QueryLane({ front, meter, routes, heads, state }),
  )
  return { front, meter, routes, state, lane }
}

/** Builds the server over what stands behind it. */
export function createServer(backend: HttpBackend, config: HttpConfig, env: Env): HttpServer {
  const { front, meter, routes, state, lane } = createLanes(backend, config, env)
  const onRequest = createRouter(front, routes, meter, state)
  const main = createListener(config, env, onRequest, lane)
  const admin =
    config.adminListener &&
    createListener(config, env, (incoming, outgoing) => {
      front.gate.markAdmin(incoming)
      onRequest(incoming, outgoing)
    })
  return {
    listen: async () => {
      if (admin !== undefined && config.adminListener !== undefined) {
        const { address, port } = config.adminListener
        const bound = await admin.listen(address, port)
        env.log.info('listening for the operator', { address: `${address}:${bound}` })
      }
      return await main.listen(config.listenAddress, config.listenPort)
    },
    drain: async () => {
      state.isDraining = true
      await Promise.all([main.close(), admin?.close()])
      front.queryLog.flush()
    },
  }
}

/** Two lanes: what the first one does not take comes to the second. */
function inTurn(first: Lane, second: Lane): Lane {
  return {
    take: (socket, serve) => first.take(socket, () => second.take(socket, serve)),
    closeIdle: () => {
      first.closeIdle()
      second.closeIdle()
    },
    closeAll: () => {
      first.closeAll()
      second.closeAll()
    },
  }
}

function createAdmission(
  { runtime: { limits }, claimBodies }: HttpBackend,
  config: HttpConfig,
  env: Env,
  desk: PushDesk,
): Admission {
  const garbage = new BodyGarbage()
  return new Admission({
    check: (tenant) => desk.check(tenant),
    requestsMax: () =>
      limits.instance('distributor').max_inflight_push_requests ?? config.inflightPushesMax,
    bytesMax: () =>
      limits.instance('distributor').max_inflight_push_requests_bytes ??
      config.inflightPushBytesMax,
    clock: env.clock,
    requestsCell: env.metrics.cell('cortex_distributor_inflight_push_requests'),
    bytesCell: env.metrics.cell('cortex_distributor_inflight_push_requests_bytes'),
    letGo: (bytes) => garbage.letGo(bytes),
    claimMemory: (bytes) => claimBodies?.(bytes) ?? true,
  })
}

/** What takes requests: those for a row's very path past Hono, the others through it. */
function createRouter(
  front: Front,
  routes: RouteTable,
  meter: RequestMeter,
  state: { isDraining: boolean },
): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  const app = buildApp(front, meter, state)
  const listener = getRequestListener(app.fetch as Parameters<typeof getRequestListener>[0], {
    // HTTP/1.0 clients may leave out Host.
    hostname: 'localhost',
    overrideGlobalObjects: false,
    autoCleanupIncoming: false,
    errorHandler: () => new Response('bad request\n', { status: 400 }),
  })
  return (incoming, outgoing) => {
    const found = routes.find(incoming.method ?? '', incoming.url ?? '')
    if (found === undefined) {
      void listener(incoming, outgoing)
      return
    }
    const { endpoint, param } = found
    const exchange = { incoming, outgoing, param }
    void serve(exchange, endpoint.route, front, meter, () =>
      answer(exchange, endpoint, front, state),
    )
  }
}

/** What lets requests in; of all without an access file. */
export function createGate(config: HttpConfig, env: Env): Gate {
  if (config.accessFile === '') return new Gate(config, undefined)
  const access = new AccessControl(env, {
    file: config.accessFile,
    reloadMs: config.accessReloadMs,
  })
  access.watch()
  return new Gate(config, access)
}

/** The table under the configured prefixes. */
function mountEndpoints(config: HttpConfig): MountedEndpoint[] {
  return ENDPOINTS.map((endpoint) => {
    const prefix = endpoint.prefix === 'prometheus' ? config.prometheusPrefix : ''
    const route = `${endpoint.prefix === 'prometheus' ? '/prometheus' : ''}${endpoint.path}`
    return {
      ...endpoint,
      fullPath: config.pathPrefix + prefix + endpoint.path,
      route: route.replace(/^\//, '').replaceAll(/[/-]/g, '_').replaceAll(':', '') || 'root',
    }
  })
}

function buildApp(
  front: Front,
  meter: RequestMeter,
  state: { isDraining: boolean },
): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>()
  const methods = new Map<string, string[]>()
  for (const endpoint of front.endpoints) {
    const known = methods.get(endpoint.fullPath) ?? []
    methods.set(endpoint.fullPath, [...known, endpoint.method])
    app.on(endpoint.method, endpoint.fullPath, (c: FrontContext) => {
      const exchange = exchangeOf(c)
      const work = () => answer(exchange, endpoint, front, state)
      return viaRouter(serve(exchange, endpoint.route, front, meter, work))
    })
  }
  for (const [path, allowed] of methods) {
    const isJson = path.startsWith(`${front.config.pathPrefix}${front.config.prometheusPrefix}/`)
    app.all(path, (c: FrontContext) => {
      const work = () => otherMethod(c, path, allowed, isJson, front)
      return viaRouter(serve(exchangeOf(c), 'other', front, meter, work))
    })
  }
  app.notFound((c: FrontContext) =>
    viaRouter(serve(exchangeOf(c), 'other', front, meter, () => unknownPath(c, front))),
  )
  return app
}

function exchangeOf(c: FrontContext): Exchange {
  const { incoming, outgoing } = c.env
  return { incoming, outgoing, param: (name) => paramOf(c, name) }
}

/**
 * A path parameter, decoded.
 * @throws AppError `bad-data` where the path's escapes are no text: Hono would leave them as they are
 */
function paramOf(c: FrontContext, name: string): string {
  const path = c.env.incoming.url?.split('?', 1)[0] ?? ''
  try {
    decodeURIComponent(path)
  } catch (error) {
    throw fail('bad-data', { text: `the path ${quoteGo(path)} is no UTF-8 when unescaped` }, error)
  }
  return c.req.param(name) ?? ''
}

/** What Hono must be told when the reply went out past it. */
async function viaRouter(served: Promise<void>): Promise<Response> {
  await served
  return RESPONSE_ALREADY_SENT
}

/** Runs a request to its end, whatever happens, and counts it. */
async function serve(
  { incoming, outgoing }: Exchange,
  route: string,
  front: Front,
  meter: RequestMeter,
  work: () => Promise<Reply>,
): Promise<void> {
  const done = meter.begin(incoming.method ?? 'GET', route)
  // A client that went away; 'close' follows and tells the rest. Unheard it would end the process.
  outgoing.on('error', (error) => front.env.log.debug('client lost', { err: error.message }))
  outgoing.once('close', () => done(outgoing.statusCode, outgoing.writableFinished))
  const reply = await work()
  if (!incoming.complete) discardRest(incoming, front.env.timers)
  await sendReply(incoming, outgoing, reply, front.config.stallTimeoutMs)
}

/** The reply of an endpoint, errors included. */
async function answer(
  { incoming, outgoing, param }: Exchange,
  endpoint: MountedEndpoint,
  front: Front,
  state: { isDraining: boolean },
): Promise<Reply> {
  const signal = () => goneSignal(outgoing)
  const reply = await replyTo({ incoming, endpoint, param, signal }, front, state)
  if (state.isDraining) outgoing.setHeader('connection', 'close')
  return reply
}

function goneSignal(outgoing: ServerResponse): StopSource {
  const gone = new StopSource()
  if (outgoing.destroyed) gone.abort()
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) gone.abort()
  })
  return gone
}

/** A known path asked with another method: OPTIONS is told what there is, the rest 405. */
async function otherMethod(
  c: FrontContext,
  path: string,
  allowed: readonly string[],
  isJson: boolean,
  front: Front,
): Promise<Reply> {
  const allow = [...allowed, ...(allowed.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ')
  const method = c.env.incoming.method ?? ''
  if (method === 'OPTIONS') return { status: 204, headers: { allow } }
  const error = fail('method-not-allowed', { method, path })
  const reply = errorReply(error, isJson ? 'json' : 'text', front.env)
  return { ...reply, headers: { ...reply.headers, allow } }
}

async function unknownPath(c: FrontContext, front: Front): Promise<Reply> {
  const { pathPrefix, prometheusPrefix } = front.config
  const path = (c.env.incoming.url ?? '').replace(/\?.*$/s, '')
  const isJson = path.startsWith(`${pathPrefix}${prometheusPrefix}/`)
  const error = fail('not-found', { text: isJson ? 'path not found' : '404 page not found' })
  return errorReply(error, isJson ? 'json' : 'text', front.env)
}
