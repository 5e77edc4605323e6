/**
 * The thread side of a pool: what a pool thread's `worker.ts` exports. The thread says hello when its
 * parts are built, and is sent what belongs to its seat (ports) before the first task; tasks and
 * their outcomes go over a port of its own, one at a time.
 */
import {
  MessageChannel,
  type MessagePort,
  type Transferable,
  workerData,
} from 'node:worker_threads'
import { createNodeEnv, type Env } from '../env/index.js'
import { type LogLevel, openMetrics } from '../telemetry/index.js'
import { toWireError, type WireError } from './errors.js'
import { HeapGuard } from './heap-guard.js'
import { moveOnce } from './moved-buffers.js'
import { isPacked, type Packed, plainForm, type TaskForm } from './task-form.js'

/** What one thread of a pool does. */
export interface PoolParts<Task, Answer, Message> {
  run(task: Task): Promise<Answer>
  /** Takes what the supervisor sends: ports of other actors, news of restarts. Before the first task. */
  receive(message: Message): void
  /** Parts of an answer that are moved, not copied. */
  transfers(answer: Answer): ArrayBuffer[]
  /** As the pool's options have it. */
  readonly form?: TaskForm<Task, Answer>
  /** Ends when the thread is as fast as it gets by itself; tasks may come before. Without it: at once. */
  warmUp?(): Promise<void>
}

/** The worker data of a pool's threads. */
export interface PoolWorkerData {
  readonly actor: string
  readonly seat: number
  readonly boot: unknown
  readonly logLevel: LogLevel
  readonly metricBlock: SharedArrayBuffer
  readonly heapMbMax: number
}

/** What a thread is sent: a task, or news. */
export type PoolNote<Message> =
  | Packed
  | { readonly note: 'message'; readonly message: Message }
  /** What belongs to the seat has been sent. */
  | { readonly note: 'seated' }

/** What a thread says: an answer, or one of these. */
export type PoolWord =
  | Packed
  /** What a task threw: as an error it would lose id and details on the way. */
  | { readonly word: 'failed'; readonly error: WireError }
  /** Its first word. */
  | { readonly word: 'hello' }
  /** It has warmed up. */
  | { readonly word: 'warm' }
  /** A further block of metrics, on its way to the registry. */
  | { readonly word: 'metrics'; readonly metricBlock: SharedArrayBuffer }
  | ({ readonly word: 'open' } & PoolOpen)

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

/**
 * Makes the function that `worker.ts` exports as `run`: all that a thread does from its start to its
 * end, over the port that it is given. What `receive` throws ends the thread: one that has missed
 * news is not to go on with what is no more.
 *
 * @param build makes the thread's parts
 */
export function poolWorker<Boot, Task, Answer, Message>(
  build: (env: Env, boot: Boot, seat: number, host: PoolHost) => PoolParts<Task, Answer, Message>,
): (port: MessagePort) => Promise<never> {
  return (port) => {
    sit(port, build)
    return new Promise(() => {})
  }
}

function sit<Boot, Task, Answer, Message>(
  port: MessagePort,
  build: (env: Env, boot: Boot, seat: number, host: PoolHost) => PoolParts<Task, Answer, Message>,
): void {
  moveOnce()
  const say = (word: PoolWord, moved: Transferable[] = []): void => port.postMessage(word, moved)
  const open = (peer: string, index: number): MessagePort => {
    const { port1, port2 } = new MessageChannel()
    say({ word: 'open', peer, index, port: port2 }, [port2])
    return port1
  }
  const { actor, seat, boot, logLevel, metricBlock, heapMbMax } = workerData as PoolWorkerData
  const metrics = openMetrics(metricBlock, (block) => say({ word: 'metrics', metricBlock: block }))
  const env = createNodeEnv({ actor: `${actor}/${seat}`, logLevel, metrics })
  const heap = new HeapGuard(heapMbMax * 2 ** 20, env.clock)
  const parts = build(env, boot as Boot, seat, { open, heap })
  const form = parts.form ?? plainForm<Task, Answer>()
  port.on('message', (note: PoolNote<Message>) => {
    if (isPacked(note)) {
      void answer(parts, form, note, say)
      return
    }
    switch (note.note) {
      case 'message':
        parts.receive(note.message)
        break
      case 'seated':
        void warmUp(parts, env).then(() => say({ word: 'warm' }))
    }
  })
  say({ word: 'hello' })
}

async function warmUp(
  parts: Pick<PoolParts<never, never, never>, 'warmUp'>,
  env: Env,
): Promise<void> {
  try {
    await parts.warmUp?.()
  } catch (error) {
    env.log.warn('thread could not warm up', { err: String(error) })
  }
}

async function answer<Task, Answer, Message>(
  parts: PoolParts<Task, Answer, Message>,
  form: TaskForm<Task, Answer>,
  packed: Packed,
  say: (word: PoolWord, moved?: Transferable[]) => void,
): Promise<void> {
  let word: PoolWord
  let moved: ArrayBuffer[] = []
  try {
    const found = await parts.run(form.unpackTask(packed))
    moved = parts.transfers(found)
    word = form.packAnswer(found)
  } catch (error) {
    word = { word: 'failed', error: toWireError(error) }
  }
  say(word, moved)
}
