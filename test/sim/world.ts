/**
 * The whole write and read path in one thread: main's client, distributors, ingester shards and a
 * querier over a fake clock and disk, driven turn by turn. Links are made as the supervisor makes
 * them; a killed actor is dropped with its rings, and its next life finds only the disk.
 */
import assert from 'node:assert/strict'
import { DistributorClient } from '../../src/actors/distributor/client.js'
import {
  DISTRIBUTOR_DEFAULTS,
  type DistributorConfig,
  type PushAnswer,
} from '../../src/actors/distributor/contract.js'
import { Distributor } from '../../src/actors/distributor/distributor.js'
import { INGESTER_DEFAULTS, type IngesterConfig } from '../../src/actors/ingester/contract.js'
import { Ingester } from '../../src/actors/ingester/ingester.js'
import { querierConfigOf } from '../../src/actors/querier/client.js'
import type { QuerierQuery } from '../../src/actors/querier/contract.js'
import { Querier } from '../../src/actors/querier/querier.js'
import { type LinkEnd, makeLink, openLink } from '../../src/shared/actor/index.js'
import { defaultConfig } from '../../src/shared/config/index.js'
import { placeOf } from '../../src/shared/hashring/index.js'
import { createHeadMemory } from '../../src/shared/kernels/head.js'
import { compileKernel } from '../../src/shared/kernels/load.js'
import { createTenantCells, type LimitsData } from '../../src/shared/limits/index.js'
import { type RingStats, ringStats } from '../../src/shared/ringbuf/index.js'
import { HeadReader } from '../../src/shared/tsdb/index.js'
import type { FakeDisk } from '../support/fake-disk.js'
import { createFakeEnv, type FakeEnv } from '../support/fake-env.js'
import { headModule } from '../support/head-source.js'
import { testLimits } from '../support/limits.js'
import { taskOf, textOf } from '../support/querier.js'

/** How a world is made. */
export interface WorldOptions {
  readonly disk?: FakeDisk
  readonly distributors?: number
  /** Of all zones. */
  readonly shards?: number
  /** Each has its own root on the disk, `data`, `data-1` … */
  readonly zones?: number
  readonly seed?: number
  /** Ring sizes: bodies, frames, acks, answers. */
  readonly bodyRing?: number
  readonly writeRing?: number
  readonly ackRing?: number
  readonly answerRing?: number
  readonly distributor?: Partial<DistributorConfig>
  readonly ingester?: Partial<IngesterConfig>
  readonly limits?: LimitsData
  /** Are handed each new life, to plant bugs. */
  readonly onDistributor?: (distributor: Distributor) => void
  readonly onIngester?: (ingester: Ingester) => void
}

/** A row of an instant query's answer. */
export interface Row {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [number, string]
}

const PAGES = 2048
const MIB = 1 << 20
const pushKernel = compileKernel('write-request')

/** Where a zone's shards keep their files. */
export function zoneRoot(zone: number): string {
  return zone === 0 ? 'data' : `data-${zone}`
}

export class World {
  readonly env: FakeEnv
  readonly client: DistributorClient
  readonly distributors: (Distributor | undefined)[] = []
  readonly ingesters: (Ingester | undefined)[] = []
  private readonly querier: Querier
  private readonly options: WorldOptions
  /** Main's or the distributor's end of each link, `main-0`, `0-1`. */
  private readonly ends = new Map<string, LinkEnd>()
  private readonly relinks: (() => void)[] = []
  private readonly hanging = new Set<number>()
  /** Shards that take a turn now and then: every so many ms, and when the next one is. */
  private readonly slow = new Map<number, { readonly everyMs: number; nextMs: number }>()
  private generation = 0
  private readonly zones: number
  private readonly tenantCells: SharedArrayBuffer
  private limits: LimitsData

