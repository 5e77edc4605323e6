/** The supervisor's side of an actor's thread: starts it, talks to it, tells how it ended. */
import { MessageChannel, Worker } from 'node:worker_threads'
import { giveCollector } from '../env/index.js'
import type { LogLevel } from '../telemetry/index.js'
import { type Client, connect, disconnect, transferring } from './calls.js'
import { beatsOf, createHeart } from './heartbeat.js'
import type { LinkEnd } from './link.js'
import { fixedNewSpace, growingNewSpace } from './new-space.js'
import type { ActorControl, ActorNote, ActorStatus, ActorWorkerData } from './run-actor.js'

/** How to start a thread. */
export interface ThreadSpec {
  /** Its name in logs, errors and metrics: `ingester/0`. */
  readonly actor: string
  /** Its `worker.js`. */
  readonly entry: URL
  readonly boot: unknown
  readonly logLevel: LogLevel
  readonly metricBlock: SharedArrayBuffer
  /** Whether pushes go through it. */
  readonly isOnPushPath: boolean
  /** Deadline of control calls that only ask. */
  readonly deadlineMs: number
  /** Deadlines of building the actor and of draining it. */
  readonly startMs: number
  readonly drainMs: number
  /** Takes what the thread says unasked. */
  onNote(note: ActorNote): void
}

/** A thread's end. Code 0 is a wanted one. */
export interface ThreadExit {
  readonly code: number
  /** What it died of, where Node knows it (out of memory, a broken entry file). */
  readonly reason: string
}

/** A running thread. */
export interface ActorThread {
  readonly actor: string
  readonly threadId: number
  /** Turns of its event loop that its heart has counted; 0 before the first. */
  beats(): number
  /** Resolves when the thread is gone; never rejects. */
  readonly exited: Promise<ThreadExit>
  /** Resolves when the actor is built and its loop runs. */
  start(): Promise<void>
  link(end: LinkEnd): Promise<void>
  /**
   * A port on which the actor answers calls. It may be posted on to another thread.
   * Calls before the actor is built wait for it.
   */
  open(): MessagePort
  /** Has the actor answer calls on a port; it closes when the actor cannot. */
  serve(port: MessagePort): void
  status(): Promise<ActorStatus>
  /** Hands new settings to the actor. */
  apply(settings: unknown): Promise<void>
  drain(): Promise<void>
  terminate(): Promise<void>
  /** Another such actor in the same thread, before this one is started; see `Understudy`. */
  understudy(change: object): Promise<Understudy>
  /** Tells the actor that what comes is made up, until `forget`. */
  rehearse(): Promise<void>
  /** Has the actor forget what it was sent in a rehearsal. */
  forget(): Promise<void>
}

/** An actor that takes another one's part in a rehearsal, in the thread of that one. */
export interface Understudy {
  start(): Promise<void>
  link(end: LinkEnd): Promise<void>
  /** Drains it, and lets go of it. */
  end(): Promise<void>
}

type MessagePort = MessageChannel['port1']

/** New spaces, MiB: few collections in a push's way; enough for work on blocks. */
const PUSH_NEW_SPACE = 4
const NEW_SPACE_MAX = 8

/** Starts the thread. */
export function startThread(spec: ThreadSpec): ActorThread {
  const channel = new MessageChannel()
  const heart = createHeart()
  const data: ActorWorkerData = {
    actor: spec.actor,
    boot: spec.boot,
    logLevel: spec.logLevel,
    metricBlock: spec.metricBlock,
    control: channel.port2,
    heart,
  }
  giveCollector()
  const worker = new Worker(spec.entry, {
    workerData: data,
    transferList: [channel.port2],
    resourceLimits: spec.isOnPushPath
      ? fixedNewSpace(PUSH_NEW_SPACE)
      : growingNewSpace(NEW_SPACE_MAX),
  })
  worker.on('message', (note: ActorNote) => spec.onNote(note))
  let reason = ''
  worker.on('error', (error: unknown) => {
    reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  })
  const control: Client<ActorControl> = connect<ActorControl>(channel.port1, {
    actor: spec.actor,
    deadlineMs: spec.deadlineMs,
    // What waits for the actor to be built may take as long as that.
    deadlinesMs: {
      start: spec.startMs,
      link: spec.startMs,
      serve: spec.startMs,
      apply: spec.startMs,
      drain: spec.drainMs,
    },
  })
  const exited = new Promise<ThreadExit>((resolve) => {
    worker.on('exit', (code) => {
      disconnect(control)
      resolve({ code, reason })
    })
  })
  return {
    actor: spec.actor,
    threadId: worker.threadId,
    beats: () => beatsOf(heart),
    exited,
    start: () => control.start(),
    link: (end) => control.link(transferring(end, [end.port])),
    open: () => {
      const { port1, port2 } = new MessageChannel()
      serve(control, port2, () => port1.close())
      return port1
    },
    serve: (port) => serve(control, port, () => port.close()),
    status: () => control.status(),
    apply: (settings) => control.apply(settings),
    drain: () => control.drain(),
    terminate: async () => {
      await worker.terminate()
    },
    understudy: (change) => openUnderstudy(control, spec, change),
    rehearse: () => control.rehearse(),
    forget: () => control.forget(),
  }
}

async function openUnderstudy(
  thread: Client<ActorControl>,
  { actor, startMs: deadlineMs }: ThreadSpec,
  change: object,
): Promise<Understudy> {
  const { port1, port2 } = new MessageChannel()
  await thread.understudy(change, transferring(port2, [port2]))
  const control = connect<ActorControl>(port1, { actor, deadlineMs })
  return {
    start: () => control.start(),
    link: (end) => control.link(transferring(end, [end.port])),
    end: () => control.drain().finally(() => disconnect(control)),
  }
}

/** A thread that is gone closes the port by itself; the caller sees its end close. */
function serve(control: Client<ActorControl>, port: MessagePort, onFailure: () => void): void {
  control.serve(transferring(port, [port])).catch(onFailure)
}
