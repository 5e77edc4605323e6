/**
 * Loaded into a server before its own code (`node --import`): while the file that
 * NILO_TEST_STUCK_DISK names exists, writes and syncs of all its threads stand still, as on a disk
 * that does not answer. What goes to stdout and stderr is not held up.
 */
import fsDefault, * as fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import workerThreads from 'node:worker_threads'

const flag = process.env['NILO_TEST_STUCK_DISK'] ?? ''
const cell = new Int32Array(new SharedArrayBuffer(4))

/** The same function, held up while the flag is there. */
function held<A extends [number, ...unknown[]], R>(run: (...args: A) => R): (...args: A) => R {
  return (...args) => {
    while (args[0] > 2 && fs.existsSync(flag)) Atomics.wait(cell, 0, 0, 10)
    return run(...args)
  }
}

fsDefault.writeSync = held(fsDefault.writeSync as (fd: number, ...rest: unknown[]) => number)
fsDefault.fdatasyncSync = held(fsDefault.fdatasyncSync)
if (workerThreads.isMainThread) {
  // Threads are started with flags of their own; they need this module, too.
  workerThreads.Worker = class extends workerThreads.Worker {
    constructor(entry: string | URL, options: workerThreads.WorkerOptions = {}) {
      const execArgv = [...(options.execArgv ?? []), '--import', import.meta.url]
      super(entry, { ...options, execArgv })
    }
  }
}
syncBuiltinESMExports()
