/**
 * The loops of a compactor: each task runs, pauses for its time or until it is woken, and runs again.
 * A run that fails is logged, counted, and tried again at the next time; it never ends the loop.
 */
import type { Env } from '../../shared/env/index.js'

/** Something that a compactor does again and again. */
export interface Task {
  /** Named in logs, metrics and `wake`. */
  readonly name: string
  /** Pause between two runs, ms. */
  readonly everyMs: number
  /** Looks for work and does what there is. */
  run(context: TaskContext): Promise<void>
}

/** What a run may ask while it works. */
export interface TaskContext {
  /** The actor is to stop: come to a safe point and return. */
  isStopping(): boolean
  /**
   * A safe point between two pieces of work. Resolves at once unless something goes first (a block
   * being built from a head). Call it often: every few ten milliseconds of work.
   */
  giveWay(): Promise<void>
}

/** Runs one task for ever. */
export class TaskLoop {
  private readonly env: Env
  private readonly task: Task
  private readonly context: TaskContext
  private wakeUp: () => void = () => {}
  private isWoken = false
  private ended: Promise<void> | undefined

  constructor(env: Env, task: Task, context: TaskContext) {
    this.env = env
    this.task = task
    this.context = context
  }

  start(): void {
    this.ended = this.loop()
  }

  /** Ends the present pause; a run that is going on is followed by another one at once. */
  wake(): void {
    this.isWoken = true
    this.wakeUp()
  }

  /** Resolves when the last run is over; `context.isStopping()` must be true by now. */
  async stop(): Promise<void> {
    this.wake()
    await this.ended
  }

  private async loop(): Promise<void> {
    while (!this.context.isStopping()) {
      this.isWoken = false
      await this.runOnce()
      if (!this.context.isStopping()) await this.pause()
    }
  }

  private async runOnce(): Promise<void> {
    const { env, task } = this
    try {
      await task.run(this.context)
    } catch (error) {
      env.metrics.cell('nilo_compactor_task_failures_total', task.name).add(1)
      env.log.error('task failed, it is tried again', { task: task.name, err: String(error) })
    }
  }

  private async pause(): Promise<void> {
    if (this.isWoken) return
    await new Promise<void>((resolve) => {
      const timer = this.env.timers.after(this.task.everyMs, resolve)
      this.wakeUp = () => {
        timer.cancel()
        resolve()
      }
    })
  }
}
