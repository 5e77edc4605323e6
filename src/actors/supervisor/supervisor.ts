/**
 * Starts the actors in order, watches them, restarts those that crash by policy, stops them in
 * reverse. Knows no actor by name: what there is stands in the child table (children.ts), who
 * streams to whom in the link table.
 */
import {
  type ActorNote,
  type ActorStatus,
  type ActorThread,
  definePool,
  expose,
  type Pool,
  type PoolSeat,
  startThread,
  type TaskForm,
  type ThreadExit,
} from '../../shared/actor/index.js'
import type { StopSignal } from '../../shared/base/stop-signal.js'
import type { Env } from '../../shared/env/index.js'
import {
  createMetricBlock,
  type LogLevel,
  type MetricsRegistry,
} from '../../shared/telemetry/index.js'
import type { ChildState, ChildStatus, Readiness, SystemStatus } from './contract.js'
import { HangWatch } from './hang-watch.js'
import { ReadyWatch, readinessOf } from './readiness.js'
import { Renewals } from './renewals.js'
import { decideRestart, type RestartPolicy } from './restart.js'
import type { RingLife } from './rings.js'
import { type LinkSpec, type MainEnds, type SeatNotices, Wiring } from './wiring.js'

/**
 * A row of the child table. Children are permanent, restarted whatever they end by, but for those
 * that start on demand: when another actor first opens a port to one. They are restarted likewise
 * then, but whether they run is no matter to `/ready`.
 */
export interface ChildSpec {
  readonly kind: string
  readonly count: number
  readonly isOnDemand?: boolean
  /** The thread's `worker.js`. */
  readonly entry: URL
  readonly policy: RestartPolicy
  /** How long building the actor may take: what it does before it can answer calls. */
  readonly startMs: number
  /** How long draining may take before the thread is ended all the same. */
  readonly shutdownMs: number
  /** Boot data of one life; called anew for each restart. */
  boot(index: number): unknown
  /** What is different in the boot data of one that is built for a rehearsal only. */
  understudy?(index: number): object
  /** A life is over: clears what it held in shared memory. */
  onGone?(index: number): void
  /** Whether those that are up do for `/ready`; without it all are needed. */
  isEnough?(isUp: readonly boolean[]): boolean
}

/** The pool's row. */
export interface PoolSpec<Task, Answer, Message> {
  readonly kind: string
  readonly size: number
  readonly entry: URL
  readonly policy: RestartPolicy
  readonly boot: unknown
  /** See PoolOptions. */
  form?(): TaskForm<Task, Answer>
  readonly heapMbMax: number
  /** A thread is gone: clears what it held in shared memory. */
  onGone?(seat: number): void
  readonly notices: SeatNotices<Message>
  /** What to post to a pool thread about settings that are in force from now on. */
  settingsNotice?(settings: unknown): Message
}

/** What a system is made of. */
export interface SupervisorOptions<Task, Answer, Message> {
  readonly env: Env
  readonly logLevel: LogLevel
  readonly registry: MetricsRegistry
  /** In the order of their start. */
  readonly children: readonly ChildSpec[]
  readonly links: readonly LinkSpec[]
  readonly pool?: PoolSpec<Task, Answer, Message>
  readonly main: MainEnds
  /** A thread whose event loop stands still for so long is ended and restarted, ms. */
  readonly hangMs?: number
  /** Answers the calls that actors make to `main`. */
  readonly services?: object
  /** Called when all threads have been started that do not start on demand, before their actors are built. */
  rehearse?(threads: readonly Stage[]): Promise<void>
  /** Called once, when the pool's threads have warmed up; `/ready` waits for it. */
  rehearsePool?(): Promise<void>
  /** The system cannot go on; the process must end. Called once, after the last log line. */
  onFatal(reason: string): void
}

/** Control calls that only ask are given this long. */
const CALL_MS = 5_000
/** An actor that does not answer a status call within this is shown as silent. */
const STATUS_MS = 1_000
/** Longer than any turn, slice or write to a slow disk. */
const HANG_MS = 60_000

type Port = ReturnType<ActorThread['open']>

interface Child {
  readonly spec: ChildSpec
  readonly index: number
  readonly actor: string
  state: ChildState
  thread: ActorThread | undefined
  history: readonly number[]
  restarts: number
  lastExit: string
  lastStatus: ActorStatus | undefined
  /** When it first left a question for its status unanswered; undefined since it answered. */
  silentSince: number | undefined
}

