/**
 * What a shard reads back at start: its own log, and those of shards that are no more. With another
 * shard count, shard i takes the folders j ≥ count with j mod count = i (architecture §8.18); they
 * are replayed until the shard's own snapshots have what is in them, and never deleted.
 */
import type { BlockEntry } from '../../shared/blocks/index.js'
import type { Env } from '../../shared/env/index.js'
import { type Place, placeOf } from '../../shared/hashring/index.js'
import {
  type DamageReason,
  type Head,
  type ReplayDamage,
  type ReplayLog,
  type ReplayProgress,
  replaySteps,
} from '../../shared/tsdb/index.js'
import { notAbsorbed, noteAbsorbed } from './absorbed.js'
import type { IngesterBoot } from './contract.js'
import { DAMAGE_LISTED_MAX, type ListedDamage, timeText } from './damage-list.js'
import { LocalBlocks } from './local-blocks.js'

/** Longest time of one replay slice between two turns, ms. */
const SLICE_MS = 20
/** How soon a sync of the replayed log that failed is tried again, ms. */
const SYNC_RETRY_MS = 1000
/** Damage that is logged line by line; the rest is only counted. */
const DAMAGE_LINES_MAX = 20

/** What a reason means for whoever reads the list. */
const WHAT_IS_LOST: Record<DamageReason, string> = {
  crc: 'these bytes are no log batch any more: the samples of all tenants that were in them, and later ones of series that were defined there',
  'unknown-series': 'samples of series whose labels were lost in other damage',
  malformed: 'a batch with a good CRC that cannot be read: the samples in it',
  torn: 'nothing that was acknowledged, if the process was killed in a write; else what a cut of this file took',
  cut: 'the end of the file: the samples of all tenants that were in it',
  missing:
    'the files: the samples of all tenants that were in them; `newest` is a note only, without which the end of the log may have gone unseen',
  snapshot:
    'nothing, if the other snapshot and the log before this one are whole; else series of all tenants, up to the time of this snapshot',
}

/** Replays in slices. */
export class Recovery {
  private readonly env: Env
  private readonly index: number
  private readonly steps: Generator<ReplayProgress, ReplayProgress>
  private readonly startedAt: number
  private progress: ReplayProgress | undefined
  private readonly walFolders: readonly string[]
  private readonly own: string
  /** Folders of former shards that were read. */
  private former: readonly string[]
  private damageLines = 0
  /** By folder. */
  private readonly blocks = new Map<string, LocalBlocks>()
  private readonly entries: BlockEntry[] = []
  private readonly listed: ListedDamage[] = []
  private isOver = false
  private isReplayed = false
  /** When a failed sync is tried again, on the monotonic clock; 0: none failed. */
  private retryAt = 0

  constructor(env: Env, boot: IngesterBoot, head: Head) {
    this.env = env
    this.index = boot.index
    this.startedAt = env.clock.monotonic()
    noteShardCount(env, boot)
    const own = shardFolder(boot)
    this.own = own
    const former = formerFolders(env, boot)
    this.former = notAbsorbed(env.disk, own, former)
    for (const folder of [own, ...former]) this.openBlocks(folder)
    // Memory of an earlier life (tsdb/spill): all of it is in snapshots and logs.
    for (const folder of former) env.disk.remove(`${folder}/chunks`)
    const logs: ReplayLog[] = [own, ...this.former].map((folder) => ({
      folder: `${folder}/wal`,
      snapshotFolder: folder,
      damagedFolder: `${folder}/damaged`,
      isOwn: folder === own,
      ...coverOf(this.blocks.get(folder)!),
    }))
    this.walFolders = logs.map(({ folder }) => folder)
    this.steps = replaySteps({
      disk: env.disk,
      head,
      logs,
      onDamage: (damage) => this.noteDamage(damage),
    })
  }

