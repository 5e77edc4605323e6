/**
 * A store-gateway shard: answers questions about its blocks from their index-headers and a cache of
 * pages, and (shard 0) keeps the block list up to date with the bucket. No thread in sight:
 * worker.ts gives it one, tests drive it.
 */
import type { BlockEntry } from '../../shared/blocks/index.js'
import { type Bucket, openBucket } from '../../shared/bucket/index.js'
import type { Env, Timer } from '../../shared/env/index.js'
import { fail } from '../../shared/errors/index.js'
import { MemoryBudget } from '../../shared/slab/index.js'
import { BlockListReader } from '../supervisor/client.js'
import type { BlockListCalls } from '../supervisor/contract.js'
import type { StoreGatewayBoot, StoreGatewayCalls } from './contract.js'
import { Gate } from './gate.js'
import { type BlockPlaces, type OpenBlock, OpenBlocks } from './open-blocks.js'
import { PAGE_BYTES, PageCache } from './page-cache.js'
import { PageFiles } from './page-files.js'
import { PostingsCache } from './postings-cache.js'
import { createCalls } from './select.js'
import { BucketSync } from './sync.js'
import { warmUp } from './warm-up.js'

/** The first of the shards' cells for their caches; queriers have those before. */
const CACHE_CLAIMANTS = 56
/** Of the budget of caches, for lists of matching series; the rest is for pages. */
const POSTINGS_SHARE = 1 / 8
/** A sync that failed is tried again so soon, ms. */
const RETRY_MS = 5_000
/** How often idle and deleted blocks are looked for, ms. */
const TIDY_MS = 60_000
/** Requests to the bucket at a time. */
const READS_AT_ONCE = 16
/** Bytes of one read of a remote index. */
const READ_BYTES_MAX = 8 << 20
/** How long nobody must have asked for practice to go on, ms. */
const IDLE_MS = 50

/** One shard. */
export class StoreGateway {
  readonly calls: StoreGatewayCalls
  private readonly env: Env
  private readonly boot: StoreGatewayBoot
  private readonly list: BlockListCalls
  private readonly bucket: Bucket
  private readonly cache: PageCache
  private readonly postings: PostingsCache
  private readonly files: PageFiles | undefined
  private readonly places: BlockPlaces
  private readonly blocks: OpenBlocks
  private readonly sync: BucketSync
  private readonly reader: BlockListReader
  private readonly timers = new Set<Timer>()
  private syncing: Promise<void> | undefined
  private hasSynced = false
  private isStopped = false
  /** Questions that are being answered, and when the last one was. */
  private asking = 0
  private askedMs = Number.NEGATIVE_INFINITY
  private lastError = ''

  constructor(env: Env, boot: StoreGatewayBoot, list: BlockListCalls, bucket: Bucket) {
    const { index, config } = boot
    this.env = env
    this.boot = boot
    this.list = list
    this.bucket = bucket
    const room = cacheRoom(boot)
    const postingsBytes = Math.floor(config.cacheBytes * POSTINGS_SHARE)
    this.postings = new PostingsCache({
      bytesMax: postingsBytes,
      claim: (bytes) => room('postings', bytes),
      metrics: env.metrics,
    })
    const folder = `${config.dataDir}/store-gateway-${index}`
    this.files = pageFilesOf(env, `${folder}-pages`, config.diskCacheBytes)
    this.cache = new PageCache(bucket, {
      bytesMax: config.cacheBytes - postingsBytes,
      files: this.files,
      gapBytes: config.gapBytes,
      reads: new Gate(READS_AT_ONCE),
      claim: (bytes) => room('pages', bytes),
      metrics: env.metrics,
    })
    const reads = {
      gapBytes: config.gapBytes,
      readBytesMax: READ_BYTES_MAX,
      parallelReads: READS_AT_ONCE,
    }
    const opens = new Gate(config.parallelOpens)
    this.places = { env, bucket, cache: this.cache, folder, reads, opens }
    this.blocks = new OpenBlocks(this.places)
    this.sync = new BucketSync({ env, bucket, list })
    const reader = new BlockListReader(list, boot.blockList)
    this.reader = reader
    this.calls = createCalls({
      env,
      cache: this.cache,
      postings: this.postings,
      use: (tenant, ulid, ask) => this.use(tenant, ulid, ask),
      forget: (tenant, ulid) => {
        this.blocks.drop(`${tenant}/${ulid}`)
        this.sync.distrust(ulid)
      },
      sync: () => this.syncNow(),
    })
  }

  /** Opens the bucket; nothing is asked of it yet. */
  static async create(
    env: Env,
    boot: StoreGatewayBoot,
    list: BlockListCalls,
  ): Promise<StoreGateway> {
    const { bucket, dataDir } = boot.config
    const place = { dataDir, component: 'store-gateway' }
    return new StoreGateway(env, boot, list, await openBucket(bucket, place, env))
  }

  /** Begins to look at the bucket, and at what is idle. */
  start(): void {
    this.after(TIDY_MS, () => this.tidyLoop())
    if (this.boot.index === 0) this.syncLoop()
  }

