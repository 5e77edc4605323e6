/** The injected world: clock, timers, randomness, disk, log and metrics. */
export { type Collect, compactHeap, giveCollector, openCollector } from './collector.js'
export type { Clock, Disk, DiskFile, Env, PathFacts, Prng, Timer, Timers } from './env.js'
export { type FolderLock, lockFolder, lockFolders } from './folder-lock.js'
export {
  createNodeEnv,
  createNodeLog,
  NODE_CLOCK,
  NODE_TIMERS,
  type NodeEnvOptions,
  printLine,
} from './node.js'
export { nodeDisk } from './node-disk.js'
export { lowerThreadPriority } from './priority.js'
export { onStopSignal } from './signals.js'
