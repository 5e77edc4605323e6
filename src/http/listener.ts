/** A listening socket: Node's HTTP server, plain or with TLS, its bounds, and how it is closed. */
import { createServer as createPlainServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Env, Timer } from '../shared/env/index.js'
import { fail } from '../shared/errors/index.js'
import { checkClients, tlsOptions, watchTls } from './access/tls.js'
import type { HttpConfig } from './handler.js'

/** A server that is not listening yet. */
export interface Listener {
  /** Binds; the port it has got. @throws AppError `config-invalid` when the address cannot be had */
  listen(address: string, port: number): Promise<number>
  /** Takes no more connections, and ends once those that are open are, or the time is up. */
  close(): Promise<void>
}

/** What looks at connections before Node's server does. */
export interface Lane {
  /** Takes a new connection. @param serve gives it to Node's server */
  take(socket: Socket, serve: () => void): void
  closeIdle(): void
  closeAll(): void
}

/** What of Node's two servers is used; both have it. */
interface NodeServer extends Server {
  closeIdleConnections(): void
  closeAllConnections(): void
}

/** Makes a server with the configured bounds. @throws AppError when its certificate cannot be read */
export function createListener(
  config: HttpConfig,
  env: Env,
  serve: RequestListener,
  lane?: Lane,
): Listener {
  const server = openServer(config, env, serve, lane)
  return {
    listen: (address, port) => listen(server, address, port),
    close: () => close(server, lane, config, env),
  }
}

/** Node's own server behind a lane. @throws AppError when its certificate cannot be read */
export function openServer(
  config: HttpConfig,
  env: Env,
  serve: RequestListener,
  lane: Lane | undefined,
): NodeServer {
  const server = createNode(config, env, serve)
  if (config.connectionsMax > 0) server.maxConnections = config.connectionsMax
  if (lane !== undefined) {
    divert(server, config.tls === undefined ? 'connection' : 'secureConnection', lane)
  }
  return server
}

function createNode(config: HttpConfig, env: Env, serve: RequestListener): NodeServer {
  const options = {
    maxHeaderSize: config.headerBytesMax,
    keepAliveTimeout: config.idleTimeoutMs,
    headersTimeout: config.readTimeoutMs,
    // Bodies have a clock of their own (bodies.ts); this is only the backstop behind it.
    requestTimeout: config.readTimeoutMs * 2,
  }
  const { tls } = config
  if (tls === undefined) return createPlainServer(options, serve)
  const handshakeTimeout = config.readTimeoutMs
  const server = createTlsServer({ ...options, handshakeTimeout, ...tlsOptions(tls, env) }, serve)
  checkClients(server, tls)
  watchTls(server, tls, env)
  return server
}

/** Has a lane look at new connections in place of the listener by which Node's server takes them. */
function divert(server: Server, event: 'connection' | 'secureConnection', lane: Lane): void {
  const [own] = server.listeners(event) as ((socket: Socket) => void)[]
  server.removeListener(event, own!)
  server.on(event, (socket: Socket) => lane.take(socket, () => own!.call(server, socket)))
}

function listen(server: Server, address: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      const why = error.code === 'EADDRINUSE' ? 'the address is in use' : error.message
      const text = `cannot listen on ${address}:${port}: ${why}`
      reject(fail('config-invalid', { text }, error))
    }
    server.once('error', onError)
    const host = address === '' ? {} : { host: address }
    server.listen({ port, ...host }, () => {
      server.off('error', onError)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

async function close(
  server: NodeServer,
  lane: Lane | undefined,
  config: HttpConfig,
  env: Env,
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  // A connection that was busy a moment ago becomes idle without telling anybody.
  const sweep = (): void => {
    server.closeIdleConnections()
    lane?.closeIdle()
    timer = env.timers.after(100, sweep)
  }
  let timer: Timer | undefined
  sweep()
  const deadline = env.timers.after(config.gracefulTimeoutMs, () => {
    server.closeAllConnections()
    lane?.closeAll()
  })
  await closed
  timer?.cancel()
  deadline.cancel()
}
