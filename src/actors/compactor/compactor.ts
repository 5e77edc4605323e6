/**
 * A compactor: builds blocks from heads when ingesters ask, and runs its tasks in between. No thread
 * in sight: worker.ts gives it one, tests drive it.
 */
import { type Env, openCollector } from '../../shared/env/index.js'
import { buildBlocks } from './build.js'
import { type CompactorBoot, type CompactorCalls, readerSlotOf } from './contract.js'
import { PAUSE_SHARE, StandBack } from './stand-back.js'
import { type Task, type TaskContext, TaskLoop } from './task-loop.js'

/** One compactor. */
export class Compactor {
  readonly calls: Omit<CompactorCalls, 'compactions' | 'plannedJobs' | 'tenantBlocks'>
  private readonly loops = new Map<string, TaskLoop>()
  private isStopping = false
  /** The last of the builds that were asked for; they come one after the other. */
  private building: Promise<unknown> = Promise.resolve()

  /** @param tasks see tasks.ts */
  constructor(env: Env, boot: CompactorBoot, tasks: readonly Task[]) {
    const standBack = new StandBack(env, boot.intake)
    const context: TaskContext = {
      isStopping: () => this.isStopping,
      giveWay: async () => {
        await standBack.rest(this.isStopping ? 0 : PAUSE_SHARE)
        await this.building
      },
    }
    const { isStopping } = context
    const readerSlot = readerSlotOf(boot.index)
    const pause = () => standBack.rest(this.isStopping ? 0 : PAUSE_SHARE)
    const collect = openCollector()
    // What loading has left, a third of the thread's heap.
    collect()
    const parts = { env, kernel: boot.kernel, readerSlot, isStopping, pause, collect }
    for (const task of tasks) this.loops.set(task.name, new TaskLoop(env, task, context))
    this.calls = {
      build: (request) => this.build(() => buildBlocks(parts, request)),
      wake: async (name) => {
        if (name === '') for (const loop of this.loops.values()) loop.wake()
        else this.loops.get(name)?.wake()
      },
    }
  }

  private async build<T>(run: () => Promise<T>): Promise<T> {
    const before = this.building
    const built = before.then(run)
    this.building = built.catch(() => {})
    return await built
  }

  /** Starts the tasks' loops. */
  start(): void {
    for (const loop of this.loops.values()) loop.start()
  }

  /** Comes to a safe point in everything. */
  async drain(): Promise<void> {
    this.isStopping = true
    await Promise.all([...this.loops.values()].map((loop) => loop.stop()))
    await this.building
  }
}
