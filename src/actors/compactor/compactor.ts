/**
 * A compactor: builds blocks from heads when ingesters ask, and runs its tasks in between. No thread
 * in sight: worker.ts gives it one, tests drive it.
 */
import type { Env } from '../../shared/env/index.js'
import type { CompactorBoot, CompactorCalls } from './contract.js'
import { type Task, type TaskContext, TaskLoop } from './task-loop.js'

/** One compactor. */
export class Compactor {
  readonly calls: Omit<CompactorCalls, 'compactions' | 'plannedJobs'>
  private readonly loops = new Map<string, TaskLoop>()
  private isStopping = false

  /** @param tasks see tasks.ts */
  constructor(env: Env, _boot: CompactorBoot, tasks: readonly Task[]) {
    const context: TaskContext = {
      isStopping: () => this.isStopping,
      giveWay: () => env.timers.yieldNow(),
    }
    for (const task of tasks) this.loops.set(task.name, new TaskLoop(env, task, context))
    this.calls = {
      wake: async (name) => {
        if (name === '') for (const loop of this.loops.values()) loop.wake()
        else this.loops.get(name)?.wake()
      },
    }
  }

  /** Starts the tasks' loops. */
  start(): void {
    for (const loop of this.loops.values()) loop.start()
  }

  /** Comes to a safe point in everything. */
  async drain(): Promise<void> {
    this.isStopping = true
    await Promise.all([...this.loops.values()].map((loop) => loop.stop()))
  }
}
