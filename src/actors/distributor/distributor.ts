/**
 * The distributor: remote write bodies in, frames per ingester shard out. Owns soft state only (the
 * series cache and the dictionaries of its links); after a restart senders send again and
 * everything is defined anew. The loop is in push-loop.ts.
 */
import type { Env } from '../../shared/env/index.js'
import {
  createHashring,
  type Hashring,
  replicaShards,
  shuffleMembers,
} from '../../shared/hashring/index.js'
import { SLACK_BYTES } from '../../shared/kernels/assembly/write-request-layout.js'
import { WriteRequestKernel } from '../../shared/kernels/write-request.js'
import {
  createHaCells,
  createTenantCells,
  Limits,
  type LimitsData,
  practiceLimits,
  TenantCells,
  type TenantLimits,
} from '../../shared/limits/index.js'
import { openMetrics } from '../../shared/telemetry/index.js'
import { Gunzip } from '../../shared/wire/compression/index.js'
import { WRITE_HEADER_BYTES } from '../../shared/wire/frames/index.js'
import { BODY_BYTES_USUAL, type Workbench } from './body.js'
import type {
  DistributorBoot,
  DistributorConfig,
  DistributorStatus,
  LinkEnds,
  OversizeBody,
} from './contract.js'
import { Counters } from './counters.js'
import { HaTracker } from './ha-tracker.js'
import { PushLoop } from './push-loop.js'
import { ReplicaSet } from './route.js'
import { SenderReader } from './sender-reader.js'
import { SeriesCache } from './series-cache.js'

/** Samples of a chunk, and label sets of new series in it: 1.3 MB of columns and 2 MB of defines. */
const SAMPLES_MAX = 65_536
const DEFINE_BYTES_MAX = 2 << 20
/** A body that unpacks to BODY_BYTES_USUAL is no longer than this, by snappy's worst case. */
const SOURCE_BYTES_MAX = 10 << 20
/** A tenant's name, padded; Mimir allows 150 bytes. */
const TENANT_BYTES_MAX = 256
const SAMPLE_BYTES = 20
/** Bodies above this are refused whatever the configuration says: the kernel's memory is 4 GiB. */
const BODY_BYTES_CEILING = 1 << 30
/** Smaller frames could not define one series of usual labels. */
const FRAME_BYTES_MIN = 4_096

/** Rows of cells for the few made-up tenants and pairs of a rehearsal. */
const PRACTICE_ROWS = 16
/**
 * A shard that sleeps is woken for so many frames of a turn, and for what is left when that ends: with
 * pushes waiting it wakes, logs and sleeps for two bodies at once. More would have it and the senders
 * wait for each other in turns.
 */
const FRAMES_HELD_MAX = 2

/** What of a bench knows tenants, and is another one in a rehearsal. */
type Knowledge = Pick<Workbench, 'limits' | 'cells' | 'ha' | 'senders' | 'counters'>

/** One distributor, without its thread. */
export class Distributor {
  private readonly boot: DistributorBoot
  private readonly bench: Workbench
  private readonly knowledge: Knowledge
  private readonly loop: PushLoop
  private readonly drained: (() => void)[] = []

  constructor(env: Env, boot: DistributorBoot) {
    this.boot = boot
    const { zones = 1 } = boot
    const setCount = boot.shardCount / zones
    const config = {
      ...boot.config,
      maxRecvMsgSize: Math.min(boot.config.maxRecvMsgSize, BODY_BYTES_CEILING),
      maxOtlpRequestSize: Math.min(boot.config.maxOtlpRequestSize, BODY_BYTES_CEILING),
      maxInfluxRequestSize: Math.min(boot.config.maxInfluxRequestSize, BODY_BYTES_CEILING),
    }
    const ring = createHashring(setCount)
    const kernel = createKernel(env, { ...boot, config }, ring)
    const monotonic = () => env.clock.monotonic()
    const sets = Array.from(
      { length: setCount },
      (_, index) => new ReplicaSet(kernel, index, replicaShards(index, setCount, zones), monotonic),
    )
    const membersOf = (tenant: string, limits: TenantLimits) =>
      shuffleMembers(ring, tenant, { size: limits.ingestion_tenant_shard_size, zones })
    const cache = new SeriesCache(kernel, membersOf, monotonic)
    const ha = new HaTracker(config.isHaTrackerOn, boot.haCells, env.metrics)
    this.knowledge = {
      limits: new Limits(boot.limits),
      cells: new TenantCells(boot.tenantCells),
      ha,
      senders: new SenderReader(kernel, ha),
      counters: new Counters(env.metrics),
    }
    this.bench = {
      ...this.knowledge,
      kernel,
      cache,
      sets,
      replicas: sets.flatMap((set) => set.replicas).sort((a, b) => a.shard - b.shard),
      ring,
      config,
      gunzip: new Gunzip(),
      partial: new Uint8Array(setCount),
      lastPaired: false,
      now: () => env.clock.now(),
    }
    this.loop = new PushLoop(env, boot, this.bench)
  }