  private openBlocks(folder: string): void {
    const { disk, metrics, log } = this.env
    const blocks = new LocalBlocks(disk, folder)
    this.blocks.set(folder, blocks)
    const entries = blocks.open(({ path, reason }) => {
      metrics.cell('nilo_ingester_damage_total', String(this.index), 'block').add(1)
      this.listed.push({ path, reason: 'block', lost: reason })
      log.error('block is damaged: set aside', { path, err: reason })
    })
    this.entries.push(...entries)
  }

  /** The shard's own local blocks. */
  ownBlocks(): LocalBlocks {
    return this.blocks.get(this.own)!
  }

  /** Local blocks that were found, those of former shards too. */
  localBlocks(): readonly BlockEntry[] {
    return this.entries
  }

  /** Time before which a tenant's samples in order are in blocks. */
  floorOf(tenant: string): number {
    return Math.max(...[...this.blocks.values()].map((blocks) => blocks.cutOf(tenant).before))
  }

  isDone(): boolean {
    return this.isOver
  }

  /** 0–100. */
  percent(): number {
    if (this.isOver || this.progress?.bytesTotal === 0) return 100
    const { bytesDone, bytesTotal } = this.progress ?? { bytesDone: 0, bytesTotal: 1 }
    return Math.min(99, Math.floor((bytesDone / bytesTotal) * 100))
  }

  /** Creation time of the newest segment seen. */
  createdMax(): number {
    return this.progress?.createdMax ?? 0
  }

  /** Of the log that no snapshot has: bytes, kinds of records as bits, whether all found room in memory. */
  replayed(): { logBytes: number; kinds: number; isWhole: boolean } {
    const { logBytes = 0, kinds = 0, samplesWithoutRoom = 0 } = this.progress ?? {}
    return { logBytes, kinds, isWhole: samplesWithoutRoom === 0 }
  }

  /** Whether nothing can be done until some time has passed. */
  isWaiting(): boolean {
    return this.retryAt > this.env.clock.monotonic()
  }

  /** Goes on for a while; true when the replay is complete. */
  step(): boolean {
    const { clock } = this.env
    const end = clock.monotonic() + SLICE_MS
    while (!this.isReplayed) {
      const next = this.steps.next()
      this.progress = next.value
      this.isReplayed = next.done === true
      if (clock.monotonic() >= end) break
    }
    if (!this.isReplayed || this.isWaiting() || !this.syncLogs()) return false
    this.isOver = true
    if (this.progress !== undefined) this.report(this.progress)
    return true
  }

  /**
   * What a process wrote and did not sync outlives it, but not a power loss. From here on samples
   * are acknowledged because an equal one was replayed, and logged by numbers of series replayed:
   * so what was replayed must be durable first. (Found by test/sim, seed 106.)
   */
  private syncLogs(): boolean {
    const { disk, clock, log } = this.env
    try {
      for (const folder of this.walFolders) {
        for (const name of disk.list(folder)) {
          const file = disk.open(`${folder}/${name}`, 'update')
          try {
            file.sync()
          } finally {
            file.close()
          }
        }
        if (disk.exists(folder)) disk.syncFolder(folder)
      }
      return true
    } catch (error) {
      if (this.retryAt === 0) log.error('replayed log cannot be synced', { err: String(error) })
      this.retryAt = clock.monotonic() + SYNC_RETRY_MS
      return false
    }
  }

  private report(progress: ReplayProgress): void {
    const tookMs = Math.round(this.env.clock.monotonic() - this.startedAt)
    const { metrics, log } = this.env
    metrics.cell('nilo_ingester_replay_seconds', String(this.index)).set(tookMs / 1000)
    const lost = progress.damagedBatches + progress.samplesWithoutRoom
    const fields = {
      took_ms: tookMs,
      segments: progress.segments,
      size_bytes: progress.bytesTotal,
      snapshots: progress.snapshots,
      series_of_snapshot: progress.snapshotSeries,
      samples_of_snapshot: progress.snapshotSamples,
      series: progress.series,
      samples: progress.samples,
      samples_refused: progress.samplesRefused,
      samples_unknown: progress.samplesUnknown,
      samples_without_room: progress.samplesWithoutRoom,
      damaged_batches: progress.damagedBatches,
      damaged_bytes: progress.damagedBytes,
      torn_bytes: progress.tornBytes,
    }
    if (lost > 0) log.warn('log replayed with losses', fields)
    else log.info('log replayed', fields)
  }