/** A thread that was started; `gone` resolves when its end has been seen to. */
interface Life {
  readonly thread: ActorThread
  readonly gone: Promise<void>
}

/** A thread whose actor is not built yet. */
export interface Stage {
  readonly spec: ChildSpec
  readonly index: number
  readonly thread: ActorThread
}

/** The running system. */
export class Supervisor<Task, Answer, Message> {
  private readonly options: SupervisorOptions<Task, Answer, Message>
  private readonly children: Child[] = []
  private readonly wiring: Wiring<Message>
  private readonly hangs: HangWatch
  private readonly renewals: Renewals
  private readonly readyWatch: ReadyWatch
  private pool: Pool<Task, Answer, Message> | undefined
  private poolHistory: readonly number[] = []
  private poolRestarts = 0
  /** All threads of the pool have started once; which are down for a moment since then is no matter. */
  private hasPoolStarted = false
  private isPoolRehearsed = false
  private isDraining = false
  private isFatal = false
  /** What `distribute` was last given. */
  private settings: unknown

  constructor(options: SupervisorOptions<Task, Answer, Message>) {
    this.options = options
    const { links, main, pool, env } = options
    this.hangs = new HangWatch(env, options.hangMs ?? HANG_MS, () => this.running())
    this.renewals = new Renewals(env)
    this.readyWatch = new ReadyWatch(env, async () => (await this.status()).readiness)
    this.wiring = new Wiring(links, main, pool?.notices, env.log)
    for (const spec of options.children) {
      for (let index = 0; index < spec.count; index++) this.children.push(newChild(spec, index))
    }
  }

  /**
   * Starts everything, kind by kind.
   * @throws AppError what the first actor that could not be built threw; nothing runs then
   */
  async start(): Promise<void> {
    this.hangs.start()
    this.readyWatch.start()
    try {
      const spawned = new Map(
        this.children
          .filter(({ spec }) => spec.isOnDemand !== true)
          .map((child) => [child, this.spawn(child)] as const),
      )
      const threads = [...spawned].map(([{ spec, index }, { thread }]) => ({ spec, index, thread }))
      await this.options.rehearse?.(threads)
      for (const spec of this.options.children) {
        const kind = [...spawned].filter(([child]) => child.spec === spec)
        await Promise.all(kind.map(([child, life]) => this.begin(child, life)))
      }
      if (this.options.pool !== undefined) this.pool = this.startPool(this.options.pool)
    } catch (error) {
      this.isDraining = true
      await this.terminateAll()
      throw error
    }
  }

  /** Runs a task on a pool thread; see Pool.run. */
  runTask(task: Task, signal: StopSignal): Promise<Answer> {
    if (this.pool === undefined) throw new Error('this system has no pool')
    return this.pool.run(task, signal)
  }

  /**
   * Hands settings (plain data, with a version of their own) to all actors, and to each that starts
   * from now on, whose boot data may be older.
   */
  distribute(settings: unknown): void {
    this.settings = settings
    for (const child of this.children) {
      if (child.thread !== undefined) this.giveSettings(child.actor, child.thread)
    }
    for (const seat of this.pool?.seats() ?? []) this.tellSettings(seat)
  }

  /** A port on which an actor answers calls; undefined while it does not run and is not to start now. */
  openPort(kind: string, index: number): Port | undefined {
    return this.demand(`${kind}/${index}`)?.open()
  }

  /** The thread of an actor; one that starts on demand is started. */
  private demand(actor: string): ActorThread | undefined {
    const child = this.children.find((other) => other.actor === actor)
    // Up to the thread's being there `launch` runs at once.
    if (child !== undefined && this.isWaiting(child)) void this.launchLogged(child)
    return child?.thread
  }

  /** Starts an actor that starts on demand, unless it has been; resolves when it runs, or could not. */
  async startOnDemand(kind: string, index: number): Promise<void> {
    const child = this.children.find((other) => other.actor === `${kind}/${index}`)
    if (child !== undefined && this.isWaiting(child)) await this.launchLogged(child)
  }

  private isWaiting({ spec, state }: Child): boolean {
    return spec.isOnDemand === true && state === 'stopped' && !this.isDraining
  }

  private async launchLogged(child: Child): Promise<void> {
    try {
      await this.launch(child)
    } catch (error) {
      this.logFailed(child, error)
    }
  }

