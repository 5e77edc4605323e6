/**
 * A real Prometheus scrapes itself and a node_exporter every second and remote-writes to us for over
 * a minute; then both answer the same queries about that minute, equally. The calls that Grafana
 * makes to a Prometheus data source (save & test, Explore) are asked of us on the same data.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type Component,
  findComponent,
  startNodeExporter,
  startPrometheus,
} from '../support/components.js'
import { startNilo } from '../support/nilo.js'
import { waitFor } from '../support/processes.js'
import { type ApiParams, callApi, differenceOf, seriesOf } from '../support/prom-api.js'
import { type Asked, QUERIES } from './queries.js'

/** How long Prometheus writes before anything is asked. */
const WRITING_MS = 64_000
const TENANT = 'e2e'

/** The two servers and the seconds that are asked about. */
interface World {
  readonly prometheus: Component
  readonly exporter: Component
  /** What stands before `/api/v1` of ours. */
  readonly ours: string
  /** Unix seconds, whole. */
  readonly start: number
  readonly end: number
}

test('a real Prometheus writes a minute, and both give the same answers', async (t) => {
  const binaries = [findComponent(t, 'prometheus'), findComponent(t, 'prometheus-node-exporter')]
  if (binaries[0] === undefined || binaries[1] === undefined) return
  const world = await startWorld(t, binaries[0], binaries[1])
  await t.test('instant queries', async () => {
    const asked = QUERIES.filter(({ as }) => as !== 'range')
    assert.ok(asked.length >= 40)
    assert.deepEqual(await failuresOf(world, asked, instantDifference), [])
  })
  await t.test('range queries', async () => {
    const asked = QUERIES.filter(({ as }) => as !== 'instant')
    assert.ok(asked.length >= 40)
    assert.deepEqual(await failuresOf(world, asked, rangeDifference), [])
  })
  await t.test('labels, label values, series and metadata', () => checkLabelApis(world))
  await t.test('errors have the same status, type and text', () => checkErrors(world))
  await t.test("Grafana's calls on save & test and in Explore", () => checkGrafana(world))
  await t.test('series of a target that is gone end in both', () => checkStaleness(world))
})

