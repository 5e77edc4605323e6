/**
 * A pool of threads that each run one task at a time, each in a seat of its own: typed errors, and a
 * new thread for one that has ended. It has no queue worth the name: its caller starts a task when a
 * thread is free. piscina runs the threads; a task is two messages over the thread's port, which
 * costs half of what a task of piscina's does (decision 0028).
 */
import {
  MessageChannel,
  type MessagePort,
  type Transferable,
  type Worker,
} from 'node:worker_threads'
import type { Piscina } from 'piscina'
import type { StopSignal } from '../base/stop-signal.js'
import { type Env, giveCollector } from '../env/index.js'
import { type AppError, fail } from '../errors/index.js'
import { createMetricBlock, type LogLevel } from '../telemetry/index.js'
import { fromWireError } from './errors.js'
import { growingNewSpace } from './new-space.js'
import { loadPiscina } from './piscina.js'
import type { PoolNote, PoolOpen, PoolWord, PoolWorkerData } from './pool-worker.js'
import { isPacked, plainForm, type TaskForm } from './task-form.js'

/** How a pool is made. */
export interface PoolOptions<Task, Answer, Message> {
  /** Names the threads: `querier` gives `querier/0`. */
  readonly actor: string
  /** The threads' `worker.js`; it exports `run`, made by `poolWorker`. */
  readonly entry: URL
  readonly size: number
  readonly boot: unknown
  /** For a thread; without it tasks and answers cross as they are. Its parts have one of the same kind. */
  form?(): TaskForm<Task, Answer>
  readonly logLevel: LogLevel
  readonly env: Env
  /** What a task may hold on its thread's heap (PoolHost.heap); beyond twice that V8 ends the thread. */
  readonly heapMbMax: number
  /** A thread has sat down: send it what belongs to the seat. */
  onSeat(seat: PoolSeat<Message>): void
  /** A thread is gone, and nobody has its seat yet. */
  onGone?(seat: number): void
  /** A thread is gone. */
  onVacate(seat: PoolSeat<Message>): void
  /** Memory of a seat's metrics, the first block and further ones. */
  onMetricBlock(actor: string, block: SharedArrayBuffer): void
  /** A thread has warmed up. */
  onWarm?(): void
  /** A thread wants to call an actor, which is to answer on `port`. */
  onOpen?(open: PoolOpen): void
  /**
   * A thread ended unasked: ms until another one is started where it had not even sat down (else
   * that is done at once), or undefined to leave the pool.
   */
  onCrash(actor: string): number | undefined
}

/** A thread of the pool in its seat. */
export interface PoolSeat<Message> {
  readonly index: number
  readonly threadId: number
  /** `querier/0`. */
  readonly actor: string
  /** Sends to the thread; parts are moved. Nothing happens when the thread is gone. */
  send(message: Message, parts: Transferable[]): void
}

/** The pool as its caller sees it. */
export interface Pool<Task, Answer, Message> {
  readonly size: number
  /**
   * Runs a task. Aborting ends its thread (a new one takes the seat).
   * @throws AppError what the task threw; `actor-down` when its thread died or was ended;
   *   `query-memory` when it outgrew the thread's heap
   */
  run(task: Task, signal: StopSignal): Promise<Answer>
  /** The threads that sit now. */
  seats(): PoolSeat<Message>[]
  /** How many of them have warmed up. */
  warmCount(): number
  /** Ends one thread as a crash would; for tests and operators. */
  kill(seat: number): Promise<void>
  /** Ends all threads; running tasks fail with `actor-down`. */
  close(): Promise<void>
}

/** Makes the pool and starts its threads. */
export function definePool<Task, Answer, Message>(
  options: PoolOptions<Task, Answer, Message>,
): Pool<Task, Answer, Message> {
  return new ThreadPool<Task, Answer, Message>(options)
}

/** V8's limit of a thread's heap, in what a task may hold: room for a map that doubles. */
const HARD_LIMIT_FACTOR = 2
/** MiB. Queries that keep half a million rows take less CPU time in 4 and 8 than in 1, 2 or 16. */
const NEW_SPACE_MAX = 4
/** Tasks that may wait for threads that are being started, by threads. */
const WAITING_PER_THREAD = 2

/** A task that waits or runs. */
interface Job<Task, Answer> {
  readonly task: Task
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: AppError) => void
}