  private openFor(peer: string, index: number, port: Port): void {
    if (peer === 'main' && this.options.services !== undefined) {
      expose(port, this.options.services)
      return
    }
    const thread = this.demand(`${peer}/${index}`)
    if (thread === undefined) port.close()
    else thread.serve(port)
  }

  /** Ends a thread as a crash would: `ingester/0`, or `querier/0` of the pool. For tests and operators. */
  async kill(actor: string): Promise<void> {
    const [kind, index] = actor.split('/')
    if (kind === this.options.pool?.kind) await this.pool?.kill(Number(index))
    await this.children.find((child) => child.actor === actor)?.thread?.terminate()
  }

  /** Names of the threads that run, by their ids. */
  threads(): ReadonlyMap<number, string> {
    const running = this.children.flatMap(({ actor, thread }) =>
      thread === undefined ? [] : [{ actor, threadId: thread.threadId }],
    )
    const all = [...running, ...(this.pool?.seats() ?? [])]
    return new Map(all.map(({ threadId, actor }) => [threadId, actor]))
  }

  /** Asks every actor how it is. Takes a second at most. */
  async status(): Promise<SystemStatus> {
    const children = await Promise.all(this.children.map((child) => this.statusOf(child)))
    const pool = this.poolStatus()
    const readiness = this.readinessOf(children)
    const links = this.wiring.status()
    return { readiness, children: pool === undefined ? children : [...children, pool], links }
  }

  /** All actors but the pool, as rings see them. */
  lives(): RingLife[] {
    return this.children.map(({ spec, index, state, thread, lastStatus }) => ({
      kind: spec.kind,
      index,
      state,
      beats: thread?.beats(),
      isJoining: (lastStatus?.readyPercent ?? 100) < 100,
    }))
  }

  /** All metrics of all threads in Prometheus' text format. */
  metrics(): string {
    const { metrics } = this.options.env
    for (const [link, counts] of this.wiring.totals()) {
      metrics.cell('nilo_ringbuf_frames_total', link).set(counts.frames)
      metrics.cell('nilo_ringbuf_stalls_total', link).set(counts.stalls)
      metrics.cell('nilo_ringbuf_wakes_total', link).set(counts.wakes)
    }
    return this.options.registry.render()
  }

  /** From now on `/ready` says no; actors go on. */
  beginDrain(): void {
    this.isDraining = true
  }

  /**
   * Stops everything in reverse order of its start: the pool, then kind by kind each actor drains
   * within its time and its thread ends. Requests must have come to an end before.
   *
   * @returns the actors that did not drain in time or at all
   */
  async drain(): Promise<string[]> {
    this.isDraining = true
    this.hangs.stop()
    this.renewals.stop()
    this.readyWatch.stop()
    await this.pool?.close()
    const failed: string[] = []
    for (const spec of [...this.options.children].reverse()) {
      const kind = this.children.filter((child) => child.spec === spec)
      await Promise.all(
        kind.map(async (child) => {
          if (!(await this.drainChild(child))) failed.push(child.actor)
        }),
      )
    }
    return failed
  }

  private launch(child: Child): Promise<void> {
    return this.begin(child, this.spawn(child))
  }

  /** Starts the thread; its actor is not built yet. */
  private spawn(child: Child): Life {
    const { spec, actor } = child
    const { registry, logLevel } = this.options
    const metricBlock = createMetricBlock()
    registry.attach(actor, metricBlock)
    const thread = startThread({
      actor,
      entry: spec.entry,
      boot: spec.boot(child.index),
      logLevel,
      metricBlock,
      isOnPushPath: spec.isOnDemand !== true,
      deadlineMs: CALL_MS,
      startMs: spec.startMs,
      drainMs: spec.shutdownMs,
      onNote: (note) => this.onNote(child, note),
    })
    child.thread = thread
    child.state = 'starting'
    const gone = thread.exited.then((exit) => this.onExit(child, exit))
    return { thread, gone }
  }

  /** Has a thread build its actor, and links it. */
  private async begin(child: Child, { thread, gone }: Life): Promise<void> {
    const { spec, actor } = child
    try {
      await thread.start()
    } catch (error) {
      await thread.terminate()
      await gone
      throw error
    }
    if (child.thread !== thread) return
    child.state = 'running'
    this.options.env.log.info('actor runs', { child: actor, restarts: child.restarts })
    this.giveSettings(actor, thread)
    this.wiring.up({ peer: spec.kind, index: child.index }, thread)
  }

