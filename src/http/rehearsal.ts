/**
 * Plays the senders of a rehearsal (actors/supervisor/rehearsal.ts): connections of this process to
 * lanes of their own, which are those of the server but for what they count in.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { DistributorClient } from '../actors/distributor/client.js'
import { EndingTimers } from '../shared/actor/index.js'
import { createNodeEnv, type Env, type Timers } from '../shared/env/index.js'
import type { Limits } from '../shared/limits/index.js'
import { openMetrics } from '../shared/telemetry/index.js'
import type { HttpBackend, HttpConfig } from './handler.js'
import type { Lifecycle } from './lifecycle.js'
import { type Lane, openServer } from './listener.js'
import { playedTenants, RehearsalRequests } from './rehearsal-requests.js'
import { createGate, createLanes } from './server.js'

const SENDERS = 4
const SERIES = 400
/** One request of so many comes in two parts. */
const PARTED = 7
/** Scrapes of all rounds but the last: these are for code to meet more than one of everything. */
const SCRAPES_FIRST = 4
/** Scrapes of the last one, and the time that they may take. */
const SCRAPES = 220
const MS_MAX = 1_500

/** A connection whose answer does not come is cut off after this, ms. */
const CLOSE_MS = 100

/** Who sends the requests of a rehearsal needs no credential. */
export function openTo(config: HttpConfig): HttpConfig {
  return config.accessFile === '' ? config : { ...config, accessFile: '' }
}

/** Sends made-up scrapes to distributors as senders of remote write would. */
export async function playSenders(
  behind: {
    readonly distributors: DistributorClient
    /** Of practice. */
    readonly limits: Limits
    readonly isHaTrackerOn: boolean
    readonly lifecycle: Lifecycle
    readonly isLast: boolean
  },
  config: HttpConfig,
  env: Env,
): Promise<void> {
  const metrics = openMetrics()
  const timers = new EndingTimers(env.timers)
  const own = createNodeEnv({ actor: 'main', logLevel: 'error', metrics, timers })
  const { distributors, limits, lifecycle, isHaTrackerOn } = behind
  // Pushes ask for nothing else, and need not say who sends them.
  const backend = { distributors, runtime: { limits }, lifecycle } as unknown as HttpBackend
  // The rate of what comes is reckoned anew in every period, and may be for the first time after the start.
  const played = behind.isLast ? config : { ...config, ratePeriodMs: 7 }
  const { lane } = createLanes(backend, played, own, createGate(openTo(config), own))
  const stage = await Stage.open(env, config, lane)
  try {
    const senders = await Promise.all(Array.from({ length: SENDERS }, () => stage.connect()))
    if (!behind.isLast) await meetOthers(stage)
    const scrapes = behind.isLast ? SCRAPES : SCRAPES_FIRST
    const until = env.clock.monotonic() + MS_MAX
    const path = `${config.pathPrefix}/api/v1/push`
    const startMs = env.clock.now() - scrapes * 15_000
    const [soon, later] = playedTenants(limits, isHaTrackerOn)
    let requests = new RehearsalRequests(path, SERIES, startMs, soon)
    for (let scrape = 0; scrape < scrapes && env.clock.monotonic() < until; scrape++) {
      // Code that never met a new tenant would be thrown away for the first one to come.
      if (scrape === scrapes / 2) requests = new RehearsalRequests(path, SERIES, startMs, later)
      let next = 0
      const send = async (sender: Sender): Promise<void> => {
        while (next < requests.count) {
          const isInParts = next % PARTED === 0
          await sender.send(requests.at(next++), isInParts ? env.timers : undefined)
        }
      }
      await Promise.all(senders.map(send))
      requests.next()
    }
  } finally {
    await stage.close()
    timers.end()
  }
}

/**
 * What else goes the ways of pushes: code of sockets that met pushes alone would be thrown away for the first
 * request that Node's server has.
 */
async function meetOthers(stage: Stage): Promise<void> {
  const asker = await stage.connect()
  for (let i = 0; i < ASKED; i++) await asker.send(ASK)
}

/** A listener that only this process gets anything from. What its lane leaves to Node's server is answered with nothing. */
export class Stage {
  private readonly env: Env
  private readonly lane: Lane
  private readonly server: ReturnType<typeof openServer>
  private readonly ends: Socket[] = []

