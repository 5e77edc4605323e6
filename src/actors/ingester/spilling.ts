/**
 * When closed chunks go to the shard's chunk file (tsdb/spill): those that are older than what most
 * queries look at, once chunks take enough memory to be worth it; when memory is short, all. One
 * slice per turn. A disk that refuses costs nothing: the chunks stay in memory, and it is tried again.
 * Chunks that somebody could not read back are logged, counted and listed.
 */
import type { Env } from '../../shared/env/index.js'
import type { Cell } from '../../shared/telemetry/index.js'
import {
  ChunkSpiller,
  chunkFileName,
  type DamagedChunk,
  DamageNotes,
  type Head,
} from '../../shared/tsdb/index.js'
import { DAMAGE_LISTED_MAX, type ListedDamage, timeText } from './damage-list.js'
import type { Tenants } from './tenants.js'

/** How often a pass may begin, ms: it looks at every series. */
const PASS_EVERY_MS = 300_000
/** The same while memory is short, and after a failure. */
const HURRY_MS = 30_000
/** How often it is looked for what can be given back, and for damage, ms. */
const LOOK_MS = 1_000

/** What a damaged chunk in a chunk file means for whoever reads the list. */
const LOST =
  'nothing: snapshot and log have these samples, and the shard is started anew to have them again, at most once in ten minutes; until then queries that need them fail, and so do snapshots and cuts with this series'

/** What spilling works with. */
export interface SpillingParts {
  readonly env: Env
  readonly shard: number
  readonly head: Head
  readonly tenants: Tenants
  /** The shard's folder. */
  readonly folder: string
  /** `head.spill_bytes`; 0: nothing is spilled. */
  readonly bytesMax: number
  /** `head.spill_after`, ms. */
  readonly afterMs: number
  /** Told of each chunk that could not be read back. */
  onDamage(damage: ListedDamage): void
}

/** Spills chunks of a shard. */
export class Spilling {
  private readonly parts: SpillingParts
  private readonly spiller: ChunkSpiller
  private readonly chunks: Cell
  private readonly bytes: Cell
  private readonly failed: Cell
  private readonly notes: DamageNotes
  private readonly folder: string
  /** By place, so that each is listed once. */
  private readonly damaged = new Map<string, ListedDamage>()
  private lookAt = 0
  private passAt = 0
  private isShort = false

  constructor(parts: SpillingParts) {
    this.parts = parts
    const { env, head, shard } = parts
    this.folder = `${parts.folder}/chunks`
    this.notes = new DamageNotes(head.view)
    head.openChunkFiles(env.disk, (chunk) => this.noteDamage(chunk))
    this.spiller = new ChunkSpiller({
      disk: env.disk,
      head,
      folder: this.folder,
      newNumber: () => env.prng.nextU32(),
      now: () => env.clock.now(),
    })
    const { metrics } = env
    this.chunks = metrics.cell('nilo_ingester_chunks_spilled_total', String(shard))
    this.bytes = metrics.cell('nilo_ingester_chunk_file_bytes', String(shard))
    this.failed = metrics.cell('nilo_ingester_chunk_spills_failed_total', String(shard))
  }

  /** Memory is short: spill what can be spilled. */
  hurry(): void {
    this.isShort = true
    this.passAt = Math.min(this.passAt, this.parts.env.clock.monotonic())
  }

  /** Between turns: a slice, when one is due. True while there is more to do at once. */
  tick(): boolean {
    const now = this.parts.env.clock.monotonic()
    try {
      if (this.spiller.isActive()) return this.step()
      if (now < this.lookAt) return false
      this.lookAt = now + LOOK_MS
      for (const chunk of this.notes.take()) this.noteDamage(chunk)
      this.spiller.collect()
      this.bytes.set(this.spiller.fileBytes())
      return this.isDue(now) && this.begin(now)
    } catch (error) {
      this.failed.add(1)
      this.passAt = now + HURRY_MS
      this.parts.env.log.warn('chunks cannot be spilled', { err: String(error) })
      return false
    }
  }

  private step(): boolean {
    const before = this.spiller.chunksSpilled()
    const isMore = this.spiller.step()
    this.chunks.add(this.spiller.chunksSpilled() - before)
    return isMore
  }

  private isDue(now: number): boolean {
    const { bytesMax, head } = this.parts
    if (bytesMax === 0 || now < this.passAt) return false
    return this.isShort || head.chunkBytes() > bytesMax
  }

  private begin(now: number): boolean {
    const before = this.isShort ? Number.POSITIVE_INFINITY : this.newest() - this.parts.afterMs
    this.passAt = now + (this.isShort ? HURRY_MS : PASS_EVERY_MS)
    this.isShort = false
    return this.spiller.begin(before)
  }

  /** Time of the newest sample, but no later than now: a clock that is ahead spills nothing early. */
  private newest(): number {
    const { tenants, env } = this.parts
    let newest = Number.NEGATIVE_INFINITY
    for (const { maxt } of tenants.all()) newest = Math.max(newest, maxt)
    return Math.min(newest, env.clock.now())
  }

  private noteDamage(chunk: DamagedChunk): void {
    const { env, head, shard } = this.parts
    const path = `${this.folder}/${chunkFileName(chunk.file)}`
    const { offset: position, bytes, samples, mint, maxt } = chunk
    const place = `${path} ${position}`
    const reason = 'chunk-file'
    if (this.damaged.has(place)) return
    env.metrics.cell('nilo_ingester_damage_total', String(shard), reason).add(1)
    if (this.damaged.size >= DAMAGE_LISTED_MAX) return
    const tenants = head.tenantNames()[chunk.tenant] ?? 'unknown'
    const [from, to] = [timeText(mint), timeText(maxt)]
    const entry = { path, position, bytes, reason, lost: LOST, tenants, from, to, samples }
    this.damaged.set(place, entry)
    this.parts.onDamage(entry)
    env.log.error('a chunk file is damaged', {
      path,
      position,
      size_bytes: bytes,
      tenant: tenants,
      min_time_ms: mint,
      max_time_ms: maxt,
      samples,
    })
  }

  /** Chunks that could not be read back, as `/debug/damage` shows them. */
  damage(): readonly ListedDamage[] {
    return [...this.damaged.values()]
  }

  /** At a stop: nothing is written any more. The files are of no use to the next life. */
  finish(): void {
    if (this.spiller.isActive()) this.spiller.endPass()
  }
}
