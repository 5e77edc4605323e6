/**
 * When a shard takes snapshots of its head (architecture §8.15): as the log since the last one
 * exceeds a bound, at a clean stop, and after a sync failed, since what was written before it is not
 * to be trusted. One slice per turn; the sync goes off the thread.
 *
 * Order: new log segment → slices → sync → rename → delete what only the snapshot before the
 * previous one needed.
 */
import type { Env } from '../../shared/env/index.js'
import {
  RECORD_EXEMPLARS,
  RECORD_HISTOGRAMS,
  RECORD_METADATA,
  RECORD_OUT_OF_ORDER,
  RECORD_SAMPLES,
  RECORD_SERIES,
} from '../../shared/kernels/head-layout.js'
import type { Cell } from '../../shared/telemetry/index.js'
import {
  type Head,
  oldestNeeded,
  removeOldSnapshots,
  SnapshotWriter,
  type WalWriter,
} from '../../shared/tsdb/index.js'

/** How soon a snapshot that failed is tried again, ms. */
const RETRY_MS = 1_000

/** Kinds of log records whose content a snapshot has: a log with others must not be deleted. */
const SNAPSHOT_KINDS: readonly number[] = [
  RECORD_SERIES,
  RECORD_SAMPLES,
  RECORD_METADATA,
  RECORD_HISTOGRAMS,
  RECORD_EXEMPLARS,
  RECORD_OUT_OF_ORDER,
]

const KINDS_MASK = SNAPSHOT_KINDS.reduce((mask, kind) => mask | (1 << kind), 0)

/** What snapshots are made of, and how often. */
export interface SnapshotterParts {
  readonly env: Env
  readonly shard: number
  readonly head: Head
  readonly wal: WalWriter
  /** The shard's folder. */
  readonly folder: string
  /** Bytes of log that make a snapshot due. */
  readonly logBytesMax: number
  /** Later than every segment and snapshot so far. */
  readonly createdMs: () => number
  /** Told when a snapshot is on disk, with its number. */
  readonly onTaken: (segment: number) => void
  /** Told when old log was removed, with the number of the oldest segment that a start needs. */
  readonly onLogCut: (oldest: number) => void
  /** Whether none may begin just now, unless one was requested. */
  readonly isHeld: () => boolean
}

/** Takes snapshots of a shard's head. */
export class Snapshotter {
  private readonly parts: SnapshotterParts
  private readonly taken: Cell
  private readonly failed: Cell
  private readonly bytes: Cell
  private writer: SnapshotWriter | undefined
  /** The sync that goes on off the thread, and what has come of it. */
  private syncing: Promise<void> | undefined
  private synced: { error: unknown } | undefined
  private startedAt = 0
  /** Number of the snapshot that is being taken. */
  private segment = 0
  private retryAt = 0
  private isWanted = false
  /** Log bytes that no snapshot has, from before this life. */
  private replayedBytes = 0
  private replayedKinds = 0
  /** Of the log's own count: what it was when the last snapshot on disk began, and the next one. */
  private mark = 0
  private nextMark = 0
  private lastBytes = 0
  /** Why none may be taken, for good: '' when they may. */
  private obstacle = ''

  constructor(parts: SnapshotterParts) {
    this.parts = parts
    const { metrics } = parts.env
    const shard = String(parts.shard)
    this.taken = metrics.cell('nilo_ingester_snapshots_total', shard)
    this.failed = metrics.cell('nilo_ingester_snapshots_failed_total', shard)
    this.bytes = metrics.cell('nilo_ingester_snapshot_bytes', shard)
  }

  /**
   * After replay: removes what interrupted snapshots left, notes how long the log is.
   * @param replayed isWhole false: the log has what the head has no memory for, and must stay
   */
  begin(replayed: { logBytes: number; kinds: number; isWhole: boolean }): void {
    this.replayedBytes = replayed.logBytes
    this.replayedKinds = replayed.kinds
    if (!replayed.isWhole) this.stop('the log has more than the memory of the head')
    try {
      removeOldSnapshots(this.parts.env.disk, this.parts.folder, true)
    } catch (error) {
      this.parts.env.log.warn('old snapshots cannot be removed', { err: String(error) })
    }
  }

  /** Whether one is being taken: then nothing is taken out of the head. */
  isActive(): boolean {
    return this.writer !== undefined
  }

