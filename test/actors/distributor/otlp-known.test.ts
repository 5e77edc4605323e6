/**
 * OTLP bodies that are like earlier ones: what templates give (assembly/otlp-known.ts) is what walking
 * each body gives, to the sample, and whatever changes is seen.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import * as otlp from '../../../src/shared/kernels/assembly/otlp-layout.js'
import { BODY_OTLP } from '../../../src/shared/wire/frames/index.js'
import { testLimits } from '../../support/limits.js'
import { attributes, encode, nanos, type Plain } from '../../support/otlp.js'
import { Fixture } from './fixture.js'

const SEED = Number(process.env['SEED'] ?? 1)
const START = 1_700_000_000_000
const CUMULATIVE = 2

/** Samples of the last body that templates gave. */
function knownSamples(fixture: Fixture): number {
  const { kernel } = fixture.distributor['bench']
  return kernel.words[(kernel.otlp + otlp.OTLP_KNOWN_SAMPLES) >>> 2]!
}

/** A fleet whose exports have the same shape, but for what a test changes. */
class Fleet {
  readonly random: SeededPrng
  /** ms. */
  time = START
  /** When counting began, by target. */
  readonly begun = new Map<number, number>()

  constructor(seed: number) {
    this.random = new SeededPrng(seed)
  }

  below(most: number): number {
    return this.random.nextU32() % most
  }

  /** The export of a target; `change` is one of what may happen to it. */
  target(index: number, change = 0): Plain {
    const at = this.time + (change === 1 ? 86_400_000 : index)
    if (change === 2) this.begun.set(index, this.time - 500)
    const common = (labels: Record<string, string>): Plain => ({
      startTimeUnixNano: nanos(this.begun.get(index) ?? START - 60_000),
      timeUnixNano: nanos(change === 3 && this.below(2) === 0 ? at - 15 : at),
      attributes: attributes({ pod: `p${index}`, ...labels }),
    })
    const number = (labels: Record<string, string>, isInt: boolean): Plain => ({
      ...common(labels),
      ...(isInt ? { asInt: this.below(9_000) - 4_000 } : { asDouble: this.below(1_000_000) / 64 }),
    })
    const codes = change === 4 ? ['200', '404', '500'] : ['200', '500']
    const last = codes.map((code) => number({ code }, true))
    if (change === 5) last[0]!['exemplars'] = [{ timeUnixNano: nanos(at), asInt: 3 }]
    if (change === 6) last[0]!['flags'] = 1
    const histogram = (i: number, hasSum: boolean): Plain => ({
      ...common({ le2: `${i}` }),
      count: 40 + this.below(5),
      ...(hasSum
        ? { sum: this.below(10_000) / 8, min: this.below(3), max: 90 + this.below(9) }
        : {}),
      bucketCounts: [1, 2, 3].map((n) => n + this.below(10)),
      explicitBounds: [0.5, change === 7 ? 2 : 1],
    })
    const sum = { aggregationTemporality: CUMULATIVE, isMonotonic: true }
    const metrics: Plain[] = [
      { name: 'temperature', unit: 'Cel', gauge: { dataPoints: [number({}, false)] } },
      { name: 'requests', sum: { ...sum, dataPoints: last } },
      {
        name: 'latency',
        histogram: {
          aggregationTemporality: CUMULATIVE,
          dataPoints: [histogram(0, true), histogram(1, false)],
        },
      },
      { name: 'empty', gauge: { dataPoints: [] } },
    ]
    if (change === 8) metrics.reverse()
    const resource = {
      'service.name': 'shop',
      'service.instance.id': `i${index}`,
      'host.name': change === 9 ? 'moved' : `h${index}`,
    }
    return {
      resource: { attributes: attributes(resource) },
      scopeMetrics: [{ scope: { name: 's' }, metrics }],
    }
  }

  body(changes: readonly number[]): Uint8Array {
    this.time += 1_000
    const resourceMetrics = changes.map((change, index) => this.target(index, change))
    return encode('Request', { resourceMetrics })
  }
}

/** A distributor with templates, and one that walks everything. */
class Pair {
  readonly knowing: Fixture
  readonly walking: Fixture

  constructor(shards: number, frameRing: number) {
    this.knowing = new Fixture({ shards, frameRing })
    this.walking = new Fixture({ shards, frameRing, config: { templateBytesMax: 0 } })
  }

  /** Sends a body to both; how many of its samples templates gave. */
  push(body: Uint8Array, tenant = 'acme'): number {
    const [one, other] = this.both().map((fixture) => fixture.push(body, tenant, BODY_OTLP))
    assert.deepEqual({ ...one, requestId: 0 }, { ...other, requestId: 0 })
    assert.equal(knownSamples(this.walking), 0)
    return knownSamples(this.knowing)
  }

  both(): Fixture[] {
    return [this.knowing, this.walking]
  }

  /** What all shards have, and metadata told. */
  compare(): void {
    const [one, other] = this.both().map((fixture) => ({
      samples: fixture.shards.map((shard) => new Map([...shard.samples].sort())),
      metadata: fixture.shards.map((shard) => shard.metadata),
    }))
    assert.deepEqual(one, other)
  }
}

