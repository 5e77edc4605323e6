/**
 * One run of the simulation over a head that spills: samples in order and late, passes over it, a
 * disk that refuses chunk files, cuts, deaths, and readers, in the middle of whose reads the shard
 * goes on, as a seed decides. What a reader finds under its lease, with the blocks that are listed
 * afterwards, is all that was acknowledged and nothing else. Called by spills.test.ts and `npm run sim`.
 */
import assert from 'node:assert/strict'
import type { Ingester } from '../../src/actors/ingester/ingester.js'
import { SeededPrng } from '../../src/shared/base/prng.js'
import { HeadReader, type ReadBuffer } from '../../src/shared/tsdb/index.js'
import { CutBed, type Sample, Shard } from '../actors/ingester/harness.js'
import { type DiskCall, type DiskFault, FakeDisk } from '../support/fake-disk.js'
import { createFakeEnv, type FakeEnv } from '../support/fake-env.js'
import { headModule } from '../support/head-source.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const START = Math.ceil(1_700_000_000_000 / (2 * HOUR)) * 2 * HOUR
const NAMES = ['s0', 's1', 's2', 's3']
const CHUNK_FILES = 'data/ingester-0/chunks/'
const STEPS = 60
/** Turns that a shard takes at most while a reader waits for the disk. */
const TURNS_MAX = 12

/** To plant bugs. */
export interface SpillOptions {
  readonly disk?: FakeDisk
  /** Is handed each new life. */
  readonly onIngester?: (ingester: Ingester) => void
}

/** Runs one seed. @throws AssertionError, or an AppError of a read, when a promise is broken */
export async function runSpills(seed: number, options: SpillOptions = {}): Promise<void> {
  const world = new SpillWorld(seed, options)
  await world.live()
  for (let step = 0; step < STEPS; step++) {
    await world.push()
    await world.disturb()
  }
  world.isRefused = false
  await world.read()
  world.noteSpilled()
  assert.ok(world.chunksSpilled > 0, 'nothing was spilled')
}

class SpillWorld {
  chunksSpilled = 0
  /** The disk takes no chunk files. */
  isRefused = false
  private readonly prng: SeededPrng
  private readonly disk: FakeDisk
  private readonly options: SpillOptions
  private readonly sent = new Map(NAMES.map((name) => [name, new Map<number, number>()]))
  private env!: FakeEnv
  private cuts!: CutBed
  private shard!: Shard
  private reader!: HeadReader
  /** Of another querier: what is cut waits as long as it has an older lease. */
  private other!: HeadReader
  private lives = 0
  private now = START
  private isReading = false
  private isDead = false

  constructor(seed: number, options: SpillOptions) {
    this.prng = new SeededPrng(seed ^ 0x5b111)
    this.disk = options.disk ?? new FakeDisk()
    this.options = options
    this.disk.fault = (call) => this.faultOf(call)
  }

  private faultOf({ what, path }: DiskCall): DiskFault {
    if (this.isDead) return { fail: 'EDEAD' }
    if (!path.startsWith(CHUNK_FILES)) return undefined
    if (this.isReading) {
      this.isReading = false
      const { clock } = this.env
      for (let turns = this.prng.below(TURNS_MAX); turns > 0; turns--) {
        clock.set(clock.now() + this.prng.below(1_000))
        this.shard.ingester.turn()
      }
      this.isReading = true
    }
    if (what !== 'write' || !this.isRefused || this.prng.below(3) === 0) return undefined
    return this.prng.below(2) === 0 ? { fail: 'ENOSPC' } : { shortBytes: this.prng.below(200) }
  }

  /** A new life, of main and the compactor as well. */
  async live(): Promise<void> {
    this.env = createFakeEnv({ disk: this.disk, now: this.now + this.lives, seed: ++this.lives })
    this.cuts = new CutBed(this.env)
    this.shard = new Shard(this.env, {
      cuts: this.cuts,
      limits: { out_of_order_time_window: 20 * HOUR },
      // Every other life cuts by halves as soon as there is a closed chunk.
      config: {
        spillBytes: 1,
        spillAfterMs: 0,
        snapshotLogBytes: 20_000,
        cutBytes: this.lives % 2,
      },
    })
    this.options.onIngester?.(this.shard.ingester)
    this.reader = new HeadReader(this.shard.memory, headModule(), 1, this.disk)
    this.other = new HeadReader(this.shard.memory, headModule(), 2, this.disk)
    await this.shard.ready()
  }

