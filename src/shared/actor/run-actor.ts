/**
 * The thread side of an actor: what a `worker.ts` calls. Reads the boot data, builds the actor,
 * answers the supervisor, opens links, runs the loop, and reports how it ended.
 */
import { MessageChannel, type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { compactHeap, createNodeEnv, type Env, NODE_TIMERS } from '../env/index.js'
import { Doorbell } from '../ringbuf/index.js'
import { type LogLevel, openMetrics } from '../telemetry/index.js'
import { expose } from './calls.js'
import { EndingTimers } from './ending-timers.js'
import { countYoungGcs } from './gc-meter.js'
import { beat } from './heartbeat.js'
import { collectWhenIdle } from './idle-collection.js'
import { type Link, type LinkEnd, openLink } from './link.js'
import { runLoop } from './loop.js'

/** What an actor says of itself, for /ready and /debug/actors. */
export interface ActorStatus {
  /** 0–100: how far it has come with what it must do before it serves (replay). */
  readonly readyPercent: number
  /** Whether it takes what comes now; a shard that cannot log writes does not. */
  readonly isServing: boolean
  /** Anything worth showing, in small values. */
  readonly details: Readonly<Record<string, string | number | boolean>>
  /** What of its data could not be read, when it started or since, for `/debug/damage`. */
  readonly damage?: readonly Readonly<Record<string, string | number>>[]
}

/** What a `worker.ts` hands to the runtime. */
export interface ActorParts {
  /** One bounded turn of the loop; false when there was nothing to do. Called 4 times a second when idle. */
  turn(): boolean
  /** After a turn that worked: whether there is more to do than the frames that wait. Without it: yes. */
  hasMore?(): boolean
  /** Answers the calls of other actors. */
  readonly calls?: object
  /** Takes a link, in place of an earlier one with the same peer and index. */
  link?(link: Link): void
  /** The other side is gone: nothing will come on this link nor be read from it any more. */
  unlink?(link: Link): void
  /** Takes a message that came on a link's port and is not a doorbell: a body too large for the ring. */
  receive?(link: Link, message: unknown): void
  status?(): ActorStatus
  /** Takes settings that changed while it runs (limits); those of its start are in the boot data. */
  apply?(settings: unknown): void
  /** What comes until `forget` is made up; may be told again. */
  rehearse?(): void
  /** Forgets all that it was sent, as if it had just been built; its links are gone. */
  forget?(): void
  /** Finishes what was accepted and flushes; turns go on until it resolves. */
  drain(): Promise<void>
}

/** What the runtime offers to the actor. */
export interface ActorHost {
  /** Makes the loop take a turn soon: call it when something came in other than by a link. */
  poke(): void
  /** Asks the supervisor for a new generation of a link (ids unknown to the other side). */
  relink(peer: string, index: number): void
  /**
   * Asks for a new life, for a part of its data that only a start has again: the thread is ended soon,
   * at most once in some minutes.
   */
  renew(damage: Readonly<Record<string, string | number>>): void
  /**
   * A port on which another actor answers its calls, or main with peer `main`. One that starts with
   * its first work is started. The port closes when the other one ends, or does not run: open another.
   */
  open(peer: string, index: number): MessagePort
}

/** What the supervisor may ask of a thread. */
export interface ActorControl {
  /** Builds the actor; resolves when that is done. */
  start(): Promise<void>
  link(end: LinkEnd): Promise<void>
  /** Answers the actor's calls on one more port. */
  serve(port: MessagePort): Promise<void>
  status(): Promise<ActorStatus>
  /** Hands new settings to the actor. */
  apply(settings: unknown): Promise<void>
  drain(): Promise<void>
  /**
   * Lets another such actor be built before this one is started, with boot data that differ in something
   * and a control port of its own.
   */
  understudy(change: object, port: MessagePort): Promise<void>
  /** A round of a rehearsal begins: what is made up must not be seen by others. */
  rehearse(): Promise<void>
  /** Lets go of all links and forgets what came on them: a rehearsal is over. */
  forget(): Promise<void>
}

/** What a thread tells the supervisor without being asked. */
export type ActorNote =
  | { readonly note: 'metric-block'; readonly block: SharedArrayBuffer }
  | { readonly note: 'relink'; readonly peer: string; readonly index: number }
  | { readonly note: 'renew'; readonly damage: Readonly<Record<string, string | number>> }
  | {
      readonly note: 'open'
      readonly peer: string
      readonly index: number
      readonly port: MessagePort
    }

/** The worker data of an actor's thread. */
export interface ActorWorkerData {
  readonly actor: string
  readonly boot: unknown
  readonly logLevel: LogLevel
  readonly metricBlock: SharedArrayBuffer
  readonly control: MessagePort
  /** Of heartbeat.ts. */
  readonly heart: SharedArrayBuffer
}

/** A thread that ended because of an error of its own ends with this code. */
const EXIT_CRASHED = 1

/**
 * Runs an actor in this thread until it is drained. The boot data is what the supervisor gave; its
 * type is agreed in the actor's contract.ts.
 */
export function runActor<Boot>(
  build: (env: Env, boot: Boot, host: ActorHost) => ActorParts | Promise<ActorParts>,
): void {
  const data = workerData as ActorWorkerData
  const metrics = openMetrics(data.metricBlock, (block) => tell({ note: 'metric-block', block }))
  const env = createNodeEnv({ actor: data.actor, logLevel: data.logLevel, metrics })
  countYoungGcs(data.actor, metrics)
  beat(data.heart, env.timers)
  const crash = (error: unknown): void => {
    const stack = error instanceof Error ? error.stack : undefined
    env.log.error('actor crashed', { err: String(error), stack })
    process.exit(EXIT_CRASHED)
  }
  process.on('uncaughtException', crash)
  const doorbell = new Doorbell()
  const host: ActorHost = {
    poke: () => doorbell.poke(),
    relink: (peer, index) => tell({ note: 'relink', peer, index }),
    renew: (damage) => tell({ note: 'renew', damage }),
    open: (peer, index) => {
      const { port1, port2 } = new MessageChannel()
      tell({ note: 'open', peer, index, port: port2 }, [port2])
      return port1
    },
  }
  // Boot data are copied for all, and so of one hidden class.
  const bootOf = (change: object): Boot => ({
    ...(data.boot as Boot),
    ...(change as Partial<Boot>),
  })
  const { control, rest } = controlOf(() => build(env, bootOf({}), host), env, doorbell, crash)
  const understudies = new Understudies(data.actor, (own, ownHost, change) =>
    build(own, bootOf(change), ownHost),
  )
  expose(data.control, {
    ...control,
    async start() {
      // They work with memory that is the actor's from now on.
      const isPractised = understudies.stop()
      await control.start()
      if (isPractised) rest()
    },
    async understudy(change: object, port: MessagePort) {
      understudies.open(change, port)
    },
  } satisfies ActorControl)
}

function tell(note: ActorNote, moved: MessagePort[] = []): void {
  parentPort?.postMessage(note, moved)
}

/**
 * Actors that are built in this thread before its own one, and from what that one will be built from: what
 * they do makes V8 optimise the code that all of them share. They count in metrics of their own, ask nobody
 * for anything, and when one fails that is all that happens.
 */
class Understudies {
  private readonly actor: string
  private readonly build: (
    env: Env,
    host: ActorHost,
    change: object,
  ) => ActorParts | Promise<ActorParts>
  private readonly stops: (() => void)[] = []

  constructor(actor: string, build: Understudies['build']) {
    this.actor = actor
    this.build = build
  }

  /** Has one be built when it is started by the port. */
  open(change: object, port: MessagePort): void {
    const metrics = openMetrics()
    const timers = new EndingTimers(NODE_TIMERS)
    const env = createNodeEnv({ actor: this.actor, logLevel: 'error', metrics, timers })
    const doorbell = new Doorbell()
    const host: ActorHost = {
      poke: () => doorbell.poke(),
      relink: () => {},
      renew: () => {},
      open: () => new MessageChannel().port1,
    }
    const { control, stop } = controlOf(
      () => this.build(env, host, change),
      env,
      doorbell,
      () => port.close(),
    )
    const end = (): void => {
      stop()
      timers.end()
    }
    this.stops.push(end)
    expose(port, { ...control, drain: () => control.drain().finally(end) })
  }

  /** From now on none of them does anything. Whether there were any. */
  stop(): boolean {
    const stops = this.stops.splice(0)
    for (const stop of stops) stop()
    return stops.length > 0
  }
}

/** What answers the supervisor, without what is there for the thread's own actor only. */
type BareControl = Omit<ActorControl, 'understudy'>

function controlOf(
  build: () => ActorParts | Promise<ActorParts>,
  env: Env,
  doorbell: Doorbell,
  crash: (error: unknown) => void,
): { readonly control: BareControl; stop(): void; rest(): void } {
  let begin = (): void => {}
  const built = new Promise<void>((resolve) => {
    begin = resolve
  }).then(build)
  built.catch(crash)
  const links = new Map<string, Link>()
  const served: MessagePort[] = []
  let isStopped = false
  let looping: Promise<void> | undefined
  /** That did something. */
  let turns = 0
  const stop = (): void => {
    isStopped = true
    doorbell.poke()
  }
  const rest = (): void => collectWhenIdle(env.timers, () => turns, compactHeap)
  const control: BareControl = {
    async start() {
      begin()
      const actor = await built
      const turn = () => {
        const hasWorked = actor.turn()
        if (hasWorked) turns++
        return hasWorked
      }
      const hasMore = () => actor.hasMore?.() ?? true
      if (looping !== undefined) return
      looping = runLoop({ turn, hasMore, isStopped: () => isStopped }, doorbell, env.timers)
      looping.catch(crash)
    },
    async link(end) {
      takeLink(await built, links, doorbell, openLink(end))
    },
    async serve(port) {
      const actor = await built
      served.push(port)
      expose(port, actor.calls ?? {})
    },
    async status() {
      const actor = await built
      return actor.status?.() ?? { readyPercent: 100, isServing: true, details: {} }
    },
    async apply(settings) {
      const actor = await built
      actor.apply?.(settings)
      doorbell.poke()
    },
    rehearse: async () => (await built).rehearse?.(),
    async forget() {
      const actor = await built
      dropLinks(links, doorbell)
      actor.forget?.()
      rest()
    },
    async drain() {
      await (await built).drain()
      stop()
      await looping
      for (const link of links.values()) doorbell.remove(link.reader)
      for (const port of served) port.close()
    },
  }
  return { control, stop, rest }
}

function dropLinks(links: Map<string, Link>, doorbell: Doorbell): void {
  for (const link of links.values()) {
    doorbell.remove(link.reader)
    link.port.close()
  }
  links.clear()
}

function takeLink(
  actor: ActorParts,
  links: Map<string, Link>,
  doorbell: Doorbell,
  link: Link,
): void {
  const key = `${link.peer}/${link.index}`
  const old = links.get(key)
  if (old !== undefined && old.generation >= link.generation) {
    link.port.close()
    return
  }
  if (old !== undefined) {
    doorbell.remove(old.reader)
    old.port.close()
  }
  links.set(key, link)
  link.port.on('message', (message: unknown) => {
    if (typeof message !== 'number') actor.receive?.(link, message)
  })
  link.port.on('close', () => {
    if (links.get(key) !== link) return
    links.delete(key)
    doorbell.remove(link.reader)
    actor.unlink?.(link)
    doorbell.poke()
  })
  actor.link?.(link)
  doorbell.add(link.reader, link.port)
}
