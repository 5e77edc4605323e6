/**
 * A pool of threads that each run one task at a time: piscina, with a seat per thread, typed
 * errors, and a fresh start when piscina has given up (it stops replacing threads once one died
 * before it was ready). It has no queue worth the name: its caller starts a task when one is free.
 */
import { postMessageToThread, type Transferable, type Worker } from 'node:worker_threads'
import type { Piscina } from 'piscina'
import type { StopSignal } from '../base/stop-signal.js'
import type { Env } from '../env/index.js'
import { type AppError, fail } from '../errors/index.js'
import { createMetricBlock, type LogLevel } from '../telemetry/index.js'
import { fromWireError } from './errors.js'
import { growingNewSpace } from './new-space.js'
import { loadPiscina } from './piscina.js'
import type {
  PoolHello,
  PoolMetricBlock,
  PoolNote,
  PoolOpen,
  PoolOutcome,
  PoolWarm,
  PoolWorkerData,
} from './pool-worker.js'

/** How a pool is made. */
export interface PoolOptions<Message> {
  /** Names the threads: `querier` gives `querier/0`. */
  readonly actor: string
  /** The threads' `worker.js`; it exports `run`, made by `poolWorker`. */
  readonly entry: URL
  readonly size: number
  readonly boot: unknown
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
  /** A thread wants to call an actor, which is to answer on `port`. */
  onOpen?(open: PoolOpen): void
  /** A thread ended unasked: ms until the pool may be filled up again, or undefined to leave it. */
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
  options: PoolOptions<Message>,
): Pool<Task, Answer, Message> {
  return new ThreadPool<Task, Answer, Message>(options)
}

/** V8's limit of a thread's heap, in what a task may hold: room for a map that doubles. */
const HARD_LIMIT_FACTOR = 2
/** MiB. Queries that keep half a million rows take less CPU time in 4 and 8 than in 1, 2 or 16. */
const NEW_SPACE_MAX = 4

/** Seats beyond the size: a new thread may sit down before the one it replaces is seen to be gone. */
const SPARE_SEATS = 4

interface Sitting<Message> extends PoolSeat<Message> {
  readonly worker: Worker
}

class ThreadPool<Task, Answer, Message> implements Pool<Task, Answer, Message> {
  readonly size: number
  private readonly options: PoolOptions<Message>
  private readonly cells: Int32Array
  private readonly sitting = new Map<number, Sitting<Message>>()
  /** Seats whose threads have warmed up. */
  private readonly warm = new Set<number>()
  /** Threads that were ended on purpose, by id: their exit is no crash. */
  private readonly ended = new Set<number>()
  private piscina: Piscina<Task, PoolOutcome<Answer>>
  private isClosed = false
  private isRefilling = false

  constructor(options: PoolOptions<Message>) {
    this.options = options
    this.size = options.size
    this.cells = new Int32Array(new SharedArrayBuffer(4 * (options.size + SPARE_SEATS)))
    this.piscina = this.startPiscina()
  }

  async run(task: Task, signal: StopSignal): Promise<Answer> {
    if (this.isClosed) throw this.down()
    let before: Set<Worker> | undefined
    // Heard before piscina hears it, and ends the thread.
    const onAbort = (): void => {
      before = new Set(this.piscina.threads)
    }
    signal.addEventListener('abort', onAbort)
    let outcome: PoolOutcome<Answer>
    try {
      outcome = await this.piscina.run(task, { signal, name: 'run' })
    } catch (error) {
      if (before !== undefined) this.noteEnded(before)
      throw this.poolError(error)
    }
    if (outcome.ok) return outcome.answer
    throw fromWireError(outcome.error)
  }

  seats(): PoolSeat<Message>[] {
    return [...this.sitting.values()]
  }

  warmCount(): number {
    return this.warm.size
  }

  async kill(seat: number): Promise<void> {
    await this.sitting.get(seat)?.worker.terminate()
  }

  async close(): Promise<void> {
    this.isClosed = true
    await this.piscina.destroy()
  }

