/** The injected world: clock, timers, randomness, disk, log and metrics. */
export type { Clock, Disk, DiskFile, Env, Prng, Timer, Timers } from './env.js'
