/**
 * The ingester's log as its turns see it: written before every ack, synced by policy, and closed to
 * pushes from a failure on until something could be written again.
 */
import type { Env } from '../../shared/env/index.js'
import type { Cell } from '../../shared/telemetry/index.js'
import type { FrameLog } from '../../shared/tsdb/index.js'

/** How often an idle shard tries whether a failed log works again. */
const PROBE_MS = 1000

/** How the log of a shard is kept. */
export interface LogPolicy {
  readonly fsync: 'always' | 'interval' | 'never'
  readonly intervalMs: number
}

/** What a batch holds, for its header. */
export interface BatchRange {
  readonly sampleCount: number
  readonly mint: number
  readonly maxt: number
}

/** Writes the log of a shard and sees to its syncing. */
export class LogKeeper {
  private readonly env: Env
  private readonly log: FrameLog
  private readonly policy: LogPolicy
  private readonly bytes: Cell
  private readonly failures: Cell
  private syncedAt: number
  private probedAt = 0
  private isSyncing = false
  private hasFailed = false
  /** A sync failed: what was acknowledged before may not be on disk, until a snapshot is. */
  private hasLost = false

  constructor(env: Env, log: FrameLog, policy: LogPolicy) {
    this.env = env
    this.log = log
    this.policy = policy
    this.bytes = env.metrics.cell('nilo_ingester_wal_written_bytes_total')
    this.failures = env.metrics.cell('cortex_ingester_tsdb_wal_writes_failed_total')
    this.syncedAt = env.clock.monotonic()
  }

  /** Whether the last write or sync worked. */
  isWorking(): boolean {
    return !this.hasFailed && !this.hasLost
  }

  /** Whether a snapshot must be on disk before pushes are taken again. */
  isDistrusted(): boolean {
    return this.hasLost
  }

  /** A snapshot is on disk: nothing depends on what was written before it. */
  trust(): void {
    this.hasLost = false
  }

  /** Writes a batch, and syncs it when every ack waits for that; false when that failed. */
  write(batch: Buffer, range: BatchRange): boolean {
    if (this.hasLost) return false
    return this.append(batch, range)
  }

  private append(batch: Buffer, range: BatchRange): boolean {
    try {
      this.log.append(batch, range)
      if (this.policy.fsync === 'always') this.log.sync()
    } catch (error) {
      this.noteFailure('log cannot be written', error)
      return false
    }
    this.bytes.add(batch.length)
    if (this.hasFailed) this.env.log.info('log can be written again')
    this.hasFailed = false
    return true
  }

  /** Between turns: begins a sync when one is due, tries a failed log. */
  tick(): void {
    const now = this.env.clock.monotonic()
    if (this.hasFailed && now - this.probedAt >= PROBE_MS) {
      this.probedAt = now
      this.append(Buffer.alloc(EMPTY_BATCH_BYTES), { sampleCount: 0, mint: 0, maxt: 0 })
    }
    const isDue = this.policy.fsync === 'interval' && now - this.syncedAt >= this.policy.intervalMs
    if (!isDue || this.isSyncing || !this.log.isDirty()) return
    this.syncedAt = now
    this.isSyncing = true
    this.log
      .syncLater()
      .catch((error: unknown) => {
        this.hasLost = true
        this.noteFailure('log cannot be synced', error)
      })
      .finally(() => {
        this.isSyncing = false
      })
  }

  /** Syncs and ends the log. */
  close(): void {
    try {
      this.log.sync()
    } catch (error) {
      this.noteFailure('log cannot be synced', error)
    }
    this.log.close()
  }

  private noteFailure(msg: string, error: unknown): void {
    this.failures.add(1)
    this.probedAt = this.env.clock.monotonic()
    if (!this.hasFailed) this.env.log.error(msg, { err: String(error) })
    this.hasFailed = true
  }
}

/** A batch header alone. */
const EMPTY_BATCH_BYTES = 32