  private startPiscina(): Piscina<Task, PoolOutcome<Answer>> {
    const { options } = this
    const data: PoolWorkerData = {
      actor: options.actor,
      boot: options.boot,
      logLevel: options.logLevel,
      seats: this.cells.buffer as SharedArrayBuffer,
      heapMbMax: options.heapMbMax,
    }
    const { Piscina } = loadPiscina()
    const piscina = new Piscina<Task, PoolOutcome<Answer>>({
      filename: options.entry.href,
      name: 'run',
      minThreads: this.size,
      maxThreads: this.size,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      maxQueue: this.size * 2,
      atomics: 'disabled',
      workerData: data,
      // The entry is to be imported: a thread that is ended while it requires a module aborts the process.
      // V8's flags hold for all threads, and are refused here.
      execArgv: [
        ...process.execArgv.filter((flag) => flag === '--enable-source-maps'),
        '--no-experimental-require-module',
      ],
      recordTiming: false,
      resourceLimits: {
        ...growingNewSpace(NEW_SPACE_MAX),
        maxOldGenerationSizeMb: options.heapMbMax * HARD_LIMIT_FACTOR,
      },
    })
    piscina.on('message', (message: PoolHello | PoolWarm | PoolMetricBlock | PoolOpen) => {
      if ('hello' in message) this.seatThread(piscina, message)
      else if ('warm' in message) this.warm.add(message.warm)
      else if ('port' in message) this.open(message)
      else options.onMetricBlock(`${options.actor}/${message.seat}`, message.metricBlock)
    })
    piscina.on('error', (error: unknown) =>
      options.env.log.error('pool thread failed', { pool: options.actor, err: String(error) }),
    )
    // Also of threads that died before they said hello.
    piscina.on('workerDestroy', () => this.refillSoon())
    return piscina
  }

  private open(open: PoolOpen): void {
    if (this.options.onOpen === undefined) open.port.close()
    else this.options.onOpen(open)
  }

  private seatThread(piscina: Piscina, hello: PoolHello): void {
    const worker = piscina.threads.find((thread) => thread.threadId === hello.hello)
    const actor = `${this.options.actor}/${hello.seat}`
    if (worker === undefined) {
      // Died between its word and now.
      Atomics.compareExchange(this.cells, hello.seat, hello.hello, 0)
      return
    }
    const post = (note: PoolNote<Message>, parts: Transferable[]): void => {
      postMessageToThread(hello.hello, note, parts).catch((error: unknown) =>
        this.options.env.log.debug('pool thread missed a message', { actor, err: String(error) }),
      )
    }
    const seat: Sitting<Message> = {
      index: hello.seat,
      threadId: hello.hello,
      actor,
      worker,
      send: (message, parts) => post({ note: 'message', message }, parts),
    }
    this.sitting.set(hello.seat, seat)
    this.warm.delete(hello.seat)
    worker.on('exit', () => this.vacate(seat))
    const metricBlock = createMetricBlock()
    this.options.onMetricBlock(actor, metricBlock)
    // What is sent now waits there for the seat's note: no task runs before it has been taken.
    this.options.onSeat(seat)
    post({ note: 'seat', metricBlock }, [])
  }

  private vacate(seat: Sitting<Message>): void {
    // What the thread held is cleared before another one can take its seat.
    this.options.onGone?.(seat.index)
    Atomics.compareExchange(this.cells, seat.index, seat.threadId, 0)
    if (this.sitting.get(seat.index) === seat) {
      this.sitting.delete(seat.index)
      this.warm.delete(seat.index)
    }
    this.options.onVacate(seat)
    const wasEnded = this.ended.delete(seat.threadId)
    if (this.isClosed || wasEnded) return
    if (this.options.onCrash(seat.actor) === undefined) this.isClosed = true
  }

  /** After an abort: the thread that is missing now was ended by it. */
  private noteEnded(before: Set<Worker>): void {
    for (const worker of this.piscina.threads) before.delete(worker)
    for (const seat of this.sitting.values()) {
      if (before.has(seat.worker)) this.ended.add(seat.threadId)
    }
  }

  /** piscina replaces threads itself, unless one died before it was ready: then it is made anew. */
  private refillSoon(): void {
    if (this.isClosed || this.isRefilling) return
    this.isRefilling = true
    const { env, actor } = this.options
    env.timers.after(REFILL_CHECK_MS, () => {
      this.isRefilling = false
      if (this.isClosed || this.piscina.threads.length >= this.size) return
      const delayMs = this.options.onCrash(actor)
      if (delayMs === undefined) {
        this.isClosed = true
        return
      }
      env.log.warn('pool does not replace its threads, starting it anew', { pool: actor })
      this.isRefilling = true
      env.timers.after(delayMs, () => this.restart())
    })
  }

  private restart(): void {
    this.isRefilling = false
    if (this.isClosed) return
    const old = this.piscina
    for (const seat of this.sitting.values()) this.ended.add(seat.threadId)
    this.piscina = this.startPiscina()
    void old.destroy()
  }

  private poolError(error: unknown): AppError {
    const code = (error as { code?: unknown }).code
    if (code === 'ERR_WORKER_OUT_OF_MEMORY') {
      return fail(
        'query-memory',
        { limit: this.options.heapMbMax * HARD_LIMIT_FACTOR * 2 ** 20 },
        error,
      )
    }
    return fail('actor-down', { actor: this.options.actor }, error)
  }

  private down(): AppError {
    return fail('actor-down', { actor: this.options.actor })
  }
}

/** How long piscina is given to replace a thread by itself. */
const REFILL_CHECK_MS = 200