const PLAIN = [0, 0, 0, 0]
/** Series of an export: a gauge, two counters, a histogram with and one without a sum; no target_info. */
const SAMPLES = 1 + 2 + 5 + 4

for (const frameRing of [1 << 20, 1 << 15]) {
  test(`templates give what a walk gives, frames of ${frameRing / 2} bytes (seed ${SEED})`, () => {
    const fleet = new Fleet(SEED)
    const pair = new Pair(2, frameRing)
    let known = 0
    for (let round = 0; round < 150; round++) {
      const changes = PLAIN.map(() => (fleet.below(4) === 0 ? fleet.below(10) : 0))
      known += pair.push(fleet.body(changes))
    }
    pair.compare()
    assert.ok(known > 150 * SAMPLES, `${known} samples by templates`)
  })
}

test('from the third body on nothing but target_info is walked', () => {
  const fleet = new Fleet(SEED)
  const pair = new Pair(1, 1 << 20)
  pair.push(fleet.body(PLAIN))
  pair.push(fleet.body(PLAIN))
  for (let round = 0; round < 5; round++) {
    assert.equal(pair.push(fleet.body(PLAIN)), PLAIN.length * SAMPLES)
  }
  // A new start changes nothing; another point, name order or resource does, for its target alone.
  assert.equal(pair.push(fleet.body([2, 0, 0, 0])), 4 * SAMPLES)
  for (const change of [4, 5, 6, 7, 8, 9]) {
    assert.equal(pair.push(fleet.body([0, change, 0, 0])), 3 * SAMPLES, `change ${change}`)
    assert.equal(pair.push(fleet.body(PLAIN)), 4 * SAMPLES)
  }
  pair.compare()
})

test('two exports of one target in a body stay in order, the first of them new or not', () => {
  const fleet = new Fleet(SEED)
  const pair = new Pair(1, 1 << 20)
  for (let round = 0; round < 6; round++) {
    const first = fleet.target(0, round % 3 === 2 ? 4 : 0)
    fleet.time += 1_000
    const second = fleet.target(0)
    fleet.time += 1_000
    pair.push(encode('Request', { resourceMetrics: [first, second] }))
  }
  pair.compare()
})

test('what is not defined any more, or out of bounds, is walked', async () => {
  const fleet = new Fleet(SEED)
  const pair = new Pair(2, 1 << 20)
  const warm = () => {
    for (let round = 0; round < 3; round++) pair.push(fleet.body(PLAIN))
    assert.equal(pair.push(fleet.body(PLAIN)), 4 * SAMPLES)
  }
  warm()
  // A shard begins anew: its series are defined again, which templates do not.
  for (const fixture of pair.both()) fixture.relink(1)
  assert.ok(pair.push(fleet.body(PLAIN)) < 4 * SAMPLES)
  warm()
  // A time in the far future is told, the others are stored.
  assert.equal(pair.push(fleet.body([1, 0, 0, 0])), 3 * SAMPLES)
  warm()
  // Metadata are told again every four minutes.
  const told = pair.knowing.shards.reduce((sum, shard) => sum + shard.metadata.length, 0)
  for (const fixture of pair.both()) await fixture.env.clock.advance(240_000)
  assert.equal(pair.push(fleet.body(PLAIN)), 0)
  const now = pair.knowing.shards.reduce((sum, shard) => sum + shard.metadata.length, 0)
  assert.ok(now > told)
  assert.equal(pair.push(fleet.body(PLAIN)), 4 * SAMPLES)
  // Limits under which names are others: all series are.
  const limits = testLimits({ max_label_names_per_series: 3 }, {}, 2)
  for (const fixture of pair.both()) fixture.distributor.takeLimits(limits)
  assert.equal(pair.push(fleet.body(PLAIN)), 0)
  pair.push(fleet.body(PLAIN))
  pair.push(fleet.body(PLAIN))
  pair.compare()
})

test('tenants have templates of their own', () => {
  const fleet = new Fleet(SEED)
  const pair = new Pair(1, 1 << 20)
  for (let round = 0; round < 4; round++) pair.push(fleet.body(PLAIN))
  assert.equal(pair.push(fleet.body(PLAIN), 'other'), 0)
  for (let round = 0; round < 2; round++) pair.push(fleet.body(PLAIN), 'other')
  assert.equal(pair.push(fleet.body(PLAIN), 'other'), 4 * SAMPLES)
  pair.compare()
})

test('when ids run out a known body is taken whole all the same', () => {
  const fleet = new Fleet(SEED)
  const config = { seriesIdsMax: 256 }
  const knowing = new Fixture({ config })
  const walking = new Fixture({ config: { ...config, templateBytesMax: 0 } })
  for (let round = 0; round < 40; round++) {
    // Known ones first, and then more new series than there are ids.
    const many = round % 4 === 3 ? 24 : 3
    fleet.time += 1_000
    const targets = Array.from({ length: many }, (_, i) => fleet.target(i < 3 ? i : i + 30 * round))
    const body = encode('Request', { resourceMetrics: targets })
    for (const fixture of [knowing, walking]) {
      assert.equal(fixture.push(body, 'acme', BODY_OTLP).status, 200)
    }
  }
  const all = [knowing, walking].map(({ shards }) => new Map([...shards[0]!.samples].sort()))
  assert.deepEqual(all[0], all[1])
})
