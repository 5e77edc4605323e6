/**
 * The thread side of a pool: what a pool thread's `worker.ts` exports. A thread claims a seat in
 * shared cells when its module loads, announces itself, and is sent what belongs to the seat
 * (ports, metrics); tasks wait until then.
 */
import {
  MessageChannel,
  type MessagePort,
  parentPort,
  threadId,
  workerData,
} from 'node:worker_threads'
import { createNodeEnv, type Env } from '../env/index.js'
import { type LogLevel, openMetrics } from '../telemetry/index.js'
import { toWireError, type WireError } from './errors.js'
import { HeapGuard } from './heap-guard.js'
import { loadPiscina } from './piscina.js'

/** What one thread of a pool does. */
export interface PoolParts<Task, Answer, Message> {
  run(task: Task): Promise<Answer>
  /** Takes what the supervisor sends: ports of other actors, news of restarts. Before the first task. */
  receive(message: Message): void
  /** Parts of an answer that are moved, not copied. */
  transfers(answer: Answer): ArrayBuffer[]
  /** Ends when the thread is as fast as it gets by itself; tasks may come before. Without it: at once. */
  warmUp?(): Promise<void>
}

/** The worker data of a pool's threads. */
export interface PoolWorkerData {
  readonly actor: string
  readonly boot: unknown
  readonly logLevel: LogLevel
  /** Int32 per seat: the thread id of its owner, 0 when free. */
  readonly seats: SharedArrayBuffer
  readonly heapMbMax: number
}

/** A thread's first word. */
export interface PoolHello {
  readonly hello: number
  readonly seat: number
}

/** What a thread is sent. */
export type PoolNote<Message> =
  | { readonly note: 'seat'; readonly metricBlock: SharedArrayBuffer }
  | { readonly note: 'message'; readonly message: Message }

/** A thread's word that it has warmed up. */
export interface PoolWarm {
  readonly warm: number
}

/** A further block of metrics, on its way to the registry. */
export interface PoolMetricBlock {
  readonly seat: number
  readonly metricBlock: SharedArrayBuffer
}

/** A thread's wish to call an actor: the port is the actor's end. */
export interface PoolOpen {
  readonly peer: string
  readonly index: number
  readonly port: MessagePort
}

/** What the runtime offers to a pool thread. */
export interface PoolHost {
  /** Tells when a task holds too much; V8 bears twice as much. */
  readonly heap: HeapGuard
  /** As an actor's host: a port on which another actor answers, or main with peer `main`. */
  open(peer: string, index: number): MessagePort
}

/** A task's outcome: errors would lose id and details in the pool's own way back. */
export type PoolOutcome<Answer> =
  | { readonly ok: true; readonly answer: Answer }
  | { readonly ok: false; readonly error: WireError }

/**
 * Makes the function that `worker.ts` exports as `run`.
 *
 * @param build makes the thread's parts, once it has its seat
 */
export function poolWorker<Boot, Task, Answer, Message>(
  build: (env: Env, boot: Boot, seat: number, host: PoolHost) => PoolParts<Task, Answer, Message>,
): (task: Task) => Promise<PoolOutcome<Answer>> {
  const data = workerData as PoolWorkerData
  const heap = new HeapGuard(data.heapMbMax * 2 ** 20)
  const seat = claimSeat(new Int32Array(data.seats))
  const built = new Promise<PoolParts<Task, Answer, Message>>((resolve) => {
    let parts: PoolParts<Task, Answer, Message> | undefined
    const early: Message[] = []
    listen((value) => {
      const note = value as PoolNote<Message>
      if (note.note === 'message') {
        if (parts === undefined) early.push(note.message)
        else parts.receive(note.message)
        return
      }
      const metrics = openMetrics(note.metricBlock, (metricBlock) =>
        parentPort?.postMessage({ seat, metricBlock } satisfies PoolMetricBlock),
      )
      const actor = `${data.actor}/${seat}`
      const env = createNodeEnv({ actor, logLevel: data.logLevel, metrics })
      parts = build(env, data.boot as Boot, seat, { open: openPort, heap })
      for (const message of early) parts.receive(message)
      resolve(parts)
      const tell = () => parentPort?.postMessage({ warm: seat } satisfies PoolWarm)
      parts.warmUp?.().then(tell, (error: unknown) => {
        env.log.warn('thread could not warm up', { err: String(error) })
        tell()
      })
      if (parts.warmUp === undefined) tell()
    })
  })
  parentPort?.postMessage({ hello: threadId, seat } satisfies PoolHello)
  return async (task) => outcomeOf(await built, task)
}

/**
 * Takes what is sent to this thread. Node swallows what a listener throws; a thread that has missed
 * news is to end of it, rather than to go on with what is no more.
 */
function listen(take: (value: unknown) => void): void {
  process.on('workerMessage', (value: unknown) => {
    try {
      take(value)
    } catch (error) {
      setImmediate(() => {
        throw error
      })
    }
  })
}

function openPort(peer: string, index: number): MessagePort {
  const { port1, port2 } = new MessageChannel()
  parentPort?.postMessage({ peer, index, port: port2 } satisfies PoolOpen, [port2])
  return port1
}

async function outcomeOf<Task, Answer, Message>(
  parts: PoolParts<Task, Answer, Message>,
  task: Task,
): Promise<PoolOutcome<Answer>> {
  try {
    const answer = await parts.run(task)
    const outcome: PoolOutcome<Answer> = { ok: true, answer }
    const moved = parts.transfers(answer)
    if (moved.length === 0) return outcome
    const { Piscina } = loadPiscina()
    const movable = {
      [Piscina.transferableSymbol]: moved,
      [Piscina.valueSymbol]: outcome,
    }
    return Piscina.move(movable as never) as unknown as PoolOutcome<Answer>
  } catch (error) {
    return { ok: false, error: toWireError(error) }
  }
}

function claimSeat(seats: Int32Array): number {
  for (let seat = 0; seat < seats.length; seat++) {
    if (Atomics.compareExchange(seats, seat, 0, threadId) === 0) return seat
  }
  throw new Error(`no free seat among ${seats.length} for thread ${threadId}`)
}