async function startWorld(t: TestContext, prometheus: string, exporter: string): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-e2e-'))
  const started: { stop(): Promise<unknown> }[] = []
  t.after(async () => {
    for (const program of started.reverse()) await program.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  const nilo = await startNilo(join(folder, 'nilo'), ['-querier.default-evaluation-interval=5s'])
  started.push(nilo)
  const node = await startNodeExporter(exporter)
  started.push(node)
  const writer = await startPrometheus({
    binary: prometheus,
    folder: join(folder, 'prometheus'),
    config: (own) => prometheusConfig(own, node.url, nilo.pushUrl),
  })
  started.push(writer)
  const from = Date.now()
  await waitFor('the first scrapes', writer, async () => {
    const up = await callApi(writer.url, 'query', { query: 'sum(up) == 2 and sum(node_load1)' })
    return seriesOf(up.data).size > 0 ? true : undefined
  })
  const start = Math.ceil(Date.now() / 1000) + 1
  await new Promise((resolve) => setTimeout(resolve, WRITING_MS - (Date.now() - from)))
  const end = Math.floor(Date.now() / 1000) - 1
  await waitForRemoteWrite(writer, end + 3)
  return { prometheus: writer, exporter: node, ours: nilo.queryUrl, start, end }
}

function prometheusConfig(own: string, nodeUrl: string, pushUrl: string): string {
  return `global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 5s}
scrape_configs:
  - job_name: self
    static_configs: [{targets: ['${own}']}]
  - job_name: node
    static_configs: [{targets: ['${new URL(nodeUrl).host}']}]
remote_write:
  - url: ${pushUrl}
    headers: {X-Scope-OrgID: ${TENANT}}
    metadata_config: {send_interval: 2s}
    queue_config: {batch_send_deadline: 500ms, max_shards: 1}
`
}

/** Waits until all samples up to a second have been sent; with one shard they go in order. */
async function waitForRemoteWrite(prometheus: Component, second: number): Promise<void> {
  await waitFor('remote write', prometheus, async () => {
    const text = await (await fetch(`${prometheus.url}/metrics`)).text()
    const sent = /^prometheus_remote_storage_queue_highest_sent_timestamp_seconds\{.*\} (\S+)$/m
    return Number(sent.exec(text)?.[1] ?? 0) >= second ? true : undefined
  })
}

type Compare = (world: World, asked: Asked) => Promise<string>

async function failuresOf(
  world: World,
  all: readonly Asked[],
  compare: Compare,
): Promise<string[]> {
  const failures: string[] = []
  for (const asked of all) {
    const at = Math.floor((world.start + world.end) / 2)
    const query = asked.query.replaceAll('{AT}', String(at))
    const difference = await compare(world, { ...asked, query })
    if (difference !== '') failures.push(`${query}: ${difference}`)
  }
  return failures
}

async function instantDifference(world: World, asked: Asked): Promise<string> {
  // The last whole second, and a moment between two scrapes further back.
  for (const time of [world.end, world.end - 10.35]) {
    const difference = await queryDifference(world, 'query', { query: asked.query, time }, asked)
    if (difference !== '') return `at ${time}: ${difference}`
  }
  return ''
}

async function rangeDifference(world: World, asked: Asked): Promise<string> {
  const { start, end } = world
  const params = { query: asked.query, start: start + 5, end, step: 3 }
  return await queryDifference(world, 'query_range', params, asked)
}

async function queryDifference(
  world: World,
  path: string,
  params: ApiParams,
  asked: Asked,
): Promise<string> {
  const [wanted, got] = await bothAnswer(world, path, params)
  if (wanted.status !== 'success') return `Prometheus: ${wanted.error}`
  if (got.status !== 'success') return `status ${got.httpStatus}: ${got.error}`
  if (seriesOf(wanted.data).size === 0) return 'is empty, so it shows nothing'
  const difference = differenceOf(wanted.data, got.data)
  if (difference !== '' || asked.isOrdered !== true) return difference
  const inOrder = (data: unknown) =>
    [...seriesOf(data).values()].flatMap((points) => [...points.values()]).join(' ')
  return inOrder(wanted.data) === inOrder(got.data) ? '' : 'the order differs'
}

async function bothAnswer(world: World, path: string, params: ApiParams) {
  return await Promise.all([
    callApi(world.prometheus.url, path, params, { method: 'POST' }),
    callApi(world.ours, path, params, { method: 'POST', tenant: TENANT }),
  ])
}

async function checkLabelApis(world: World): Promise<void> {
  const { start, end } = world
  const range = { start, end }
  const node = { 'match[]': ['node_cpu_seconds_total', 'up{job="node"}'] }
  const cases: [string, ApiParams][] = [
    ['labels', range],
    ['labels', { ...range, ...node }],
    ['label/job/values', range],
    ['label/__name__/values', range],
    ['label/mode/values', { ...range, ...node }],
    ['series', { ...range, ...node }],
    ['series', { ...range, 'match[]': ['{job="self", __name__=~"prometheus_tsdb_head_.+"}'] }],
    ['metadata', { metric: 'node_load1' }],
    ['format_query', { query: 'sum by(job)(rate(up[5m]))/2' }],
  ]
  for (const [path, params] of cases) {
    const method = path.startsWith('label/') || path === 'metadata' ? 'GET' : 'POST'
    const wanted = await callApi(world.prometheus.url, path, params, { method })
    const got = await callApi(world.ours, path, params, { method, tenant: TENANT })
    const name = `${path} ${JSON.stringify(params)}`
    assert.equal(got.httpStatus, 200, `${name}: ${got.error}`)
    assert.notDeepEqual(wanted.data, [], name)
    assert.deepEqual(comparable(path, got.data), comparable(path, wanted.data), name)
  }
}

/** Series come in no particular order. */
function comparable(path: string, data: unknown): unknown {
  if (path !== 'series') return data
  return (data as Record<string, string>[])
    .map((labels) => JSON.stringify(Object.entries(labels).sort()))
    .sort()
}

async function checkErrors(world: World): Promise<void> {
  const { start, end } = world
  const cases: [string, ApiParams][] = [
    ['query', { query: 'sum(' }],
    ['query', { query: 'rate(up)' }],
    ['query', { query: 'up{job="x"' }],
    ['query', { query: 'up and 1' }],
    ['query', { query: 'node_cpu_seconds_total + on (cpu) node_cpu_seconds_total', time: end }],
    ['query', { query: 'up', time: 'soon' }],
    ['query_range', { query: 'up', start: end, end: start, step: 1 }],
    ['query_range', { query: 'up', start, end, step: 0 }],
    ['query_range', { query: 'up', start: 0, end, step: 1 }],
    ['query_range', { query: 'up[5m]', start, end, step: 1 }],
    ['series', { start, end }],
    ['label/no-such-name/values', { start: 'x', end }],
  ]
  for (const [path, params] of cases) {
    const method = path.startsWith('label/') ? 'GET' : 'POST'
    const wanted = await callApi(world.prometheus.url, path, params, { method })
    const got = await callApi(world.ours, path, params, { method, tenant: TENANT })
    const name = `${path} ${JSON.stringify(params)}`
    assert.deepEqual(
      [got.httpStatus, got.errorType, withoutLabels(got.error)],
      [wanted.httpStatus, wanted.errorType, withoutLabels(wanted.error)],
      name,
    )
  }
}

/** Of several duplicates an error names two at random. */
function withoutLabels(text: string | undefined): string | undefined {
  return text?.replace(/\{[^}]*\}/g, '{…}')
}

