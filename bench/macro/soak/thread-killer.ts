/**
 * Loaded into a server under the soak before its own code (`node --import`): on KILL_SIGNAL it ends
 * one thread after the other, as a crash would. The server itself has nothing like it.
 */
import { syncBuiltinESMExports } from 'node:module'
import workerThreads from 'node:worker_threads'
import { KILL_SIGNAL } from './kill-signal.js'

const threads = new Set<workerThreads.Worker>()

class NotedWorker extends workerThreads.Worker {
  constructor(...args: ConstructorParameters<typeof workerThreads.Worker>) {
    super(...args)
    threads.add(this)
    this.once('exit', () => threads.delete(this))
  }
}

if (workerThreads.isMainThread) {
  workerThreads.Worker = NotedWorker
  syncBuiltinESMExports()
  process.on(KILL_SIGNAL, () => {
    // The oldest: what takes its place comes last, so that each has its turn.
    const [oldest] = threads
    void oldest?.terminate()
  })
}
