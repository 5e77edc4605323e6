/** Two real Prometheus as a pair: one copy is stored, also when the elected one dies. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { findComponent, startPrometheus } from '../support/components.js'
import { type Nilo, startNilo } from '../support/nilo.js'
import { type RunningProcess, waitFor } from '../support/processes.js'
import { callApi, seriesOf } from '../support/prom-api.js'

const FAILOVER_MS = 4_000
const ARGS = [
  '-distributor.ha-tracker.enable',
  '-distributor.ha-tracker.enable-for-all-users',
  '-distributor.ha-tracker.update-timeout=1s',
  '-distributor.ha-tracker.update-timeout-jitter-max=0s',
  `-distributor.ha-tracker.failover-timeout=${FAILOVER_MS}ms`,
]

interface Elected {
  readonly cluster: string
  readonly replica: string
  readonly elections: number
}

async function electedOf(nilo: Nilo): Promise<Elected | undefined> {
  const headers = { accept: 'application/json' }
  const response = await fetch(`${nilo.url}/distributor/ha_tracker`, { headers })
  return ((await response.json()) as { elected: Elected[] }).elected[0]
}

function configOf(target: string, pushUrl: string, replica: string): string {
  return `global:
  scrape_interval: 1s
  scrape_timeout: 1s
  external_labels: {cluster: pair, __replica__: ${replica}}
scrape_configs:
  - job_name: nilo
    static_configs: [{targets: ['${target}']}]
remote_write:
  - url: ${pushUrl}
    queue_config: {batch_send_deadline: 300ms, max_shards: 1}
`
}

/** Times at which the pair's `up` has samples, ms; fails when it is there more than once. */
async function timesOf(nilo: Nilo): Promise<number[]> {
  const answer = await callApi(nilo.queryUrl, 'query', { query: 'up{job="nilo"}[5m]' })
  const series = seriesOf(answer.data)
  assert.ok(series.size <= 1, `${series.size} copies: ${[...series.keys()].join(' ')}`)
  for (const labels of series.keys()) {
    assert.match(labels, /cluster/)
    assert.doesNotMatch(labels, /__replica__/)
  }
  return [...([...series.values()][0]?.keys() ?? [])].map((second) => Number(second) * 1000)
}

test('of a pair exactly one copy is stored, without a gap beyond the failover', async (t) => {
  const binary = findComponent(t, 'prometheus')
  if (binary === undefined) return
  const folder = mkdtempSync(join(tmpdir(), 'nilo-ha-'))
  const data = join(folder, 'nilo')
  const started: RunningProcess[] = []
  t.after(async () => {
    for (const program of started.reverse()) await program.stop('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  let nilo = await startNilo(data, ARGS)
  started.push(nilo)
  const target = new URL(nilo.url).host
  const replicas = new Map<string, RunningProcess>()
  for (const replica of ['a', 'b']) {
    const config = (): string => configOf(target, nilo.pushUrl, replica)
    const program = await startPrometheus({ binary, folder: join(folder, replica), config })
    started.push(program)
    replicas.set(replica, program)
  }
  await waitFor('samples of the pair', nilo, async () =>
    (await timesOf(nilo)).length >= 6 ? true : undefined,
  )
  const first = await electedOf(nilo)
  assert.ok(first !== undefined && first.elections === 1 && first.cluster === 'pair')
  const deduped =
    /^cortex_distributor_deduped_samples_total\{user="anonymous",cluster="pair"\} (\d+)$/m
  await waitFor('samples of the other replica', nilo, async () => {
    const text = await (await fetch(`${nilo.url}/metrics`)).text()
    return Number(deduped.exec(text)?.[1] ?? 0) > 0 ? true : undefined
  })
  await replicas.get(first.replica)!.stop('SIGKILL')
  const before = (await timesOf(nilo)).length
  await waitFor('the other replica to be elected', nilo, async () =>
    (await electedOf(nilo))?.elections === 2 ? true : undefined,
  )
  await waitFor('its samples', nilo, async () =>
    (await timesOf(nilo)).length >= before + 5 ? true : undefined,
  )
  const times = await timesOf(nilo)
  const gaps = times.slice(1).map((time, at) => time - times[at]!)
  // A scrape may be late on a busy machine, and the next one then comes sooner.
  assert.ok(Math.max(...gaps) <= FAILOVER_MS + 4_000, `gaps of ${gaps.join(', ')} ms`)
  const second = times.length / ((times.at(-1)! - times[0]!) / 1000)
  assert.ok(second <= 1.3, `${second} samples a second: more than one copy`)

  const elected = await electedOf(nilo)
  await nilo.stop()
  nilo = await startNilo(data, ARGS)
  started.push(nilo)
  assert.deepEqual(await electedOf(nilo), elected, 'kept over a restart')
})
