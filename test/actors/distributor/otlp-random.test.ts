/**
 * Random OTLP requests, encoded by protobufjs and as JSON with fields in any order, through a
 * distributor whose frames are small: what reaches the shards is what a plain reading of the message
 * says. Damaged ones never do harm.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import { BODY_OTLP, BODY_OTLP_JSON } from '../../../src/shared/wire/frames/index.js'
import { encode, type Plain } from '../../support/otlp.js'
import { bitsOf, Fixture } from './fixture.js'

const SEED = Number(process.env['SEED'] ?? 1)
const ROUNDS = 60
const TIME = 1_700_000_000_000
const STALE = '7ff0000000000002'
/** Some come to the same label. */
const KEYS = ['a.b', 'a_b', 'a-b', 'c', 'le', 'http.route', 'ünï']
const NAMES = ['m', 'http.server.duration', 'queue/depth', '9lives', 'up']

type Value = { text: string; sent: Plain }

class Maker {
  readonly random: SeededPrng
  readonly expected = new Map<string, string>()

  constructor(seed: number) {
    this.random = new SeededPrng(seed)
  }

  below(most: number): number {
    return this.random.nextU32() % most
  }

  private value(): Value {
    const n = this.below(1000)
    switch (this.below(6)) {
      case 0:
        return { text: String(n), sent: { intValue: n } }
      case 1:
        return { text: String(n / 8), sent: { doubleValue: n / 8 } }
      case 2:
        return { text: 'true', sent: { boolValue: true } }
      case 3: {
        const values = [{ stringValue: 'x<' }, { intValue: n }]
        return { text: `["x\\u003c",${n}]`, sent: { arrayValue: { values } } }
      }
      default:
        return { text: `v${n % 7}`, sent: { stringValue: `v${n % 7}` } }
    }
  }

  /** Attributes, and the labels that they are. */
  attributes(): { list: Plain[]; labels: Map<string, string> } {
    const pairs = new Map<string, Value>()
    for (let i = this.below(4); i > 0; i--) pairs.set(KEYS[this.below(KEYS.length)]!, this.value())
    const labels = new Map<string, string>()
    for (const [key, { text }] of [...pairs].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const name = labelOf(key)
      const before = labels.get(name)
      labels.set(name, before === undefined ? text : `${before};${text}`)
    }
    return { list: [...pairs].map(([key, { sent }]) => ({ key, value: sent })), labels }
  }

  request(): Plain {
    this.expected.clear()
    const count = this.below(4)
    return { resourceMetrics: Array.from({ length: count }, (_, i) => this.resource(i)) }
  }

  private resource(index: number): Plain {
    const identity = { job: `svc${index}`, instance: `i${index}` }
    const named = [
      { key: 'service.name', value: { stringValue: identity.job } },
      { key: 'service.instance.id', value: { stringValue: identity.instance } },
      { key: 'host.name', value: { stringValue: 'h' } },
    ]
    let points = 0
    const metrics = Array.from({ length: this.below(6) }, (_, i) => {
      const metric = this.metric(`${NAMES[this.below(NAMES.length)]}.${i}`, identity)
      points += metric.points
      return metric.message
    })
    if (points > 0) {
      const labels = new Map([['host_name', 'h']])
      this.expect('target_info', labels, identity, bitsOf(1))
    }
    return { resource: { attributes: named }, scopeMetrics: [{ scope: { name: 's' }, metrics }] }
  }

  private metric(name: string, identity: Identity): { message: Plain; points: number } {
    const count = this.below(5)
    const seen = new Set<string>()
    const points: Plain[] = []
    const kind = this.below(4)
    for (let i = 0; i < count; i++) {
      const { list, labels } = this.attributes()
      const key = JSON.stringify([...labels].sort())
      if (seen.has(key)) continue
      seen.add(key)
      const isStale = this.below(8) === 0
      const common = {
        timeUnixNano: `${TIME}000000`,
        attributes: list,
        ...(isStale ? { flags: 1 } : {}),
      }
      const tell = (suffix: string, more: [string, string][], value: number): void => {
        const all = new Map([...labels, ...more])
        this.expect(metricOf(name) + suffix, all, identity, isStale ? STALE : bitsOf(value))
      }
      points.push({ ...common, ...this.fill(kind, tell) })
    }
    return { message: { name, unit: 's', ...dataOf(kind, points) }, points: points.length }
  }