  private giveSettings(actor: string, thread: ActorThread): void {
    if (this.settings === undefined) return
    // A thread that dies meanwhile gets them with its next life.
    thread.apply(this.settings).catch((error: unknown) => {
      this.options.env.log.debug('settings were not taken', { child: actor, err: String(error) })
    })
  }

  private tellSettings(seat: PoolSeat<Message>): void {
    const notice = this.options.pool?.settingsNotice
    if (notice !== undefined && this.settings !== undefined) seat.send(notice(this.settings), [])
  }

  private onNote(child: Child, note: ActorNote): void {
    if (note.note === 'metric-block') this.options.registry.attach(child.actor, note.block)
    else if (note.note === 'open') this.openFor(note.peer, note.index, note.port)
    else if (note.note === 'renew') {
      if (child.thread !== undefined) this.renewals.ask(child.thread, note.damage)
    } else this.wiring.relink({ peer: child.spec.kind, index: child.index }, note)
  }

  private onExit(child: Child, exit: ThreadExit): void {
    const wasStarted = child.state !== 'starting' || child.restarts > 0
    child.spec.onGone?.(child.index)
    this.renewals.noteExit(child.actor)
    child.thread = undefined
    child.lastStatus = undefined
    child.silentSince = undefined
    child.lastExit = exit.reason === '' ? `code ${exit.code}` : `code ${exit.code}: ${exit.reason}`
    this.options.registry.retire(child.actor)
    this.wiring.down({ peer: child.spec.kind, index: child.index })
    if (this.isDraining || !wasStarted) {
      child.state = 'stopped'
      return
    }
    child.state = 'restarting'
    const { env } = this.options
    const decision = decideRestart(child.history, env.clock.monotonic(), child.spec.policy)
    child.history = decision.history
    if (decision.kind === 'give-up') {
      this.giveUp(child.actor, child.lastExit)
      return
    }
    child.restarts++
    env.metrics.cell('nilo_actor_restarts_total', child.spec.kind).add(1)
    env.log.warn('actor ended, restarting it', {
      child: child.actor,
      exit: child.lastExit,
      after_ms: decision.afterMs,
    })
    env.timers.after(decision.afterMs, () => {
      if (!this.isDraining) void this.launchLogged(child)
    })
  }

  private logFailed(child: Child, error: unknown): void {
    // Its exit is handled like any other; the last line is for the reason to give up.
    if (this.isFatal) return
    this.options.env.log.warn('actor did not start', { child: child.actor, err: String(error) })
  }

  private giveUp(actor: string, exit: string): void {
    if (this.isFatal) return
    this.isFatal = true
    this.isDraining = true
    const reason = `${actor} was restarted too often, the last time it ended with ${exit}`
    this.options.env.log.error('giving up', { child: actor, reason })
    this.options.onFatal(reason)
  }

  private startPool(spec: PoolSpec<Task, Answer, Message>): Pool<Task, Answer, Message> {
    const { env, logLevel, registry } = this.options
    return definePool<Task, Answer, Message>({
      actor: spec.kind,
      entry: spec.entry,
      size: spec.size,
      boot: spec.boot,
      ...(spec.form === undefined ? {} : { form: spec.form }),
      logLevel,
      env,
      heapMbMax: spec.heapMbMax,
      onGone: (seat) => spec.onGone?.(seat),
      onSeat: (seat) => {
        this.tellSettings(seat)
        this.wiring.seat(seat)
      },
      onVacate: (seat) => {
        this.wiring.unseat(seat)
        registry.retire(seat.actor)
      },
      onMetricBlock: (actor, block) => registry.attach(actor, block),
      onWarm: () => this.noteWarm(),
      onOpen: ({ peer, index, port }) => this.openFor(peer, index, port),
      onCrash: (actor) => this.onPoolCrash(actor, spec),
    })
  }

  /** A thread of the pool has warmed up. */
  private noteWarm(): void {
    const { pool } = this
    if (pool === undefined || pool.warmCount() < pool.size || this.isPoolRehearsed) return
    this.isPoolRehearsed = true
    const rehearsal = this.options.rehearsePool?.() ?? Promise.resolve()
    void rehearsal.finally(() => {
      this.hasPoolStarted = true
    })
  }