  /** One turn of the loop; false when there was nothing to do. */
  turn(): boolean {
    const { replicas } = this.bench
    // By index: an iterator is an object per turn.
    for (let at = 0; at < replicas.length; at++) replicas[at]!.ends?.writer.hold(FRAMES_HELD_MAX)
    const hasWorked = this.loop.turn()
    for (let at = 0; at < replicas.length; at++) replicas[at]!.ends?.writer.letGo()
    if (this.drained.length > 0 && this.loop.isIdle()) {
      for (const resolve of this.drained.splice(0)) resolve()
    }
    return hasWorked
  }

  /** After a turn that worked: whether the next one has something to do though no frames wait. */
  hasMore(): boolean {
    return this.drained.length > 0 || this.loop.hasMore()
  }

  /** Takes main's link, in place of an earlier one. */
  linkMain(ends: LinkEnds): void {
    this.loop.linkMain(ends)
  }

  /**
   * Takes a shard's link of a new generation: nothing is defined on it, and pushes that wait for
   * acks of the old one are answered 503.
   *
   * @throws RangeError when the link's frames are too small to carry a series
   */
  linkShard(index: number, ends: LinkEnds): void {
    this.loop.linkShard(index, ends)
    const frames = this.bench.replicas.flatMap(({ ends }) =>
      ends === undefined ? [] : [ends.writer.frameBytesMax],
    )
    const room = Math.min(...frames) - WRITE_HEADER_BYTES - TENANT_BYTES_MAX
    if (room < FRAME_BYTES_MIN) throw new RangeError(`frames of ${room} bytes are too small`)
    const samples = Math.min(SAMPLES_MAX, Math.floor(room / 2 / SAMPLE_BYTES))
    this.bench.kernel.setChunkBounds(samples, room - samples * SAMPLE_BYTES - 8)
  }

  /**
   * Says that the far end of a link is gone: pushes that need the shard get 503 at once, until it is
   * linked again.
   *
   * @param ends of the link that went: nothing happens when a newer one is in its place already
   */
  unlinkShard(index: number, ends?: LinkEnds): void {
    if (ends !== undefined && this.bench.replicas[index]!.ends !== ends) return
    this.loop.unlinkShard(index)
  }

  /**
   * What comes until `forget` is made up: nobody counts it, and it has limits and elections of its own, that
   * others do not see. Each round of a rehearsal has new ones, lest code be made for a single one.
   */
  rehearse(): void {
    const { boot, bench } = this
    bench.cache.clear()
    const metrics = openMetrics()
    const ha = new HaTracker(bench.config.isHaTrackerOn, createHaCells(PRACTICE_ROWS), metrics)
    const practised: Knowledge = {
      limits: new Limits(practiceLimits(boot.limits)),
      cells: new TenantCells(createTenantCells(boot.shardCount, PRACTICE_ROWS)),
      ha,
      senders: new SenderReader(bench.kernel, ha),
      counters: new Counters(metrics),
    }
    Object.assign(bench, practised)
  }

  /** Forgets all that came so far: links, tenants, and all of a rehearsal. */
  forget(): void {
    this.loop.unlinkAll()
    this.bench.cache.clear()
    this.bench.lastPaired = false
    Object.assign(this.bench, this.knowledge)
  }

  /** Takes newer limits: they hold from the next body on. */
  takeLimits(data: LimitsData): void {
    this.knowledge.limits.take(data)
  }

  /** Takes a body that came on main's port because it is too large for the ring. */
  takeOversize(body: OversizeBody): void {
    this.loop.takeOversize(body)
  }

  /** Resolves when all that was taken has been answered. Turns must go on. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      this.drained.push(resolve)
      this.boot.poke()
    })
  }

  /** For /ready and /debug. */
  status(): DistributorStatus {
    const linked = this.bench.replicas.filter(({ ends }) => ends !== undefined).length
    return {
      linkedShards: linked,
      isServing: this.bench.sets.every((set) => set.canServe()),
      inFlight: this.loop.inFlight(),
      tenants: this.bench.cache.size(),
      limitsVersion: this.knowledge.limits.version(),
    }
  }
}

function createKernel(env: Env, boot: DistributorBoot, ring: Hashring): WriteRequestKernel {
  const { config } = boot
  const ids = Math.max(256, Math.ceil(config.seriesIdsMax / 256) * 256)
  return new WriteRequestKernel(
    boot.kernel,
    {
      bodyBytesMax: bodyBytesMax(config) + SLACK_BYTES,
      sourceBytesMax: SOURCE_BYTES_MAX,
      samplesMax: SAMPLES_MAX,
      defineBytesMax: DEFINE_BYTES_MAX,
      shardCount: ring.memberCount,
      seriesIdsMax: ids,
      // Tables at most half full, each with the one it grew out of, and slabs that wait for reuse;
      // records.
      heapBytes: ids * 64 + (16 << 20),
      templateBytes: config.templateBytesMax,
    },
    (bytes) => env.prng.fill(bytes),
    ring,
  )
}

/** The largest body of any protocol, after decompression. */
function bodyBytesMax(config: DistributorConfig): number {
  return Math.max(config.maxRecvMsgSize, config.maxOtlpRequestSize, BODY_BYTES_USUAL)
}