  /**
   * Runs its code before questions need it, while there are none. What that took is not collected at
   * once: V8 lets go of the code that it has made when no object of its shapes is left.
   */
  async practise(): Promise<void> {
    const { env, boot } = this
    if (!boot.config.isWarmedUp || this.isStopped) return
    const folder = `${boot.config.dataDir}/store-gateway-${boot.index}-practice`
    const isBusy = (): boolean => this.asking > 0 || env.clock.monotonic() - this.askedMs < IDLE_MS
    try {
      await warmUp({ places: { ...this.places, folder }, isBusy, isOver: () => this.isStopped })
    } catch (error) {
      env.log.warn('store-gateway could not warm up', { err: String(error) })
    }
  }

  /** Bytes, blocks and the last sync, for /debug/actors. */
  details(): Record<string, string | number | boolean> {
    return {
      blocksOpen: this.blocks.size(),
      cacheBytes: this.cache.bytesHeld(),
      postingsBytes: this.postings.bytesHeld(),
      diskCacheBytes: this.files?.bytesHeld() ?? 0,
      hasSynced: this.hasSynced,
      lastSyncError: this.lastError,
    }
  }

  async drain(): Promise<void> {
    this.isStopped = true
    for (const timer of this.timers) timer.cancel()
    await this.syncing?.catch(() => {})
    this.blocks.close()
    this.bucket.close()
  }

  private async use<T>(
    tenant: string,
    ulid: string,
    ask: (block: OpenBlock) => Promise<T>,
  ): Promise<T> {
    this.asking++
    try {
      const entry = await this.findEntry(tenant, ulid)
      if (entry === undefined) throw fail('block-gone', { block: ulid })
      return await this.blocks.use(entry, ask)
    } finally {
      this.asking--
      this.askedMs = this.env.clock.monotonic()
    }
  }

  private async findEntry(tenant: string, ulid: string): Promise<BlockEntry | undefined> {
    const { entries } = await this.reader.blocks(tenant)
    return entries.find((one) => one.ulid === ulid)
  }

  private syncLoop(): void {
    this.syncNow().then(
      () => this.after(this.boot.config.syncIntervalMs, () => this.syncLoop()),
      () => this.after(RETRY_MS, () => this.syncLoop()),
    )
  }

  /** Runs a sync, or waits for the one that runs. */
  private async syncNow(): Promise<void> {
    this.syncing ??= this.syncOnce().finally(() => {
      this.syncing = undefined
    })
    await this.syncing
  }

  private async syncOnce(): Promise<void> {
    const { env } = this
    const start = env.clock.monotonic()
    try {
      const { tenants, blocks } = await this.sync.run()
      await this.list.noteBucketRead({ reader: 'store-gateway' })
      this.hasSynced = true
      this.lastError = ''
      const tookMs = Math.round(env.clock.monotonic() - start)
      env.log.debug('bucket read', { tenants, blocks, took_ms: tookMs })
      const seconds = Math.floor(env.clock.now() / 1000)
      env.metrics
        .cell('cortex_bucket_stores_blocks_last_successful_sync_timestamp_seconds')
        .set(seconds)
    } catch (error) {
      this.lastError = String(error)
      if (!this.isStopped) env.log.warn('the bucket could not be read', { err: String(error) })
      throw error
    }
  }

  /** Lets go of idle blocks, and of what is kept of blocks that have left the list. */
  async tidy(): Promise<void> {
    this.blocks.closeIdle(this.env.clock.monotonic() - this.boot.config.idleMs)
    if (!(await this.reader.blocks('')).isComplete) return
    const isThere = async (tenant: string, ulid: string): Promise<boolean> =>
      (await this.findEntry(tenant, ulid)) !== undefined
    await this.blocks.forgetGone(isThere)
    await this.files?.forgetGone(isThere)
  }

  private tidyLoop(): void {
    const again = (): void => this.after(TIDY_MS, () => this.tidyLoop())
    this.tidy().then(again, (error: unknown) => {
      if (!this.isStopped) this.env.log.warn('store-gateway could not tidy', { err: String(error) })
      again()
    })
  }

  private after(ms: number, run: () => void): void {
    if (this.isStopped) return
    const timer = this.env.timers.after(ms, () => {
      this.timers.delete(timer)
      run()
    })
    this.timers.add(timer)
  }
}

/** Claims what two caches hold as one: what one of them is to hold from now on, and whether it may. */
function cacheRoom({ budget: cells, index }: StoreGatewayBoot) {
  const budget = cells === undefined ? undefined : new MemoryBudget(cells)
  const held = { pages: 0, postings: 0 }
  return (cache: keyof typeof held, bytes: number): boolean => {
    const all = held.pages + held.postings - held[cache] + bytes
    if (budget?.tryRaise('caches', CACHE_CLAIMANTS + index, all) === false) return false
    held[cache] = bytes
    return true
  }
}

/** The pages on disk; none, and none left from before, where there is to be no room for them. */
function pageFilesOf(env: Env, folder: string, bytesMax: number): PageFiles | undefined {
  if (bytesMax > 0) return new PageFiles(env, folder, { bytesMax, pageBytes: PAGE_BYTES })
  env.disk.remove(folder)
  return undefined
}