  private onPoolCrash(actor: string, spec: PoolSpec<Task, Answer, Message>): number | undefined {
    const { env } = this.options
    const decision = decideRestart(this.poolHistory, env.clock.monotonic(), spec.policy)
    this.poolHistory = decision.history
    if (decision.kind === 'give-up') {
      this.giveUp(actor, 'a crash')
      return undefined
    }
    this.poolRestarts++
    env.metrics.cell('nilo_actor_restarts_total', spec.kind).add(1)
    env.log.warn('pool thread ended, a new one takes its place', { child: actor })
    return decision.afterMs
  }

  private async statusOf(child: Child): Promise<ChildStatus> {
    const { thread, actor } = child
    let status: ActorStatus | undefined
    let silentMs = 0
    if (thread !== undefined && child.state === 'running') {
      status = await within(this.options.env, STATUS_MS, thread.status())
      const now = this.options.env.clock.monotonic()
      child.silentSince = status === undefined ? (child.silentSince ?? now - STATUS_MS) : undefined
      silentMs = now - (child.silentSince ?? now)
      // Busy is not dead: what it said last stands for a while.
      child.lastStatus = status ?? child.lastStatus
      status = child.lastStatus
    }
    const { state, restarts, lastExit } = child
    const isOnDemand = child.spec.isOnDemand === true
    const former = this.renewals.damageOf(actor)
    if (status !== undefined && former.length > 0) {
      status = { ...status, damage: [...former, ...(status.damage ?? [])] }
    }
    return { actor, state, restarts, lastExit, isOnDemand, status, silentMs }
  }

  private poolStatus(): ChildStatus | undefined {
    const spec = this.options.pool
    if (spec === undefined || this.pool === undefined) return undefined
    const threads = this.pool.seats().length
    return {
      actor: spec.kind,
      state: threads === spec.size ? 'running' : 'starting',
      restarts: this.poolRestarts,
      lastExit: '',
      isOnDemand: false,
      status: { readyPercent: 100, isServing: threads > 0, details: { threads, size: spec.size } },
      silentMs: 0,
    }
  }

  private readinessOf(children: readonly ChildStatus[]): Readiness {
    const { pool, children: kinds } = this.options
    const startingPool =
      pool === undefined || this.pool === undefined || this.hasPoolStarted
        ? undefined
        : { kind: pool.kind, size: pool.size, threads: this.pool.warmCount() }
    return readinessOf({ isDraining: this.isDraining, children, kinds, startingPool })
  }

  private async drainChild(child: Child): Promise<boolean> {
    const { thread } = child
    if (thread === undefined) return child.state === 'stopped'
    child.state = 'draining'
    try {
      await thread.drain()
      return true
    } catch (error) {
      this.options.env.log.error('actor did not drain', { child: child.actor, err: String(error) })
      return false
    } finally {
      await thread.terminate()
      await thread.exited
      child.state = 'stopped'
    }
  }

  private running(): ActorThread[] {
    // What starts on demand works through large jobs; whether it answers is no matter.
    const permanent = this.children.filter(({ spec }) => spec.isOnDemand !== true)
    return permanent.flatMap(({ thread }) => (thread === undefined ? [] : [thread]))
  }

  private async terminateAll(): Promise<void> {
    this.hangs.stop()
    this.renewals.stop()
    this.readyWatch.stop()
    await this.pool?.close()
    await Promise.all(this.children.map((child) => child.thread?.terminate()))
  }
}

function newChild(spec: ChildSpec, index: number): Child {
  return {
    spec,
    index,
    actor: `${spec.kind}/${index}`,
    state: 'stopped',
    thread: undefined,
    history: [],
    restarts: 0,
    lastExit: '',
    lastStatus: undefined,
    silentSince: undefined,
  }
}

/** The answer, or undefined when it does not come in time or is an error. */
async function within<T>(env: Env, ms: number, answer: Promise<T>): Promise<T | undefined> {
  let late: { cancel(): void } | undefined
  const timeout = new Promise<undefined>((resolve) => {
    late = env.timers.after(ms, () => resolve(undefined))
  })
  try {
    return await Promise.race([answer, timeout])
  } catch {
    // The actor died or threw: its exit is handled elsewhere, there is just no status now.
    return undefined
  } finally {
    late?.cancel()
  }
}