  /** Takes a snapshot as soon as possible. */
  request(): void {
    this.isWanted = true
  }

  /** Log bytes that the last snapshot does not have. */
  logBytes(): number {
    return this.replayedBytes + this.parts.wal.bytesAppended() - this.mark
  }

  /** Between turns: a slice of the snapshot that is being taken. True while there is more to write. */
  tick(): boolean {
    const { writer } = this
    if (this.syncing !== undefined) {
      this.takeSynced(writer)
      return false
    }
    if (writer === undefined) return this.isDue() && this.start()
    return this.guard(() => {
      if (writer.step()) return true
      this.sync(writer)
      return false
    })
  }

  private stop(reason: string): void {
    this.obstacle = reason
    this.parts.env.log.error('no snapshots are taken, the log is kept', { reason })
  }

  /** Whether a snapshot may stand for the log: it must have all that is in there. */
  private isAllowed(): boolean {
    const kinds = this.replayedKinds | this.parts.wal.kindsAppended()
    if (this.obstacle === '' && (kinds & ~KINDS_MASK) !== 0) {
      this.stop('the log has records that a snapshot cannot hold')
    }
    return this.obstacle === ''
  }

  /** A snapshot grows with the head: rewriting it costs no more than twice what the log did. */
  private isDue(): boolean {
    if (this.parts.env.clock.monotonic() < this.retryAt || !this.isAllowed()) return false
    if (this.isWanted) return true
    if (this.parts.isHeld()) return false
    return this.logBytes() > Math.max(this.parts.logBytesMax, this.lastBytes / 2)
  }

  private start(): boolean {
    return this.guard(() => {
      const { env, wal, folder, head, createdMs } = this.parts
      this.startedAt = env.clock.monotonic()
      const segment = wal.rotate()
      this.segment = segment
      this.nextMark = wal.bytesAppended()
      const options = { disk: env.disk, folder, head, segment, createdMs: createdMs() }
      this.writer = new SnapshotWriter(options)
      return true
    })
  }

  private sync(writer: SnapshotWriter): void {
    this.synced = undefined
    this.syncing = writer.syncLater().then(
      () => {
        this.synced = { error: undefined }
      },
      (error: unknown) => {
        this.synced = { error: error ?? 'unknown' }
      },
    )
  }

  private takeSynced(writer: SnapshotWriter | undefined): void {
    if (this.synced === undefined || writer === undefined) return
    const { error } = this.synced
    this.syncing = undefined
    if (error !== undefined) this.giveUp(error)
    else {
      this.guard(() => {
        this.commit(writer)
        return false
      })
    }
  }

  private commit(writer: SnapshotWriter): void {
    const { env, folder, wal } = this.parts
    writer.commit()
    this.writer = undefined
    this.isWanted = false
    this.mark = this.nextMark
    this.replayedBytes = 0
    this.lastBytes = writer.bytesWritten()
    this.taken.add(1)
    this.bytes.set(this.lastBytes)
    this.parts.onTaken(this.segment)
    const took = Math.round(env.clock.monotonic() - this.startedAt)
    env.log.info('snapshot taken', { took_ms: took, size_bytes: this.lastBytes })
    try {
      removeOldSnapshots(env.disk, folder, false)
      const oldest = oldestNeeded(env.disk, folder)
      wal.removeBefore(oldest)
      this.parts.onLogCut(oldest)
    } catch (error) {
      // The next snapshot tries again.
      env.log.warn('old log cannot be removed', { err: String(error) })
    }
  }

  private guard(run: () => boolean): boolean {
    try {
      return run()
    } catch (error) {
      this.giveUp(error)
      return false
    }
  }

  private giveUp(error: unknown): void {
    this.writer?.abort()
    this.writer = undefined
    this.failed.add(1)
    const { env } = this.parts
    this.retryAt = env.clock.monotonic() + RETRY_MS
    env.log.error('snapshot cannot be taken', { err: String(error) })
  }

  /** At a clean stop: a snapshot of everything, so that the next start replays nothing. */
  async finish(): Promise<void> {
    await this.syncing
    this.syncing = undefined
    this.writer?.abort()
    this.writer = undefined
    if (this.logBytes() === 0 || !this.isAllowed() || !this.start()) return
    this.guard(() => {
      const writer = this.writer!
      while (writer.step()) {}
      writer.sync()
      this.commit(writer)
      return false
    })
  }
}
