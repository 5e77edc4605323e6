/**
 * Something to scrape that has all kinds of metrics: counters that reset, gauges with awkward values,
 * classic and native histograms, exemplars, created times, and series that come and go. Answers in
 * the protobuf format, which alone carries native histograms (io.prometheus.client metrics.proto,
 * length-delimited).
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SeededPrng } from '../../../src/shared/base/prng.js'

/** A target that runs. */
export interface Target {
  /** `127.0.0.1:PORT`. */
  readonly host: string
  close(): Promise<void>
}

const CONTENT_TYPE =
  'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited'
const COUNTER = 0
const GAUGE = 1
const HISTOGRAM = 4
const ROUTES = ['/', '/login', '/cart', '/pay']
const BOUNDS = [0.01, 0.1, 1, 10]
/** Not -0: Prometheus sends that as 0. */
const AWKWARD = [Number.NaN, Number.POSITIVE_INFINITY, -1e-300, 5e-324, 1e300, 0.1]
const SCHEMA = 3
const ZERO_BELOW = 1e-3

/** Starts one; the same seed and number of scrapes give the same values. */
export async function startTarget(seed: number): Promise<Target> {
  const state = new TargetState(seed)
  const server = createServer((_, response) => {
    response.setHeader('content-type', CONTENT_TYPE)
    response.end(state.scrape(Date.now()))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

/** What a route has seen. */
interface Route {
  readonly name: string
  requests: number
  since: number
  observed: number[]
  /** Counts of the native histogram by bucket; of the classic one by bound. */
  native: Map<number, number>
  readonly classic: number[]
  zero: number
  count: number
  sum: number
}

class TargetState {
  private readonly prng: SeededPrng
  private readonly routes: Route[]
  private scrapes = 0

  constructor(seed: number) {
    this.prng = new SeededPrng(seed)
    this.routes = ROUTES.map((name) => newRoute(name, Date.now()))
  }

  scrape(now: number): Buffer {
    this.scrapes++
    for (const [at, route] of this.routes.entries()) {
      // A restart now and then: counters, histograms and created times begin anew.
      if (this.prng.below(60) === 0) this.routes[at] = newRoute(route.name, now)
      this.observe(this.routes[at]!)
    }
    const families = [
      family(
        'app_requests_total',
        COUNTER,
        this.routes.map((route) => counter(route, now)),
      ),
      family('app_load', GAUGE, this.gauges()),
      family('app_pod_info', GAUGE, this.pods()),
      family(
        'app_latency_seconds',
        HISTOGRAM,
        this.routes.map((route) => histogram(route, now)),
      ),
    ]
    return Buffer.concat(families)
  }

  private observe(route: Route): void {
    route.observed = []
    for (let i = this.prng.below(20); i > 0; i--) {
      const value = this.prng.below(15) === 0 ? 0 : 10 ** (this.prng.fraction() * 5 - 3)
      route.requests++
      route.count++
      route.sum += value
      route.observed.push(value)
      for (const [at, bound] of BOUNDS.entries()) if (value <= bound) route.classic[at]! += 1
      if (value <= ZERO_BELOW) route.zero++
      else {
        const bucket = Math.ceil(Math.log2(value) * 2 ** SCHEMA)
        route.native.set(bucket, (route.native.get(bucket) ?? 0) + 1)
      }
    }
  }

  private gauges(): Buffer[] {
    return Array.from({ length: 6 }, (_, n) => {
      const isOdd = this.prng.below(20) === 0
      const value = isOdd ? AWKWARD[this.prng.below(AWKWARD.length)]! : this.prng.below(1e6) / 1e3
      return metric({ n: `${n}` }, field(2, 2, double(1, value)))
    })
  }

  /** A pod lives for some scrapes; its series then ends. */
  private pods(): Buffer[] {
    const first = Math.floor(this.scrapes / 10)
    return Array.from({ length: 5 }, (_, n) =>
      metric(
        { pod: `pod-${first + n}`, node: `ünode-${(first + n) % 3}` },
        field(2, 2, double(1, 1)),
      ),
    )
  }
}

function newRoute(name: string, now: number): Route {
  const classic = BOUNDS.map(() => 0)
  const sums = { requests: 0, zero: 0, count: 0, sum: 0 }
  return { name, since: now, observed: [], native: new Map(), classic, ...sums }
}

function counter(route: Route, now: number): Buffer {
  const parts = [double(1, route.requests), field(3, 2, timestamp(route.since))]
  if (route.observed.length > 0) parts.push(field(2, 2, exemplar(route, now, route.observed[0]!)))
  return metric({ route: route.name }, field(3, 2, Buffer.concat(parts)))
}

function histogram(route: Route, now: number): Buffer {
  const parts = [field(1, 0, varint(route.count)), double(2, route.sum)]
  for (const [at, bound] of BOUNDS.entries()) {
    const bucket = Buffer.concat([field(1, 0, varint(route.classic[at]!)), double(2, bound)])
    parts.push(field(3, 2, bucket))
  }
  parts.push(field(5, 0, varint(zigzag(SCHEMA))), double(6, ZERO_BELOW))
  parts.push(field(7, 0, varint(route.zero)))
  let end = 0
  let before = 0
  for (const [bucket, count] of [...route.native].sort(([a], [b]) => a - b)) {
    const span = [field(1, 0, varint(zigzag(bucket - end))), field(2, 0, varint(1))]
    parts.push(field(12, 2, Buffer.concat(span)))
    parts.push(field(13, 0, varint(zigzag(count - before))))
    end = bucket + 1
    before = count
  }
  // A native histogram without buckets is told by one empty span.
  if (route.native.size === 0) {
    parts.push(field(12, 2, Buffer.concat([field(1, 0, varint(0)), field(2, 0, varint(0))])))
  }
  parts.push(field(15, 2, timestamp(route.since)))
  for (const value of route.observed.slice(0, 2)) {
    parts.push(field(16, 2, exemplar(route, now, value)))
  }
  return metric({ route: route.name }, field(7, 2, Buffer.concat(parts)))
}

function exemplar(route: Route, now: number, value: number): Buffer {
  const label = pair('trace_id', `${route.name}-${route.requests}`)
  return Buffer.concat([field(1, 2, label), double(2, value), field(3, 2, timestamp(now))])
}

function family(name: string, type: number, metrics: readonly Buffer[]): Buffer {
  const parts = [field(1, 2, Buffer.from(name)), field(2, 2, Buffer.from(`Help of ${name}.`))]
  parts.push(field(3, 0, varint(type)), ...metrics.map((one) => field(4, 2, one)))
  const body = Buffer.concat(parts)
  return Buffer.concat([varint(body.length), body])
}

function metric(labels: Readonly<Record<string, string>>, value: Buffer): Buffer {
  const pairs = Object.entries(labels).map(([name, text]) => field(1, 2, pair(name, text)))
  return Buffer.concat([...pairs, value])
}

function pair(name: string, value: string): Buffer {
  return Buffer.concat([field(1, 2, Buffer.from(name)), field(2, 2, Buffer.from(value))])
}

function timestamp(ms: number): Buffer {
  const nanos = (ms % 1000) * 1e6
  return Buffer.concat([field(1, 0, varint(Math.floor(ms / 1000))), field(2, 0, varint(nanos))])
}

/** Wire types: 0 varint, 1 eight bytes, 2 with a length. */
function field(number: number, wire: 0 | 1 | 2, bytes: Buffer): Buffer {
  const tag = varint(number * 8 + wire)
  return Buffer.concat(wire === 2 ? [tag, varint(bytes.length), bytes] : [tag, bytes])
}

function double(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return field(number, 1, bytes)
}

function zigzag(value: number): number {
  return value < 0 ? -value * 2 - 1 : value * 2
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128)
  return Buffer.from([...bytes, value])
}
