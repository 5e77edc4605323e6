/**
 * OTLP through a distributor without its thread: ns per sample of bodies of some 2,000 points, as they
 * are and with gzip, by turns. `node dist/bench/actors/distributor/otlp.bench.js [targets]`
 */
import { gzipSync } from 'node:zlib'
import { BODY_GZIP, BODY_OTLP } from '../../../src/shared/wire/frames/index.js'
import { root } from '../../../test/support/otlp.js'
import { report } from '../../figures.js'
import { createRig, NOW, type SendScrape } from './rig.js'

const TARGETS = Number(process.argv[2] ?? 80)
const TARGETS_PER_BODY = 8
const METRICS = 25
const POINTS = 10
const ROUNDS = 40
const SERIES = TARGETS * METRICS * POINTS

const attribute = (key: string, value: string) => ({ key, value: { stringValue: value } })

/** What one target exports at a scrape: counters and gauges by turns. */
function resourceOf(target: number, scrape: number): object {
  const timeUnixNano = `${NOW - 60_000 + scrape * 15_000}000000`
  const dataPoints = (metric: number): object[] =>
    Array.from({ length: POINTS }, (_, point) => ({
      attributes: [
        attribute('pod', `payments-api-${target}-x7f9`),
        attribute('namespace', `team-${target % 7}`),
        attribute('node', `ip-10-0-${target % 30}-17.eu-central-1.compute.internal`),
        attribute('method', ['GET', 'POST', 'PUT', 'DELETE'][point % 4]!),
        attribute('code', String(200 + point)),
      ],
      startTimeUnixNano: `${NOW - 3_600_000}000000`,
      timeUnixNano,
      asDouble: scrape * 17 + point + metric / 3,
    }))
  const metrics = Array.from({ length: METRICS }, (_, metric) =>
    metric % 2 === 0
      ? {
          name: `http_server_requests_${metric}_total`,
          sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: dataPoints(metric) },
        }
      : { name: `process_resident_memory_${metric}`, gauge: { dataPoints: dataPoints(metric) } },
  )
  const attributes = [
    attribute('service.name', 'payments'),
    attribute('service.instance.id', `10.0.${target % 30}.${target}:8080`),
  ]
  return { resource: { attributes }, scopeMetrics: [{ scope: { name: 'bench' }, metrics }] }
}

function bodiesOf(scrape: number): Uint8Array[] {
  const bodies: Uint8Array[] = []
  const type = root.lookupType('Request')
  for (let first = 0; first < TARGETS; first += TARGETS_PER_BODY) {
    const count = Math.min(TARGETS_PER_BODY, TARGETS - first)
    const targets = Array.from({ length: count }, (_, at) => resourceOf(first + at, scrape))
    bodies.push(type.encode(type.fromObject({ resourceMetrics: targets })).finish())
  }
  return bodies
}

const plain = [bodiesOf(0), bodiesOf(1)]
const packed = plain.map((scrape) => scrape.map((body) => gzipSync(body, { level: 1 })))
const common = { series: SERIES, shards: 1 }
const sends: Readonly<Record<string, SendScrape>> = {
  plain: createRig({ ...common, bodies: plain, flags: BODY_OTLP }),
  gzip: createRig({ ...common, bodies: packed, flags: BODY_OTLP | BODY_GZIP }),
}
const best: Record<string, number> = {}
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, send] of Object.entries(sends)) {
    const from = performance.now()
    send(round)
    const each = ((performance.now() - from) * 1e6) / SERIES
    if (round >= 2) best[name] = Math.min(best[name] ?? Number.POSITIVE_INFINITY, each)
  }
}
for (const [name, each] of Object.entries(best))
  report(`distributor, OTLP, ${name}`, each, 'ns/sample')
