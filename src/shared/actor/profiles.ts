/**
 * Profiles of the process' threads, taken on the main thread: V8's inspector reaches every worker from
 * there (its NodeWorker domain), so that no thread does anything for it until it is asked. One
 * profile at a time; the inspector is loaded and connected for as long as one is taken.
 */
import type { Session } from 'node:inspector'
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8'
import type { StopSignal } from '../base/stop-signal.js'
import type { Env } from '../env/index.js'
import { fail } from '../errors/index.js'

/** Samples of what runs, or of what is allocated. */
export type ProfileKind = 'cpu' | 'allocations'

/** Which profile is wanted. */
export interface ProfileOptions {
  readonly kind: ProfileKind
  /** `main`, or an actor: `ingester/0`. */
  readonly thread: string
  readonly ms: number
  /** Ends it early. */
  readonly signal: StopSignal
}

/** What the threads hold. */
export interface HeapSummary {
  /** Of the whole process, bytes. */
  readonly process: NodeJS.MemoryUsage
  /** Of the main thread, as V8 tells it. */
  readonly main: ReturnType<typeof getHeapStatistics>
  readonly main_spaces: ReturnType<typeof getHeapSpaceStatistics>
  /** Bytes on the heap of each thread; what WebAssembly and shared memory have is not among them. */
  readonly threads: readonly {
    readonly thread: string
    readonly used: number
    readonly total: number
  }[]
}

/** For how long a thread may keep one answer to itself: one that stands still has none. */
const ANSWER_MS = 10_000
/** Threads are told one after the other; how long the wanted ones are waited for. */
const ATTACH_MS = 5_000
const LOOK_MS = 20
/** Bytes between two samples of allocations, on average: V8's own default. */
const SAMPLING_BYTES = 32_768

const METHODS = {
  cpu: { begin: ['Profiler.enable', 'Profiler.start'], end: 'Profiler.stop' },
  allocations: {
    begin: ['HeapProfiler.enable', 'HeapProfiler.startSampling'],
    end: 'HeapProfiler.stopSampling',
  },
} as const

/** Takes profiles. */
export class Profiles {
  private readonly env: Env
  private readonly threads: () => ReadonlyMap<number, string>
  private isBusy = false

  /** @param threads names of the threads that run, by their ids */
  constructor(env: Env, threads: () => ReadonlyMap<number, string>) {
    this.env = env
    this.threads = threads
  }

  /** Threads that can be asked, the main one first. */
  names(): string[] {
    return ['main', ...[...this.threads().values()].sort()]
  }

  /**
   * A profile as JSON: a `.cpuprofile` or `.heapprofile`, which the tools of Chrome and VS Code open.
   *
   * @throws AppError `bad-data` for a thread that does not run; `overloaded` while another profile is taken;
   *   `actor-down` when the thread ends, or does not answer
   */
  take({ kind, thread, ms, signal }: ProfileOptions): Promise<string> {
    return this.inspect([thread], async (inspector) => {
      const { begin, end } = METHODS[kind]
      const options = { samplingInterval: SAMPLING_BYTES }
      for (const method of begin) await inspector.post(thread, method, options)
      await this.pause(ms, signal)
      const { profile } = (await inspector.post(thread, end)) as { profile: unknown }
      return JSON.stringify(profile)
    })
  }

  /** What each thread holds. @throws as `take` */
  heap(): Promise<HeapSummary> {
    const names = this.names()
    return this.inspect(names, async (inspector) => {
      const threads: HeapSummary['threads'][number][] = []
      for (const thread of names) {
        const usage = await inspector.post(thread, 'Runtime.getHeapUsage')
        const { usedSize: used, totalSize: total } = usage as Record<
          'usedSize' | 'totalSize',
          number
        >
        threads.push({ thread, used, total })
      }
      return {
        process: process.memoryUsage(),
        main: getHeapStatistics(),
        main_spaces: getHeapSpaceStatistics(),
        threads,
      }
    })
  }

