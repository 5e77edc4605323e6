/**
 * What an actor reaches the world through. The real one is `node.ts`; tests pass a fake clock,
 * a simulated disk and a seeded prng, so that one seed replays a run. No other file in `src`
 * calls `Date.now`, `Math.random`, `setTimeout` or `node:fs`.
 */
import type { Log, Metrics } from '../telemetry/index.js'

/** Wall and monotonic time, both in milliseconds. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number
  /** Milliseconds since an arbitrary start, with fractions; never goes back. */
  monotonic(): number
}

/** A pending timer. */
export interface Timer {
  cancel(): void
}

/** Waiting. */
export interface Timers {
  after(ms: number, run: () => void): Timer
  sleep(ms: number): Promise<void>
  /** Lets messages, sockets and timers run, then goes on (setImmediate). */
  yieldNow(): Promise<void>
}

/** Seeded or real randomness. */
export interface Prng {
  /** A u32. */
  nextU32(): number
  /** Fills with random bytes; the real one is cryptographic. */
  fill(bytes: Uint8Array): void
}

/** An open file. Positions and lengths are bytes. Every method throws AppError `disk-failed`. */
export interface DiskFile {
  readonly path: string
  /** Bytes written, which may be fewer than asked for (disk full). Appends when position is omitted. */
  write(bytes: Uint8Array, position?: number): number
  /** Bytes read, 0 at the end. */
  read(into: Uint8Array, position: number): number
  size(): number
  truncate(size: number): void
  /** fdatasync; blocks. */
  sync(): void
  /** fdatasync off the thread. */
  syncLater(): Promise<void>
  close(): void
}

/** What a disk knows of a path. */
export interface PathFacts {
  /** Bytes of a file. */
  readonly size: number
  /** Last change, ms since the epoch. */
  readonly mtime: number
  readonly isFolder: boolean
}

/** The local disk. Calls are synchronous: actors are threads of their own. */
export interface Disk {
  open(path: string, mode: 'read' | 'append' | 'create' | 'update'): DiskFile
  readFile(path: string): Uint8Array
  exists(path: string): boolean
  /** Names (not paths) in a folder, sorted; empty when the folder is missing. */
  list(folder: string): string[]
  makeFolder(path: string): void
  /** undefined when nothing is there. */
  findFacts(path: string): PathFacts | undefined
  /** Gives a file a second name; a name that is taken stays as it is. */
  link(from: string, to: string): 'linked' | 'exists' | 'impossible'
  /** Removes a folder that is empty; false when it is not, or not there. */
  removeEmptyFolder(path: string): boolean
  rename(from: string, to: string): void
  /** Removes a file or a folder with all in it; missing is fine. */
  remove(path: string): void
  /** fsync of a folder, after a rename or create in it. */
  syncFolder(path: string): void
  /** Bytes that can still be written where a folder lies. */
  freeBytes(folder: string): number
  /** Writes a temporary file, syncs, renames over the target, syncs the folder. */
  replaceFile(path: string, bytes: Uint8Array): void
}

/** Everything that an actor may touch outside its own memory. */
export interface Env {
  readonly clock: Clock
  readonly timers: Timers
  readonly prng: Prng
  readonly disk: Disk
  readonly log: Log
  readonly metrics: Metrics
}
