/**
 * Loaded into a server under the soak before its own code (`node --import`): on KILL_SIGNAL it ends
 * one thread after the other, as a crash would; with NILO_SOAK_KIND set only those of one kind of
 * actor, with `*` those of the pool as well. The server itself has nothing like it.
 */
import { syncBuiltinESMExports } from 'node:module'
import workerThreads from 'node:worker_threads'
import { KILL_SIGNAL } from './kill-signal.js'

const KIND = process.env['NILO_SOAK_KIND'] ?? ''
const threads = new Set<workerThreads.Worker>()

class NotedWorker extends workerThreads.Worker {
  constructor(...args: ConstructorParameters<typeof workerThreads.Worker>) {
    super(...args)
    if (!isWanted(String(args[0]))) return
    threads.add(this)
    this.once('exit', () => threads.delete(this))
  }
}

/** What an actor's thread starts with, in the bundle. */
const ACTOR = /\/app\/([a-z-]+)\.js$/

function isWanted(entry: string): boolean {
  const actor = ACTOR.exec(entry)?.[1]
  if (KIND === '*') return actor !== undefined || entry.includes('/piscina/')
  return actor !== undefined && actor.startsWith(KIND)
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