  private constructor(env: Env, config: HttpConfig, lane: Lane) {
    this.env = env
    this.lane = lane
    const plain = { ...config, tls: undefined, connectionsMax: 0 }
    // Needs no credential, hence is for nobody else: others are cut off unread.
    const door: Lane = {
      take: (socket, serve) => this.meet(socket, serve),
      closeIdle: () => {},
      closeAll: () => {},
    }
    this.server = openServer(plain, env, (_, outgoing) => outgoing.end(NODE_ANSWER), door)
  }

  /** Ports of this process' ends are known by then: a socket is bound before others hear of it. */
  private meet(socket: Socket, serve: () => void): void {
    const port = peerPortOf(socket)
    const isOwn = this.ends.some(({ localPort }) => localPort === port)
    if (isOwn) this.lane.take(socket, serve)
    else socket.destroy()
  }

  static async open(env: Env, config: HttpConfig, lane: Lane): Promise<Stage> {
    const stage = new Stage(env, config, lane)
    stage.server.listen(0, '127.0.0.1')
    await once(stage.server, 'listening')
    return stage
  }

  async connect(): Promise<Sender> {
    const sender = new Sender((this.server.address() as AddressInfo).port)
    this.ends.push(sender.socket)
    await once(sender.socket, 'connect')
    return sender
  }

  async close(): Promise<void> {
    // Servers hear of the end of what clients send before they hear of that of a connection.
    const open = this.ends.filter((socket) => !socket.destroyed)
    const closed = open.map((socket) => once(socket, 'close'))
    for (const socket of open) socket.end()
    const late = this.env.timers.after(CLOSE_MS, () => {
      for (const socket of open) socket.destroy()
    })
    await Promise.allSettled(closed)
    late.cancel()
    this.lane.closeAll()
    this.server.closeAllConnections()
    this.server.close()
  }
}

type Internals = { readonly _handle?: { getpeername?(to: { port?: number }): number } | null }

/**
 * Whom a socket is connected to. `remotePort` would leave a property on the socket: of another hidden
 * class than those of the real listener, which would void all code that V8 makes for it here.
 */
function peerPortOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as Internals
  if (handle?.getpeername === undefined) return socket.remotePort
  const peer: { port?: number } = {}
  handle.getpeername(peer)
  return peer.port
}

/** Not a Buffer, as answers that queriers made are none. */
const NODE_ANSWER = new Uint8Array(2)
const ASK = Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', 'latin1')
const ASKED = 8

/** All answers are read into this; as streams they would leave 64 KiB each. */
const ANSWERS = Buffer.alloc(4_096)
const END = '\r\n\r\n'

/** One connection, one request at a time. */
export class Sender {
  readonly socket: Socket
  /** Of the answer that comes. */
  private leftBytes = 0
  private readonly settle = { answered: () => {}, lost: () => {} }

  constructor(port: number) {
    // What an answer says is no matter: limits may forbid such requests.
    const callback = (length: number): boolean => {
      if (this.leftBytes === 0) this.leftBytes = lengthOf(ANSWERS.toString('latin1', 0, length))
      this.leftBytes -= length
      if (this.leftBytes <= 0) {
        this.leftBytes = 0
        this.settle.answered()
      }
      return true
    }
    const onread = { buffer: ANSWERS, callback }
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true, onread })
    this.socket.on('error', () => {})
    this.socket.on('close', () => this.settle.lost())
  }

  /**
   * Resolves when the answer is there.
   *
   * @param timers to wait a turn by between two parts
   */
  async send(request: Buffer, timers?: Timers): Promise<void> {
    const answer = new Promise<void>((resolve, reject) => {
      this.settle.answered = resolve
      this.settle.lost = () => reject(new Error('a connection was closed'))
    })
    // A connection may be closed between the parts, where nobody waits for the answer yet.
    answer.catch(() => {})
    const first = timers === undefined ? request.length : request.length >> 1
    this.socket.write(request.subarray(0, first))
    // Two turns: what is written in one is read in the next.
    await timers?.yieldNow()
    await timers?.yieldNow()
    if (first < request.length) this.socket.write(request.subarray(first))
    await answer
  }
}

/** Bytes of the answer that begins so; its head fits into one read. */
function lengthOf(start: string): number {
  const head = start.indexOf(END) + END.length
  return head + Number(/\r\ncontent-length: (\d+)/i.exec(start)?.[1] ?? 0)
}
