/**
 * Damages bodies of every way in but remote write (which has tests of its own): OTLP as protobuf and
 * JSON, Influx lines, Prometheus' text, plain and compressed. A distributor answers each with 200, 400
 * or 413, and what comes after it is stored as if nothing had been.
 */
import { gzipSync } from 'node:zlib'
import { SeededPrng } from '../../src/shared/base/prng.js'
import {
  BODY_GZIP,
  BODY_INFLUX,
  BODY_OTLP,
  BODY_OTLP_JSON,
  BODY_TEXT,
  BODY_ZSTD,
} from '../../src/shared/wire/frames/index.js'
import { bitsOf, Fixture } from '../actors/distributor/fixture.js'
import { attributes, encode, nanos, type Plain, request } from '../support/otlp.js'

/** What a run found. */
export interface PushFuzz {
  readonly wrong: string[]
  /** Bodies that were taken all the same. */
  readonly taken: number
}

const TIME = 1_700_000_000_000
/** A distributor is replaced after so many cases, so that the seed of a case is near its trouble. */
const CASES_EACH = 500

/** Runs cases; `say` hears of what is wrong. */
export function fuzzPushes(seed: number, count: number, say: (line: string) => void): PushFuzz {
  const wrong: string[] = []
  let taken = 0
  let fixture = newFixture()
  const bodies = goodBodies()
  for (let i = 0; i < count; i++) {
    if (i % CASES_EACH === 0) fixture = newFixture()
    const prng = new SeededPrng(seed + i)
    const [good, flags] = bodies[prng.below(bodies.length)]!
    const isLines = flags === BODY_TEXT || flags === BODY_INFLUX
    // Parameters are put ahead by the server itself.
    const sent = isLines ? lines(damaged(good, prng)) : damaged(good, prng)
    const why = tryBody(fixture, sent, flags)
    if (why === 'taken') taken++
    else if (why !== 'refused') {
      wrong.push(`seed ${seed + i}, flags ${flags}: ${why}`)
      say(wrong.at(-1)!)
      fixture = newFixture()
    }
  }
  return { wrong, taken }
}

function newFixture(): Fixture {
  return new Fixture({ shards: 2, frameRing: 1 << 16 })
}

function tryBody(fixture: Fixture, body: Uint8Array, flags: number): string {
  try {
    takeSamples(fixture)
    const { status, text } = fixture.push(body, 'acme', flags)
    if (status !== 200 && status !== 400 && status !== 413) return `answered ${status}: ${text}`
    if (status === 200) {
      // Sent again it is compared with what is kept of it, and not read.
      const first = takeSamples(fixture)
      const again = fixture.push(body, 'acme', flags)
      const second = takeSamples(fixture)
      if (again.status !== 200 || first !== second) {
        return `sent again it was answered ${again.status}, ${second} instead of ${first}`
      }
    }
    for (const shard of fixture.shards) shard.samples.clear()
    const metric = {
      name: 'after',
      gauge: { dataPoints: [{ timeUnixNano: nanos(TIME), asDouble: 2 }] },
    }
    fixture.push(encode('Request', request([metric])), 'after', BODY_OTLP)
    const found = fixture.shards.flatMap((shard) => shard.samples.get('after|__name__=after') ?? [])
    const isGood = found.length === 1 && found[0] === `${TIME}:${bitsOf(2)}`
    if (!isGood) return `the next push came out as ${found.join(' ')}`
    return status === 200 ? 'taken' : 'refused'
  } catch (error) {
    return (error as Error).stack ?? String(error)
  }
}

/** What the shards were sent, which they have no longer. */
function takeSamples({ shards }: Fixture): string {
  const text = shards.map(({ samples }) => JSON.stringify([...samples].sort())).join(' ')
  for (const { samples } of shards) samples.clear()
  return text
}