/** A thread, from its start to its exit. */
interface Thread<Task, Answer, Message> {
  readonly seat: PoolSeat<Message>
  readonly worker: Worker
  readonly port: MessagePort
  readonly form: TaskForm<Task, Answer>
  /** It has sat down: tasks may come. */
  isSeated: boolean
  isWarm: boolean
  /** It is ended on purpose: its exit is no crash. */
  isEnded: boolean
  /** What it died of, where Node knows. */
  cause: unknown
  job: Job<Task, Answer> | undefined
}

class ThreadPool<Task, Answer, Message> implements Pool<Task, Answer, Message> {
  readonly size: number
  private readonly options: PoolOptions<Task, Answer, Message>
  /** By seat; undefined while nobody sits there. */
  private readonly threads: (Thread<Task, Answer, Message> | undefined)[]
  private waiting: Job<Task, Answer>[] = []
  private isClosed = false

  constructor(options: PoolOptions<Task, Answer, Message>) {
    this.options = options
    this.size = options.size
    this.threads = new Array(options.size).fill(undefined)
    for (let index = 0; index < options.size; index++) this.start(index)
  }

  run(task: Task, signal: StopSignal): Promise<Answer> {
    if (this.isClosed || signal.aborted) return Promise.reject(this.down())
    if (this.waiting.length >= this.size * WAITING_PER_THREAD) return Promise.reject(this.down())
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.abort(job)
      const job: Job<Task, Answer> = {
        task,
        resolve: (answer) => {
          signal.removeEventListener('abort', onAbort)
          resolve(answer)
        },
        reject: (error) => {
          signal.removeEventListener('abort', onAbort)
          reject(error)
        },
      }
      signal.addEventListener('abort', onAbort)
      this.waiting.push(job)
      this.pump()
    })
  }

  seats(): PoolSeat<Message>[] {
    return this.threads.flatMap((thread) => (thread?.isSeated === true ? [thread.seat] : []))
  }

  warmCount(): number {
    return this.threads.filter((thread) => thread?.isWarm === true).length
  }

  async kill(seat: number): Promise<void> {
    await this.threads[seat]?.worker.terminate()
  }

  async close(): Promise<void> {
    this.leave()
    await Promise.all(this.threads.map((thread) => thread?.worker.terminate()))
  }

  /** Starts a thread for a seat where nobody sits. */
  private start(index: number): void {
    const { entry, boot, logLevel, heapMbMax } = this.options
    const actor = `${this.options.actor}/${index}`
    const metricBlock = createMetricBlock()
    const data: PoolWorkerData = {
      actor: this.options.actor,
      seat: index,
      boot,
      logLevel,
      metricBlock,
      heapMbMax,
    }
    const { port1: port, port2 } = new MessageChannel()
    const piscina = startPiscina(entry, data)
    // The thread's whole life is one task; how it ends the thread's exit tells.
    const life = piscina.run(port2, { transferList: [port2] })
    const worker = piscina.threads[0]!
    const { threadId } = worker
    const send = (message: Message, parts: Transferable[]): void =>
      post(port, { note: 'message', message }, parts)
    const thread: Thread<Task, Answer, Message> = {
      seat: { index, threadId, actor, send },
      worker,
      port,
      form: this.options.form?.() ?? plainForm<Task, Answer>(),
      isSeated: false,
      isWarm: false,
      isEnded: false,
      cause: undefined,
      job: undefined,
    }
    this.threads[index] = thread
    port.on('message', (word: PoolWord) => this.hear(thread, word, metricBlock))
    const noteCause = (error: unknown): void => {
      thread.cause ??= error
    }
    worker.on('error', noteCause)
    // Of one that ends before it has been given its task.
    piscina.on('error', noteCause)
    worker.on('exit', (code) => {
      port.close()
      void piscina.destroy()
      this.vacate(thread, code)
    })
    life.catch((error: unknown) => {
      noteCause(error)
      void worker.terminate()
    })
  }

  private hear(
    thread: Thread<Task, Answer, Message>,
    word: PoolWord,
    metricBlock: SharedArrayBuffer,
  ): void {
    const { options } = this
    if (isPacked(word)) {
      const job = this.release(thread)
      job?.resolve(thread.form.unpackAnswer(word))
      this.pump()
      return
    }
    switch (word.word) {
      case 'failed': {
        const job = this.release(thread)
        job?.reject(fromWireError(word.error))
        this.pump()
        break
      }
      case 'hello':
        options.onMetricBlock(thread.seat.actor, metricBlock)
        thread.isSeated = true
        options.onSeat(thread.seat)
        post(thread.port, { note: 'seated' }, [])
        this.pump()
        break
      case 'warm':
        thread.isWarm = true
        options.onWarm?.()
        break
      case 'metrics':
        options.onMetricBlock(thread.seat.actor, word.metricBlock)
        break
      case 'open':
        if (options.onOpen === undefined) word.port.close()
        else options.onOpen(word)
    }
  }

  /** Gives what waits to threads that are free, the first ones first: theirs are the warmest caches. */
  private pump(): void {
    for (const thread of this.threads) {
      if (this.waiting.length === 0) return
      if (thread === undefined || thread.job !== undefined) continue
      if (!thread.isSeated || thread.isEnded) continue
      const job = this.waiting.shift()!
      thread.job = job
      thread.port.postMessage(thread.form.packTask(job.task))
    }
  }

  /** The thread is free. */
  private release(thread: Thread<Task, Answer, Message>): Job<Task, Answer> | undefined {
    const { job } = thread
    thread.job = undefined
    return job
  }

  /** A job is not wanted any more: it leaves the queue, or its thread ends with it. */
  private abort(job: Job<Task, Answer>): void {
    this.waiting = this.waiting.filter((other) => other !== job)
    const thread = this.threads.find((one) => one?.job === job)
    if (thread !== undefined) {
      thread.isEnded = true
      void thread.worker.terminate()
    }
    job.reject(this.down())
  }

  private vacate(thread: Thread<Task, Answer, Message>, code: number): void {
    const { options } = this
    const { seat, job, isSeated, cause } = thread
    // What the thread held is cleared before another one can take its seat.
    options.onGone?.(seat.index)
    this.threads[seat.index] = undefined
    if (isSeated) options.onVacate(seat)
    const reason = cause ?? new Error(`thread exited with code ${code}`)
    if (job !== undefined) job.reject(this.errorOf(reason))
    if (this.isClosed) return
    if (job === undefined && cause !== undefined) {
      const fields = { pool: options.actor, err: String(cause) }
      options.env.log.error('pool thread failed', fields)
    }
    const delayMs = thread.isEnded ? 0 : options.onCrash(seat.actor)
    if (delayMs === undefined) this.leave()
    else if (isSeated) this.start(seat.index)
    else options.env.timers.after(delayMs, () => this.restart(seat.index))
  }

  private restart(index: number): void {
    if (!this.isClosed) this.start(index)
  }

  /** Takes no more tasks; those that wait fail. */
  private leave(): void {
    this.isClosed = true
    const { waiting } = this
    this.waiting = []
    for (const job of waiting) job.reject(this.down())
  }

  private errorOf(cause: unknown): AppError {
    if ((cause as { code?: unknown }).code !== 'ERR_WORKER_OUT_OF_MEMORY') return this.down(cause)
    const limit = this.options.heapMbMax * HARD_LIMIT_FACTOR * 2 ** 20
    return fail('query-memory', { limit }, cause)
  }

  private down(cause?: unknown): AppError {
    return fail('actor-down', { actor: this.options.actor }, cause)
  }
}

/** Sends to a thread; nothing happens when it is gone. */
function post<Message>(port: MessagePort, note: PoolNote<Message>, parts: Transferable[]): void {
  port.postMessage(note, parts)
}

/** One thread, started with its first task and not replaced: what belongs to a seat must be made anew first. */
function startPiscina(entry: URL, data: PoolWorkerData): Piscina<MessagePort, never> {
  const { Piscina } = loadPiscina()
  giveCollector()
  return new Piscina<MessagePort, never>({
    filename: entry.href,
    name: 'run',
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: Number.POSITIVE_INFINITY,
    atomics: 'disabled',
    recordTiming: false,
    workerData: data,
    // The entry is to be imported: a thread that is ended while it requires a module aborts the process.
    // V8's flags hold for all threads, and are refused here.
    execArgv: [
      ...process.execArgv.filter((flag) => flag === '--enable-source-maps'),
      '--no-experimental-require-module',
    ],
    resourceLimits: {
      ...growingNewSpace(NEW_SPACE_MAX),
      maxOldGenerationSizeMb: data.heapMbMax * HARD_LIMIT_FACTOR,
    },
  })
}