  constructor(options: WorldOptions = {}) {
    this.options = options
    this.env = createFakeEnv({
      seed: options.seed ?? 1,
      ...(options.disk === undefined ? {} : { disk: options.disk }),
    })
    const { distributors = 1, shards = 1 } = options
    this.client = new DistributorClient(this.env, distributors)
    const config = querierConfigOf(defaultConfig())
    this.zones = options.zones ?? 1
    const { zones } = this
    this.tenantCells = createTenantCells(shards)
    this.limits = options.limits ?? testLimits()
    this.querier = new Querier(this.env, {
      config,
      shardCount: shards,
      zones,
      ...this.tenancy(),
      kernel: headModule(),
    })
    this.ingesters.length = shards
    for (let index = 0; index < shards; index++) this.startIngester(index)
    for (let index = 0; index < distributors; index++) this.startDistributor(index)
  }

  private tenancy() {
    return { tenantCells: this.tenantCells, limits: this.limits }
  }

  /** Newer limits, for everybody. */
  takeLimits(data: LimitsData): void {
    this.limits = data
    for (const actor of [...this.distributors, ...this.ingesters, this.querier]) {
      actor?.takeLimits(data)
    }
  }

  /** A new life of a distributor, linked with all that lives. */
  startDistributor(index: number): void {
    this.distributors[index] = new Distributor(this.env, {
      index,
      shardCount: this.ingesters.length,
      zones: this.zones,
      ...this.tenancy(),
      config: {
        ...DISTRIBUTOR_DEFAULTS,
        maxRecvMsgSize: 16 * MIB,
        templateBytesMax: 1 * MIB,
        seriesIdsMax: 65_536,
        ...this.options.distributor,
      },
      kernel: pushKernel,
      // The supervisor answers later, from its own thread.
      onRelink: (shard) => this.relinks.push(() => this.linkShard(index, shard)),
      poke: () => {},
    })
    this.options.onDistributor?.(this.distributors[index])
    const { bodyRing = MIB, answerRing = MIB / 16 } = this.options
    const [mine, theirs] = this.makeLink(`main-${index}`, bodyRing, answerRing, index)
    this.distributors[index].linkMain(openLink(theirs))
    this.client.link({ ...openLink(mine), index })
    // A test that fails must not keep the process alive.
    mine.port.unref()
    for (let shard = 0; shard < this.ingesters.length; shard++) this.linkShard(index, shard)
  }

  /** A new life of a shard: a new memory, the same disk. Replays in its turns. */
  startIngester(index: number): void {
    const memory = createHeadMemory(PAGES)
    const place = placeOf(index, this.ingesters.length / this.zones)
    const ingester = new Ingester(this.env, {
      index,
      shardCount: this.ingesters.length,
      place,
      ...this.tenancy(),
      config: { ...INGESTER_DEFAULTS, dataDir: zoneRoot(place.zone), ...this.options.ingester },
      memory,
      kernel: headModule(),
    })
    this.options.onIngester?.(ingester)
    this.ingesters[index] = ingester
    const reader = new HeadReader(memory, headModule(), 0, this.env.disk)
    this.querier.link(index, { calls: ingester.calls, reader })
    for (let at = 0; at < this.distributors.length; at++) this.linkShard(at, index)
  }

  /** A distributor ends without a word. */
  killDistributor(index: number): void {
    this.distributors[index] = undefined
    this.client.unlink(index)
  }

  /** A shard ends without a word; what it wrote to the disk stays. */
  killIngester(index: number): void {
    this.ingesters[index] = undefined
    for (const distributor of this.distributors) distributor?.unlinkShard(index)
  }

  /** A shard stands still (or goes on): it keeps what it has, and takes no turns. */
  hang(index: number, isHanging = true): void {
    if (isHanging) this.hanging.add(index)
    else this.hanging.delete(index)
  }

  /** A shard takes a turn every so many ms; 0: as often as it can. */
  slowDown(index: number, everyMs: number): void {
    if (everyMs === 0) this.slow.delete(index)
    else this.slow.set(index, { everyMs, nextMs: 0 })
  }