function damaged(good: Uint8Array, prng: SeededPrng): Uint8Array {
  const bytes = Uint8Array.from(good)
  for (let i = 1 + prng.below(6); i > 0; i--) {
    const at = prng.below(bytes.length)
    if (prng.below(3) === 0) bytes[at] = prng.below(256)
    else if (prng.below(2) === 0) bytes[at] = bytes[at]! ^ (1 << prng.below(8))
    else bytes.copyWithin(at, prng.below(bytes.length), prng.below(bytes.length))
  }
  return prng.below(4) === 0 ? bytes.subarray(0, Math.max(4, prng.below(bytes.length))) : bytes
}

function goodBodies(): [Uint8Array, number][] {
  const message = otlpMessage()
  const otlp = encode('Request', message)
  const json = Buffer.from(JSON.stringify(message))
  const text = Buffer.from(
    '# TYPE a counter\na{b="c\\n",d="e"} 1 5\nf 2\n{"g.h",i="j"} NaN # {} 1\n',
  )
  const influx = Buffer.from(
    'm,a=b\\ c value=1,x=2i,t="q\\"",u=t 1700000000000000000\nn f=-1.5e3\n',
  )
  return [
    [otlp, BODY_OTLP],
    [encode('Request', repeatedMessage()), BODY_OTLP],
    [json, BODY_OTLP_JSON],
    [gzipSync(otlp), BODY_OTLP | BODY_GZIP],
    [
      Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 4, 0x21, 0, 0, 10, 0, 10, 0),
      BODY_OTLP | BODY_ZSTD,
    ],
    [text, BODY_TEXT],
    [influx, BODY_INFLUX],
  ]
}

/** Lines behind empty parameters. */
function lines(text: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(2, 0, 0, 0), Buffer.from('{}'), text])
}

/** Nothing but what a sender's repetitions are compared for. */
function repeatedMessage(): Plain {
  const common = { timeUnixNano: nanos(TIME), attributes: attributes({ 'a.b': 'c', d: 'e' }) }
  const cumulative = { aggregationTemporality: 2 }
  const buckets = { count: 3, sum: 2, bucketCounts: [1, 2], explicitBounds: [1] }
  const metrics: Plain[] = [
    { name: 'g', unit: 's', gauge: { dataPoints: [{ ...common, asDouble: 1 }] } },
    { name: 'c', sum: { ...cumulative, isMonotonic: true, dataPoints: [{ ...common, asInt: 7 }] } },
    { name: 'h', histogram: { ...cumulative, dataPoints: [{ ...common, ...buckets }] } },
  ]
  return request(metrics, { 'service.name': 'n', zone: 'z' })
}

function otlpMessage(): Plain {
  const common = { timeUnixNano: nanos(TIME), attributes: attributes({ 'a.b': 'c', d: 'e' }) }
  const exemplars = [{ timeUnixNano: nanos(TIME), asDouble: 1 }]
  const cumulative = { aggregationTemporality: 2 }
  const metrics: Plain[] = [
    { name: 'g', unit: 's', gauge: { dataPoints: [{ ...common, asDouble: 1 }] } },
    {
      name: 'c',
      sum: { ...cumulative, isMonotonic: true, dataPoints: [{ ...common, asInt: 7, exemplars }] },
    },
    {
      name: 'h',
      histogram: {
        ...cumulative,
        dataPoints: [
          { ...common, count: 3, sum: 2, bucketCounts: [1, 2], explicitBounds: [1], exemplars },
        ],
      },
    },
    {
      name: 'e',
      exponentialHistogram: {
        ...cumulative,
        dataPoints: [
          { ...common, count: 3, sum: 2, scale: 3, positive: { offset: 1, bucketCounts: [1, 2] } },
        ],
      },
    },
    {
      name: 's',
      summary: {
        dataPoints: [
          { ...common, count: 3, sum: 2, quantileValues: [{ quantile: 0.5, value: 1 }] },
        ],
      },
    },
  ]
  return request(metrics, { 'service.name': 'n', 'service.instance.id': 'i', zone: 'z' })
}
