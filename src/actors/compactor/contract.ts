/**
 * What others may ask of a compactor: it builds blocks from frozen parts of heads, and in between
 * does what its list of tasks says (tasks.ts). It starts with its first work.
 */

/** The part of the configuration that compactors run by. */
export interface CompactorConfig {
  /** Root of local data. */
  readonly dataDir: string
}

/** What a compactor is built from; plain data that can be posted. */
export interface CompactorBoot {
  readonly index: number
  readonly config: CompactorConfig
  /** The compiled head kernel, by which shards' memories are read. */
  readonly kernel: WebAssembly.Module
}

/** The calls that others make. */
export interface CompactorCalls {
  /** Has a task (tasks.ts) look for work now rather than at its next time; all of them for ''. */
  wake(task: string): Promise<void>
}
