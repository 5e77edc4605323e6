/**
 * OTLP in JSON → protobuf, ns per point of a request of 2,000 points with five attributes each, beside
 * what JSON.parse alone takes. `npm run bench -- shared/wire/otlp`
 */
import { Bench } from 'tinybench'
import { encodeJsonRequest } from '../../../src/shared/wire/otlp/index.js'
import { report } from '../../figures.js'

const POINTS = 2_000
const BYTES_MAX = 100 << 20

const points = Array.from({ length: POINTS }, (_, i) => {
  const attributes = ['pod', 'method', 'route', 'code', 'zone'].map(
    (key) => `{"key":"${key}","value":{"stringValue":"${key}-value-${i % 97}"}}`,
  )
  return `{"startTimeUnixNano":"1700000000000000000","timeUnixNano":"17000000${i}00000000","asInt":"${i * 7919}","attributes":[${attributes}]}`
})
const json = Buffer.from(
  `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[${points}]}}]}]}]}`,
)

const bench = new Bench({ time: 500, warmupTime: 100 })
bench.add('otlp json to protobuf', () => encodeJsonRequest(json, BYTES_MAX))
bench.add('the same by JSON.parse, parsing alone', () => JSON.parse(json.toString('utf8')))
await bench.run()
for (const task of bench.tasks) {
  const { result } = task
  if (result.state !== 'completed') throw new Error(`${task.name}: ${result.state}`)
  report(task.name, (result.latency.p50 * 1e6) / POINTS, 'ns/point', `${json.length >> 10} KiB`)
}
