/**
 * The HTTP server: Hono's router over the endpoint table on a Node server. A request passes here
 * once: drain check → tenant → handler → reply, and is counted and logged when its answer is out.
 * Handlers get the Node request and the reply goes straight to the Node response: the web-standard
 * objects in between cost 85 µs for a body of 92 KB. What is posted to a row's very path (a push)
 * goes past the router too.
 */
import {
  createServer as createNodeServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono } from 'hono'
import { StopSource } from '../shared/base/stop-signal.js'
import type { Env } from '../shared/env/index.js'
import { fail } from '../shared/errors/index.js'
import { Admission, discardRest, sendReply } from './bodies.js'
import { BodyGarbage } from './body-garbage.js'
import { ENDPOINTS } from './endpoints.js'
import { errorReply, retryAfterSeconds } from './errors.js'
import type {
  Front,
  HttpBackend,
  HttpConfig,
  HttpRequest,
  MountedEndpoint,
  Reply,
} from './handler.js'
import { PushDesk } from './push-desk.js'
import { RequestMeter } from './request-meter.js'
import { tenantOf } from './tenant.js'

/** Bytes of request line and headers, as in Go: selectors in a URL are long. */
const HEADER_BYTES_MAX = 1024 * 1024

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

/** Builds the server over what stands behind it. */
export function createServer(backend: HttpBackend, config: HttpConfig, env: Env): HttpServer {
  const meter = new RequestMeter(env)
  const garbage = new BodyGarbage()
  const { limits } = backend.runtime
  const { ingestionRateMax, ratePeriodMs } = config
  const desk = new PushDesk({ env, limits, ingestionRateMax, ratePeriodMs })
  const front: Front = {
    backend: { ...backend, distributors: desk.over(backend.distributors) },
    config,
    env,
    desk,
    admission: new Admission({
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
    }),
    endpoints: mountEndpoints(config),
  }
  const state = { isDraining: false }
  const app = buildApp(front, meter, state)
  const listener = getRequestListener(app.fetch as Parameters<typeof getRequestListener>[0], {
    // HTTP/1.0 clients may leave out Host.
    hostname: 'localhost',
    overrideGlobalObjects: false,
    autoCleanupIncoming: false,
    errorHandler: () => new Response('bad request\n', { status: 400 }),
  })
  const server = createNodeServer({
    maxHeaderSize: HEADER_BYTES_MAX,
    keepAliveTimeout: config.idleTimeoutMs,
    headersTimeout: config.readTimeoutMs,
    // Bodies have a clock of their own (bodies.ts); this is only the backstop behind it.
    requestTimeout: config.readTimeoutMs * 2,
  })
  const posts = postsByPath(front.endpoints)
  server.on('request', (incoming, outgoing) => {
    const endpoint = incoming.method === 'POST' ? posts.get(incoming.url ?? '') : undefined
    if (endpoint === undefined) {
      void listener(incoming, outgoing)
      return
    }
    const exchange = { incoming, outgoing, param: () => '' }
    void serve(exchange, endpoint.route, front, meter, () =>
      answer(exchange, endpoint, front, state),
    )
  })
  return {
    listen: () => listen(server, config),
    drain: async () => {
      state.isDraining = true
      await close(server, config, env)
    },
  }
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

/** The rows that are posted to under a path without parameters. */
function postsByPath(endpoints: readonly MountedEndpoint[]): Map<string, MountedEndpoint> {
  const rows = endpoints.filter((row) => row.method === 'POST' && !row.fullPath.includes(':'))
  return new Map(rows.map((row) => [row.fullPath, row]))
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
  return { incoming, outgoing, param: (name) => c.req.param(name) ?? '' }
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
  exchange: Exchange,
  endpoint: MountedEndpoint,
  front: Front,
  state: { isDraining: boolean },
): Promise<Reply> {
  const { incoming, outgoing } = exchange
  let reply: Reply
  try {
    if (state.isDraining && endpoint.whileDraining !== true) throw fail('shutting-down')
    reply = await endpoint.handler(requestOf(exchange, endpoint, front.config), front)
  } catch (error) {
    reply = errorReply(error, endpoint.errors, front.env)
  }
  if (state.isDraining) outgoing.setHeader('connection', 'close')
  const { retryAfter } = front.config
  if (retryAfter === undefined || (reply.status !== 429 && reply.status < 500)) return reply
  const seconds = retryAfterSeconds(incoming, retryAfter, front.env.prng)
  return { ...reply, headers: { ...reply.headers, 'retry-after': String(seconds) } }
}

function requestOf(
  { incoming, outgoing, param }: Exchange,
  endpoint: MountedEndpoint,
  config: HttpConfig,
): HttpRequest {
  let search: URLSearchParams | undefined
  let gone: StopSource | undefined
  return {
    incoming,
    tenant: endpoint.auth ? tenantOf(incoming, config, endpoint.isFederated === true) : '',
    route: endpoint.route,
    param,
    search: () => {
      search ??= searchOf(incoming)
      return search
    },
    signal: () => {
      if (gone !== undefined) return gone
      const controller = new StopSource()
      gone = controller
      if (outgoing.destroyed) controller.abort()
      outgoing.once('close', () => {
        if (!outgoing.writableFinished) controller.abort()
      })
      return controller
    },
  }
}

function searchOf(incoming: IncomingMessage): URLSearchParams {
  const url = incoming.url ?? ''
  const at = url.indexOf('?')
  return new URLSearchParams(at < 0 ? '' : url.slice(at + 1))
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

function listen(server: Server, config: HttpConfig): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => reject(cannotListen(config, error))
    server.once('error', onError)
    const host = config.listenAddress === '' ? {} : { host: config.listenAddress }
    server.listen({ port: config.listenPort, ...host }, () => {
      server.off('error', onError)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

function cannotListen(config: HttpConfig, error: NodeJS.ErrnoException): Error {
  const why = error.code === 'EADDRINUSE' ? 'the address is in use' : error.message
  const text = `cannot listen on ${config.listenAddress}:${config.listenPort}: ${why}`
  return fail('config-invalid', { text }, error)
}

async function close(server: Server, config: HttpConfig, env: Env): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  // A connection that was busy a moment ago becomes idle without telling anybody.
  const sweep = (): void => {
    server.closeIdleConnections()
    timer = env.timers.after(100, sweep)
  }
  let timer = env.timers.after(100, sweep)
  const deadline = env.timers.after(config.gracefulTimeoutMs, () => server.closeAllConnections())
  await closed
  timer.cancel()
  deadline.cancel()
}