  private takesTurn(index: number): boolean {
    const slow = this.slow.get(index)
    const now = this.env.clock.monotonic()
    if (this.hanging.has(index) || (slow !== undefined && now < slow.nextMs)) return false
    if (slow !== undefined) slow.nextMs = now + slow.everyMs
    return true
  }

  /** One round: every actor one turn, in an order that the seed decides. False when all were idle. */
  round(): boolean {
    for (const relink of this.relinks.splice(0)) relink()
    const shards = this.ingesters.filter((_, index) => this.takesTurn(index))
    const turns = [this.client, ...this.distributors, ...shards]
    let isBusy = false
    while (turns.length > 0) {
      const [actor] = turns.splice(this.env.prng.below(turns.length), 1)
      isBusy = (actor?.turn() ?? false) || isBusy
    }
    return isBusy
  }

  /** Rounds and time until nothing moves for a while. */
  async settle(): Promise<void> {
    for (let idle = 0; idle < 3; ) {
      idle = this.round() ? 0 : idle + 1
      await this.env.timers.advance(1)
    }
  }

  /** A push, driven to its answer. */
  async push(tenant: string, body: Uint8Array): Promise<PushAnswer> {
    let answer: PushAnswer | undefined
    const pushed = this.client.push(tenant, [body], body.length).then(
      (value) => {
        answer = value
      },
      (error: Error) => {
        answer = { status: 503, text: error.message, retryable: true }
      },
    )
    for (let rounds = 0; answer === undefined; rounds++) {
      assert.ok(rounds < 20_000, 'a push is never answered')
      this.round()
      await this.env.timers.advance(1)
    }
    await pushed
    return answer
  }

  /** An instant query's rows. */
  async query(tenant: string, text: string, atMs: number): Promise<readonly Row[]> {
    const query: QuerierQuery = { kind: 'query', text, atMs, lookbackMs: 0, limit: 0 }
    const answer = await this.querier.run(taskOf(tenant, query))
    return (JSON.parse(textOf(answer)) as { data: { result: Row[] } }).data.result
  }

  /** All samples of a selector's series up to `atMs`, as [ms, value], by their labels as JSON. */
  async samples(
    tenant: string,
    selector: string,
    atMs: number,
  ): Promise<Map<string, Map<number, number>>> {
    const rows = (await this.query(tenant, `${selector}[10h]`, atMs)) as unknown as {
      metric: Record<string, string>
      values: [number, string][]
    }[]
    return new Map(
      rows.map(({ metric, values }) => [
        JSON.stringify(metric),
        new Map(values.map(([seconds, value]) => [Math.round(seconds * 1000), Number(value)])),
      ]),
    )
  }

  /** Counts of a link's rings: what `main-0` or `0-1` (distributor, shard) carries. */
  stats(link: string): { down: RingStats; up: RingStats } {
    const end = this.ends.get(link)
    assert.ok(end !== undefined, `no link ${link}`)
    return { down: ringStats(end.outgoing), up: ringStats(end.incoming) }
  }

  /** Closes the ports of all links, which would keep the process alive. */
  close(): void {
    for (const end of this.ends.values()) end.port.close()
  }

  private linkShard(index: number, shard: number): void {
    const distributor = this.distributors[index]
    const ingester = this.ingesters[shard]
    if (distributor === undefined || ingester === undefined) return
    const { writeRing = MIB, ackRing = MIB / 16 } = this.options
    const [mine, theirs] = this.makeLink(`${index}-${shard}`, writeRing, ackRing, shard)
    ingester.linkDistributor(index, openLink(theirs))
    distributor.linkShard(shard, openLink(mine))
  }

  private makeLink(name: string, downBytes: number, upBytes: number, index: number) {
    this.ends.get(name)?.port.close()
    const generation = ++this.generation
    const from = { peer: 'from', index }
    const ends = makeLink(from, { peer: 'to', index }, { generation, downBytes, upBytes })
    this.ends.set(name, ends[0])
    return ends
  }
}
