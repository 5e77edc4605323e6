import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readMetricBlock } from '../../../src/shared/telemetry/cells.js'
import {
  createMetricBlock,
  type Metrics,
  MetricsRegistry,
  openMetrics,
} from '../../../src/shared/telemetry/index.js'

function thread(registry: MetricsRegistry, name: string): Metrics {
  const first = createMetricBlock()
  registry.attach(name, first)
  return openMetrics(first, (block) => registry.attach(name, block))
}

test('sums the cells of all threads and prints them as Prometheus text', () => {
  const registry = new MetricsRegistry()
  const one = thread(registry, 'ingester/0')
  const two = thread(registry, 'ingester/1')
  one.cell('cortex_ingester_memory_series').set(5)
  two.cell('cortex_ingester_memory_series').set(7)
  one.cell('cortex_discarded_samples_total', 'none', 'a"b\\\nc').add(2)
  two.cell('cortex_discarded_samples_total', 'none', 'a"b\\\nc').add(1.5)
  assert.equal(
    registry.render(),
    '# HELP cortex_discarded_samples_total Samples that were discarded, by reason.\n' +
      '# TYPE cortex_discarded_samples_total counter\n' +
      'cortex_discarded_samples_total{reason="none",user="a\\"b\\\\\\nc"} 3.5\n' +
      '# HELP cortex_ingester_memory_series Series in memory.\n' +
      '# TYPE cortex_ingester_memory_series gauge\n' +
      'cortex_ingester_memory_series 12\n',
  )
})

test('prints histograms cumulated, with +Inf, sum and count', () => {
  const registry = new MetricsRegistry()
  const metrics = thread(registry, 'main')
  const cell = metrics.histogram('nilo_actor_call_duration_seconds', 'ingester')
  for (const value of [0.0001, 0.001, 0.3, 1000]) cell.observe(value)
  const text = registry.render()
  assert.match(text, /_bucket\{actor="ingester",le="0.001"\} 2\n/)
  assert.match(text, /_bucket\{actor="ingester",le="1"\} 3\n/)
  assert.match(text, /_bucket\{actor="ingester",le="\+Inf"\} 4\n/)
  assert.match(text, /_sum\{actor="ingester"\} 1000.3011\n/)
  assert.match(text, /_count\{actor="ingester"\} 4\n/)
})

test('keeps the counts of a thread that is gone and drops its gauges', () => {
  const registry = new MetricsRegistry()
  const first = thread(registry, 'ingester/0')
  first.cell('cortex_ingester_memory_series').set(5)
  first.cell('cortex_ingester_ingested_samples_total', 'u').add(10)
  registry.retire('ingester/0')
  const second = thread(registry, 'ingester/0')
  second.cell('cortex_ingester_ingested_samples_total', 'u').add(1)
  assert.equal(registry.value('cortex_ingester_ingested_samples_total', 'u'), 11)
  assert.equal(registry.value('cortex_ingester_memory_series'), 0)
  registry.retire('ingester/0')
  assert.equal(registry.value('cortex_ingester_ingested_samples_total', 'u'), 11)
})

test('goes on in further blocks, and stays bounded', () => {
  const registry = new MetricsRegistry()
  const first = createMetricBlock()
  registry.attach('t', first)
  let blocks = 1
  const metrics = openMetrics(first, (block) => {
    blocks++
    registry.attach('t', block)
  })
  for (let at = 0; at < 30_000; at++) {
    metrics.cell('cortex_ingester_ingested_samples_total', `tenant-${at}`).add(1)
  }
  assert.ok(blocks > 1)
  assert.equal(registry.value('cortex_ingester_ingested_samples_total', 'tenant-0'), 1)
  assert.equal(registry.value('cortex_ingester_ingested_samples_total', 'tenant-29999'), 1)
  const long = 'x'.repeat(100_000)
  for (let at = 0; at < 100; at++) {
    metrics.cell('cortex_ingester_ingested_samples_total', long + at).add(1)
  }
  assert.ok(blocks <= 16)
})

test('a cell is found again, label values may hold anything, wrong label counts are refused', () => {
  const block = createMetricBlock()
  const metrics = openMetrics(block, () => assert.fail('one block is enough'))
  const values = ['\x1f', 'a\nb', '\\1f', '\\', '', '{}"']
  for (const value of values) metrics.cell('cortex_ingester_ingested_samples_total', value).add(1)
  for (const value of values) metrics.cell('cortex_ingester_ingested_samples_total', value).add(1)
  const read = readMetricBlock(block)
  assert.deepEqual(
    read.map((cell) => [cell.labelValues[0], cell.values[0]]),
    values.map((value) => [value, 2]),
  )
  assert.throws(() => metrics.cell('cortex_ingester_memory_series', 'x'), /0 labels/)
})

test('cells that are released make room for others, and are not shown', () => {
  const blocks = [createMetricBlock()]
  const metrics = openMetrics(blocks[0]!, (block) => blocks.push(block))
  const name = 'cortex_ingester_ingested_samples_total'
  metrics.cell(name, 'kept').add(3)
  for (let n = 0; n < 50_000; n++) {
    const tenant = `tenant-${String(n).padStart(6, '0')}`
    metrics.cell(name, tenant).add(n)
    if (n > 0) metrics.release(name, `tenant-${String(n - 1).padStart(6, '0')}`)
  }
  metrics.release(name, 'never there')
  assert.equal(blocks.length, 1)
  const readings = readMetricBlock(blocks[0]!).map(({ labelValues, values }) => [
    labelValues[0],
    values[0],
  ])
  readings.sort()
  assert.deepEqual(readings, [
    ['kept', 3],
    ['tenant-049999', 49_999],
  ])
  // One that is longer than what is free gets a line of its own; one that returns begins at 0.
  metrics.release(name, 'tenant-049999')
  metrics.cell(name, 'x'.repeat(100)).add(1)
  metrics.cell(name, 'tenant-049999').add(2)
  const again = readMetricBlock(blocks[0]!).find(
    ({ labelValues }) => labelValues[0] === 'tenant-049999',
  )
  assert.deepEqual(again?.values, [2])
})

test('metrics without a block count for nobody', () => {
  const metrics = openMetrics()
  const cell = metrics.cell('cortex_discarded_samples_total', 'a', 'b')
  cell.add(2)
  assert.equal(metrics.cell('cortex_discarded_samples_total', 'a', 'b'), cell)
  metrics.release('cortex_discarded_samples_total', 'a', 'b')
  assert.notEqual(metrics.cell('cortex_discarded_samples_total', 'a', 'b'), cell)
})