  /** The process ends without a word: what it is about to do fails. */
  private async die(): Promise<void> {
    this.noteSpilled()
    this.isDead = true
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
    this.isDead = false
    this.reader.close()
  }

  /** Counts what this life has spilled. */
  noteSpilled(): void {
    this.chunksSpilled += this.env.metrics.value('nilo_ingester_chunks_spilled_total', '0')
  }

  /** Some minutes go by, and what comes in them is taken, some of it late. */
  async push(): Promise<void> {
    const { prng, shard, env } = this
    const minutes = 1 + prng.below(25)
    await env.timers.advance(minutes * MINUTE)
    const samples: Sample[] = []
    for (const name of NAMES) {
      for (let minute = 1; minute <= minutes; minute += 2) {
        this.add(samples, name, this.now + minute * MINUTE)
      }
      for (let late = prng.below(8); late > 0; late--) {
        this.add(samples, name, this.now - prng.below(10 * HOUR))
      }
    }
    this.now += minutes * MINUTE
    const { status, text } = shard.push('t', samples)
    assert.equal(status, 0, text)
  }

  private add(samples: Sample[], name: string, t: number): void {
    const known = this.sent.get(name)!
    if (known.has(t)) return
    const value = this.prng.below(100_000) / 8
    known.set(t, value)
    samples.push([name, t, value])
  }

  async disturb(): Promise<void> {
    const { prng, shard } = this
    const dice = prng.below(100)
    if (dice < 15) shard.ingester.calls.flush({ tenants: [], wait: true }).catch(() => {})
    else if (dice < 20) {
      await this.die()
      await this.live()
    } else if (dice < 30) this.isRefused = true
    else if (dice < 40) this.isRefused = false
    else if (dice < 60) this.other.takeLease()
    await this.turns(prng.below(60))
    if (prng.below(3) === 0) await this.read()
    if (prng.below(4) === 0) await shard.rest()
  }

  private async turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn++) {
      this.shard.ingester.turn()
      this.shard.takeAcks()
      if (turn % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** As a query does it: lease, selection, block list, samples. */
  async read(): Promise<void> {
    const { reader, shard } = this
    reader.takeLease()
    try {
      const found = new Map<string, Map<number, number>>()
      const refs: [string, number][] = []
      for (const name of NAMES) {
        const matchers = [{ name: '__name__', op: '=', value: name } as const]
        const range = { mint: Number.NEGATIVE_INFINITY, maxt: Number.POSITIVE_INFINITY }
        const selected = await shard.ingester.calls.select({ tenant: 't', matchers, ...range })
        for (const ref of selected.refs) refs.push([name, ref])
      }
      for (const [name, samples] of await this.cuts.samples(this.disk, 't')) {
        found.set(name, new Map(samples))
      }
      this.other.endLease()
      for (const [name, ref] of refs) {
        const samples = found.get(name) ?? new Map<number, number>()
        found.set(name, samples)
        for (const [t, value] of this.readSeries(ref)) samples.set(t, value)
      }
      for (const name of NAMES) assertSame(name, found.get(name) ?? new Map(), this.sent.get(name)!)
    } finally {
      reader.endLease()
    }
  }

  private readSeries(ref: number): [number, number][] {
    const out: ReadBuffer = { ts: new Float64Array(0), values: new Float64Array(0), count: 0 }
    // Files that it has open stay readable: each read finds its own.
    this.reader.close()
    this.isReading = true
    try {
      this.reader.read(ref, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, out)
    } finally {
      this.isReading = false
    }
    return Array.from({ length: out.count }, (_, i) => [out.ts[i]!, out.values[i]!])
  }
}

function assertSame(
  name: string,
  found: ReadonlyMap<number, number>,
  sent: ReadonlyMap<number, number>,
): void {
  for (const [t, value] of sent) {
    assert.equal(found.get(t), value, `${name} at ${t} was acknowledged and is not there`)
  }
  for (const t of found.keys())
    assert.ok(sent.has(t), `${name} at ${t} is there and was never sent`)
}