  private noteDamage(damage: ReplayDamage): void {
    const { path, position, length, reason, mint, maxt, samples } = damage
    if (reason !== 'torn') this.env.metrics.cell(CORRUPTIONS).add(1)
    this.env.metrics.cell('nilo_ingester_damage_total', String(this.index), reason).add(1)
    if (this.listed.length < DAMAGE_LISTED_MAX) this.listed.push(listedOf(damage))
    if (++this.damageLines > DAMAGE_LINES_MAX) return
    const fields = {
      path,
      position,
      size_bytes: length,
      reason,
      min_time_ms: mint,
      max_time_ms: maxt,
      samples,
    }
    if (reason === 'torn') this.env.log.info('log ends in an unfinished write: cut off', fields)
    else this.env.log.error('data are damaged: set aside', fields)
  }

  /** Notes that a snapshot of the shard's own has what folders of former shards held. */
  noteSnapshot(segment: number): void {
    if (this.former.length === 0) return
    try {
      noteAbsorbed(this.env.disk, this.own, this.former, segment)
      this.former = []
    } catch (error) {
      this.env.log.warn('former shards will be read again', { err: String(error) })
    }
  }

  /** What could not be read, as `/debug/damage` shows it. */
  damage(): readonly ListedDamage[] {
    return this.listed
  }
}

function coverOf(blocks: LocalBlocks): Pick<ReplayLog, 'coverOf'> {
  if (blocks.cutTenants().length === 0) return {}
  return { coverOf: (tenant) => blocks.cutOf(tenant) }
}

function listedOf(damage: ReplayDamage): ListedDamage {
  const { path, position, length, reason, mint, maxt, samples } = damage
  return {
    path,
    position,
    bytes: length,
    reason,
    lost: WHAT_IS_LOST[reason],
    tenants: 'any',
    from: timeText(mint),
    to: timeText(maxt),
    samples: samples ?? 'unknown',
  }
}

const CORRUPTIONS = 'cortex_ingester_tsdb_wal_corruptions_total'

/** Where a shard keeps its files: below its zone's root, named by its number within the zone. */
export function shardFolder(boot: IngesterBoot, member = placeIn(boot).member): string {
  return `${boot.config.dataDir}/ingester-${member}`
}

function placeIn({ index, shardCount, place }: IngesterBoot): Place {
  return place ?? placeOf(index, shardCount)
}

/** The folders that a shard takes over. */
function formerFolders(env: Env, boot: IngesterBoot): string[] {
  const folders: string[] = []
  const { member, memberCount } = placeIn(boot)
  for (const name of env.disk.list(boot.config.dataDir)) {
    const match = /^ingester-(\d+)$/.exec(name)
    const former = match === null ? -1 : Number(match[1])
    if (former < memberCount || former % memberCount !== member) continue
    folders.push(shardFolder(boot, former))
  }
  return folders
}

/** Keeps the shard count beside the log, and says when it has changed. */
function noteShardCount(env: Env, boot: IngesterBoot): void {
  const folder = shardFolder(boot)
  const { memberCount } = placeIn(boot)
  const path = `${folder}/shard-count`
  env.disk.makeFolder(folder)
  const text = `${memberCount}\n`
  const before = env.disk.exists(path) ? Buffer.from(env.disk.readFile(path)).toString() : ''
  if (before === text) return
  if (before !== '') {
    env.log.info('shard count has changed', { before: before.trim(), now: memberCount })
  }
  env.disk.replaceFile(path, Buffer.from(text))
}