/** In the order in which Grafana asks, with the parameters it sends. */
async function checkGrafana(world: World): Promise<void> {
  const { start, end, ours } = world
  const ask = async (path: string, params: ApiParams, method: 'GET' | 'POST' = 'POST') => {
    const answer = await callApi(ours, path, params, { method, tenant: TENANT })
    assert.equal(answer.httpStatus, 200, `${path}: ${answer.error}`)
    assert.equal(answer.status, 'success')
    return answer.data
  }
  // Save & test: the health query, and what kind of server this is.
  const health = (await ask('query', { query: '1+1', time: end })) as { result: [number, string] }
  assert.equal(health.result[1], '2')
  const build = (await ask('status/buildinfo', {}, 'GET')) as Record<string, unknown>
  assert.equal(typeof build['version'], 'string')
  assert.equal(typeof build['features'], 'object')
  // Explore: the metric browser and the label filters of the builder.
  const names = (await ask('label/__name__/values', { start, end }, 'GET')) as string[]
  assert.ok(names.includes('node_load1') && names.includes('up'))
  assert.ok(((await ask('labels', { start, end }, 'GET')) as string[]).includes('instance'))
  const filtered = { start, end, 'match[]': ['{__name__="up"}'] }
  assert.deepEqual(await ask('label/job/values', filtered, 'GET'), ['node', 'self'])
  assert.equal(((await ask('series', { start, end, 'match[]': ['up'] })) as unknown[]).length, 2)
  const metadata = (await ask('metadata', { limit: 20_000 }, 'GET')) as Record<string, unknown[]>
  assert.equal(metadata['node_load1']?.length, 1)
  // Explore: the graph and the table, as one range and one instant query.
  const query = 'sum by (mode) (rate(node_cpu_seconds_total[20s]))'
  const graph = await ask('query_range', { query, start: start + 20, end, step: 15 })
  assert.ok([...seriesOf(graph).values()].every((points) => points.size >= 2))
  assert.ok(seriesOf(await ask('query', { query, time: end })).size > 3)
}

async function checkStaleness(world: World): Promise<void> {
  await world.exporter.stop()
  const gone = await waitFor('up to become 0', world.prometheus, async () => {
    const up = await callApi(world.prometheus.url, 'query', { query: 'up{job="node"} == 0' })
    const [points] = seriesOf(up.data).values()
    return points === undefined ? undefined : Math.ceil([...points.keys()][0]!)
  })
  const time = gone + 2
  await waitForRemoteWrite(world.prometheus, time + 3)
  for (const query of ['node_load1', 'count_over_time(node_load1[30s])', 'up', 'timestamp(up)']) {
    const [wanted, got] = await bothAnswer(world, 'query', { query, time })
    assert.equal(got.status, 'success', got.error)
    assert.equal(differenceOf(wanted.data, got.data), '', query)
  }
  const [, ended] = await bothAnswer(world, 'query', { query: 'node_load1', time })
  assert.equal(seriesOf(ended.data).size, 0, 'the stale marker ends the series')
}