  /** The values of a point, each told as the series that it becomes. */
  private fill(kind: number, tell: (s: string, m: [string, string][], v: number) => void): Plain {
    const value = this.below(1_000_000) / 16
    if (kind === 0) {
      tell('', [], value)
      return { asDouble: value }
    }
    if (kind === 1) {
      tell('', [], Math.floor(value))
      return { asInt: Math.floor(value) }
    }
    const count = this.below(500)
    tell('_count', [], count)
    if (kind === 3) {
      tell('_sum', [], value)
      const quantileValues = Array.from({ length: this.below(4) }, (_, i) => {
        tell('', [['quantile', String((i + 1) / 4)]], value + i)
        return { quantile: (i + 1) / 4, value: value + i }
      })
      return { count, sum: value, quantileValues }
    }
    const hasSum = this.below(3) > 0
    if (hasSum) tell('_sum', [], value)
    const bounds = Array.from({ length: this.below(5) }, (_, i) => i + 0.25)
    const bucketCounts = Array.from({ length: bounds.length + 1 }, () => this.below(20))
    let total = 0
    for (const [i, bound] of bounds.entries()) {
      total += bucketCounts[i]!
      tell('_bucket', [['le', String(bound)]], total)
    }
    tell('_bucket', [['le', '+Inf']], count)
    return { count, ...(hasSum ? { sum: value } : {}), bucketCounts, explicitBounds: bounds }
  }

  private expect(
    name: string,
    labels: Map<string, string>,
    identity: Identity,
    bits: string,
  ): void {
    const all = new Map([...labels, ...Object.entries(identity), ['__name__', name] as const])
    const sorted = [...all].filter(([, value]) => value !== '').sort(([a], [b]) => (a < b ? -1 : 1))
    this.expected.set(sorted.map(([k, v]) => `${k}=${v}`).join(','), `${TIME}:${bits}`)
  }

  /** The same message with the fields of its objects in another order. */
  shuffled(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.shuffled(item))
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value).map(([key, item]) => ({
      key,
      item: this.shuffled(item),
      place: this.random.nextU32(),
    }))
    entries.sort((a, b) => a.place - b.place)
    return Object.fromEntries(entries.map(({ key, item }) => [key, item]))
  }
}

type Identity = { job: string; instance: string }

function labelOf(key: string): string {
  const name = key.replace(/[^a-zA-Z0-9_]/g, '_')
  return /^_[^_]/.test(name) ? `key${name}` : name
}

function metricOf(name: string): string {
  const made = name.split(/[^a-zA-Z0-9_:]+/).join('_')
  return /^[0-9]/.test(made) ? `_${made}` : made
}

function dataOf(kind: number, dataPoints: Plain[]): Plain {
  const aggregationTemporality = 2
  if (kind === 0) return { gauge: { dataPoints } }
  if (kind === 1) return { sum: { dataPoints, aggregationTemporality, isMonotonic: true } }
  return kind === 2
    ? { histogram: { dataPoints, aggregationTemporality } }
    : { summary: { dataPoints } }
}

function stored(fixture: Fixture): Map<string, string> {
  const found = new Map<string, string>()
  for (const shard of fixture.shards) {
    for (const [key, samples] of shard.samples) {
      // The same sample twice is two points of one series: labels that came to the same.
      found.set(key.slice(key.indexOf('|') + 1), samples.at(-1)!)
    }
    shard.samples.clear()
  }
  return found
}

function sorted(map: Map<string, string>): [string, string][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1))
}

for (const frameRing of [1 << 20, 1 << 15]) {
  test(`reads what was meant, frames of ${frameRing / 2} bytes (seed ${SEED})`, () => {
    const maker = new Maker(SEED)
    const fixture = new Fixture({ shards: 2, frameRing })
    for (let round = 0; round < ROUNDS; round++) {
      const message = maker.request()
      const asJson = Buffer.from(JSON.stringify(maker.shuffled(message)))
      for (const [body, flags] of [
        [encode('Request', message), BODY_OTLP],
        [asJson, BODY_OTLP_JSON],
      ] as const) {
        const answer = fixture.push(body, 'acme', flags)
        assert.equal(answer.text, '', `round ${round}`)
        assert.equal(answer.status, 200)
        assert.deepEqual(sorted(stored(fixture)), sorted(maker.expected), `round ${round}`)
      }
    }
  })
}

test(`takes good requests after damaged ones (seed ${SEED})`, () => {
  const maker = new Maker(SEED + 7)
  const fixture = new Fixture()
  for (let round = 0; round < 300; round++) {
    const good = encode('Request', maker.request())
    const bad = Uint8Array.from(good)
    for (let i = 1 + maker.below(4); i > 0 && bad.length > 0; i--) {
      bad[maker.below(bad.length)] = maker.below(256)
    }
    const cut = bad.subarray(0, maker.below(4) === 0 ? maker.below(bad.length + 1) : bad.length)
    const answer = fixture.push(cut, 'acme', BODY_OTLP)
    assert.ok(answer.status === 200 || answer.status === 400, answer.text)
  }
  fixture.shards[0]!.samples.clear()
  assert.equal(fixture.push(encode('Request', maker.request()), 'other', BODY_OTLP).status, 200)
  assert.deepEqual(sorted(stored(fixture)), sorted(maker.expected))
})