  private async inspect<T>(
    wanted: readonly string[],
    use: (inspector: Inspector) => Promise<T>,
  ): Promise<T> {
    const known = this.names()
    const unknown = wanted.find((name) => !known.includes(name))
    if (unknown !== undefined) {
      throw fail('bad-data', { text: `no thread ${unknown}; there are: ${known.join(', ')}` })
    }
    if (this.isBusy) throw fail('overloaded', { text: 'another profile is being taken' })
    this.isBusy = true
    let inspector: Inspector | undefined
    try {
      const { Session } = await import('node:inspector')
      inspector = new Inspector(this.env, new Session(), this.threads)
      await inspector.attach(wanted)
      return await use(inspector)
    } finally {
      inspector?.close()
      this.isBusy = false
    }
  }

  private pause(ms: number, signal: StopSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel()
        signal.removeEventListener('abort', end)
        resolve()
      }
      const timer = this.env.timers.after(ms, end)
      signal.addEventListener('abort', end)
    })
  }
}

interface Pending {
  readonly sessionId: string
  settle(message: InspectorMessage): void
}

/** What the inspector answers. */
interface InspectorMessage {
  readonly id?: number
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

/** A session of the main thread, and through it one of each worker. */
class Inspector {
  private readonly env: Env
  private readonly session: Session
  private readonly threads: () => ReadonlyMap<number, string>
  /** By thread. */
  private readonly sessions = new Map<string, string>()
  private readonly pending = new Map<number, Pending>()
  private lastId = 0

  constructor(env: Env, session: Session, threads: () => ReadonlyMap<number, string>) {
    this.env = env
    this.session = session
    this.threads = threads
    session.connect()
  }

  /** Has workers attached until all that are wanted are. */
  async attach(wanted: readonly string[]): Promise<void> {
    const workers = wanted.filter((name) => name !== 'main')
    if (workers.length === 0) return
    const { session, env } = this
    session.on('NodeWorker.attachedToWorker', ({ params: { sessionId, workerInfo } }) => {
      // `[worker 3] name`, or `Worker 3`.
      const id = Number(/worker (\d+)/i.exec(workerInfo.title)?.[1])
      const name = this.threads().get(id)
      if (name !== undefined) this.sessions.set(name, sessionId)
    })
    session.on('NodeWorker.detachedFromWorker', ({ params: { sessionId } }) => {
      for (const pending of this.pending.values()) {
        if (pending.sessionId === sessionId) pending.settle({ error: { message: 'it has ended' } })
      }
    })
    session.on('NodeWorker.receivedMessageFromWorker', ({ params: { message } }) => {
      const answer = JSON.parse(message) as InspectorMessage
      if (answer.id !== undefined) this.pending.get(answer.id)?.settle(answer)
    })
    await this.ask('main', (done) =>
      session.post('NodeWorker.enable', { waitForDebuggerOnStart: false }, (error) => done(error)),
    )
    const until = env.clock.monotonic() + ATTACH_MS
    while (workers.some((name) => !this.sessions.has(name))) {
      const missing = workers.find((name) => !this.sessions.has(name))!
      if (env.clock.monotonic() > until) throw fail('actor-down', { actor: missing })
      await env.timers.sleep(LOOK_MS)
    }
  }

  /** Calls a method of a thread. @throws AppError `actor-down` */
  post(thread: string, method: string, params: object = {}): Promise<unknown> {
    if (thread === 'main') {
      return this.ask(thread, (done) =>
        this.session.post(method, params, (error: Error | null, result?: object) =>
          done(error, result),
        ),
      )
    }
    const id = ++this.lastId
    const sessionId = this.sessions.get(thread)!
    return this.ask(thread, (done) => {
      const settle = ({ error, result }: InspectorMessage): void =>
        done(error === undefined ? null : new Error(error.message), result)
      this.pending.set(id, { sessionId, settle })
      const message = JSON.stringify({ id, method, params })
      this.session.post('NodeWorker.sendMessageToWorker', { sessionId, message }, (error) => {
        if (error !== null) done(error)
      })
    }).finally(() => this.pending.delete(id))
  }

  /** Ends all that has begun. */
  close(): void {
    this.session.disconnect()
  }

  private ask(
    thread: string,
    begin: (done: (error: Error | null, result?: unknown) => void) => void,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = this.env.timers.after(ANSWER_MS, () => {
        reject(fail('actor-timeout', { actor: thread, call: 'inspector', deadlineMs: ANSWER_MS }))
      })
      begin((error, result) => {
        timer.cancel()
        if (error === null) resolve(result)
        else reject(fail('actor-down', { actor: thread }, error))
      })
    })
  }
}
