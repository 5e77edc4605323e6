/**
 * `npm run parity -- [--minutes 5] [--seed N] [--seconds-between 20] [--dir DIR]`: a real Prometheus scrapes a target that has all
 * kinds of metrics, and itself, every second and remote-writes 1.0 and 2.0 to a nilometer that, or threads of
 * which, are killed with -9, flushed to blocks and compacted all the while. In the end both must hold the same samples,
 * native histograms and exemplars, and answer the same queries alike; so again after a clean stop.
 * Peers are in $PEERS (default .cache/components). Exits 1 when something differs; data are kept then.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { SeededPrng } from '../../src/shared/base/prng.js'
import { type Component, startPrometheus } from '../../test/support/components.js'
import { type Nilo, startNilo } from '../../test/support/nilo.js'
import { freePort } from '../../test/support/ports.js'
import { waitFor, waitForUrl } from '../../test/support/processes.js'
import { compareAll, type Span } from './parity/compare.js'
import { startTarget } from './parity/target.js'
import { KILL_SIGNAL } from './soak/kill-signal.js'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    'seconds-between': { type: 'string', default: '20' },
    dir: { type: 'string' },
  },
})
const minutes = Number(values.minutes)
const seed = Number(values.seed)
const betweenMs = Number(values['seconds-between']) * 1_000
if (!(minutes > 0 && seed >= 0 && betweenMs > 0)) {
  process.stderr.write('usage: npm run parity -- [--minutes N] [--seed N] [--seconds-between N]\n')
  process.exit(2)
}
/** Loaded into the server: ends one of its threads on a signal. */
const THREAD_KILLER = new URL('./soak/thread-killer.js', import.meta.url).href
const folder = values.dir ?? mkdtempSync(join(tmpdir(), 'nilo-parity-'))
/** Remote write's versions by the tenant that gets them. */
const TENANTS = { one: 'prometheus.WriteRequest', two: 'io.prometheus.write.v2.Request' }
const prng = new SeededPrng(seed)
const port = await freePort()
const flags = [
  `-server.http-listen-port=${port}`,
  `-blocks-storage.filesystem.dir=${join(folder, 'bucket')}`,
  // A flush leaves nothing in the head: what is on its way then comes late.
  '-ingester.out-of-order-time-window=1h',
  '-ingester.max-global-exemplars-per-user=1000000',
  '-compactor.compaction-interval=15s',
  '-compactor.cleanup-interval=15s',
  '-blocks-storage.bucket-store.sync-interval=5s',
  '-wal.snapshot-bytes=262144',
]
/** When the heads were last cut, Unix seconds. */
let lastFlush = 0
const differences = await run()
for (const line of differences.slice(0, 40)) print(`differs: ${line}`)
print(`parity: seed=${seed} minutes=${minutes} differences=${differences.length}`)
if (differences.length > 0) print(`data kept in ${folder}`)
else if (values.dir === undefined) rmSync(folder, { recursive: true, force: true })
process.exit(differences.length === 0 ? 0 : 1)

async function run(): Promise<string[]> {
  const target = await startTarget(seed)
  let nilo = await startOurs()
  const prometheus = await startPrometheus({
    binary: findPrometheus(),
    folder: join(folder, 'prometheus'),
    config: (own) => configOf(own, target.host, nilo.pushUrl),
    features: ['native-histograms', 'exemplar-storage', 'metadata-wal-records'],
  })
  try {
    const from = Math.ceil(Date.now() / 1_000)
    // Long enough for queries over the last minute.
    const until = performance.now() + Math.max(2, minutes) * 60_000
    while (performance.now() < until) {
      await sleep(betweenMs * (0.2 + 0.8 * prng.fraction()))
      nilo = await disturb(nilo)
    }
    await sleep(3_000)
    const to = Math.floor(Date.now() / 1_000) - 1
    const span: Span = { from, to, exemplarsFrom: Math.max(from, lastFlush + 1) }
    await waitForRemoteWrite(prometheus, span.to)
    const found = await compareBoth(prometheus, nilo, span, 'while it runs')
    await nilo.stop()
    nilo = await startOurs()
    found.push(...(await compareBoth(prometheus, nilo, span, 'after a clean stop')))
    await flush(nilo)
    const blocks: Span = { ...span, exemplarsFrom: to }
    found.push(...(await compareBoth(prometheus, nilo, blocks, 'from blocks alone')))
    return found
  } finally {
    await prometheus.stop()
    await nilo.stop('SIGKILL')
    await target.close()
  }
}

/** Kills the server or some of its threads, or has it cut its heads, or both at once. */
async function disturb(nilo: Nilo): Promise<Nilo> {
  const dice = prng.below(4)
  if (dice === 3) {
    const flushing = prng.below(2) === 0 ? flush(nilo) : Promise.resolve()
    for (let threads = 1 + prng.below(4); threads > 0; threads--) {
      process.kill(nilo.pid, KILL_SIGNAL)
      await sleep(prng.below(1_500))
    }
    await flushing
    await waitForUrl(`${nilo.url}/ready`, nilo)
    print('threads ended, ready again')
    return nilo
  }
  const flushing = dice > 0 ? flush(nilo) : Promise.resolve()
  if (dice === 1) {
    await flushing
    print('flushed')
    return nilo
  }
  flushing.catch(() => {})
  await sleep(prng.below(500))
  const from = performance.now()
  await nilo.stop('SIGKILL')
  const next = await startOurs()
  const how = dice === 0 ? 'killed' : 'killed amid a flush'
  print(`${how}, ready after ${((performance.now() - from) / 1_000).toFixed(1)} s`)
  return next
}

async function flush({ url }: Nilo): Promise<void> {
  try {
    await fetch(`${url}/ingester/flush?wait=true`, { method: 'POST' })
  } finally {
    lastFlush = Math.ceil(Date.now() / 1_000)
  }
}

async function compareBoth(
  prometheus: Component,
  nilo: Nilo,
  span: Span,
  when: string,
): Promise<string[]> {
  const all: string[] = []
  for (const tenant of Object.keys(TENANTS)) {
    const { checked, differences } = await compareAll(
      { base: prometheus.url, tenant: undefined },
      { base: nilo.queryUrl, tenant },
      span,
    )
    print(`${when}, tenant ${tenant}: ${checked}, ${differences.length} differences`)
    all.push(...differences.map((line) => `${when}, tenant ${tenant}: ${line}`))
  }
  return all
}

function startOurs(): Promise<Nilo> {
  return startNilo(join(folder, 'nilo'), flags, ['--import', THREAD_KILLER])
}

function findPrometheus(): string {
  const peers = process.env['PEERS'] ?? resolve('.cache/components')
  const binary = join(peers, 'usr/bin/prometheus')
  if (!existsSync(binary)) throw new Error(`${binary} is not there (PEERS)`)
  return binary
}

function configOf(own: string, target: string, pushUrl: string): string {
  const writes = Object.entries(TENANTS).map(
    ([tenant, message]) => `  - url: ${pushUrl}
    protobuf_message: ${message}
    headers: {X-Scope-OrgID: ${tenant}}
    send_exemplars: true
    send_native_histograms: true
    metadata_config: {send_interval: 2s}
    queue_config: {batch_send_deadline: 500ms, max_shards: 3, min_shards: 3, retry_on_http_429: true}
`,
  )
  return `global: {scrape_interval: 1s, scrape_timeout: 1s}
storage: {exemplars: {max_exemplars: 1000000}}
scrape_configs:
  - job_name: app
    always_scrape_classic_histograms: true
    static_configs: [{targets: ['${target}']}]
  - job_name: self
    static_configs: [{targets: ['${own}']}]
remote_write:
${writes.join('')}`
}

/** Waits until every queue has sent all up to a second. */
async function waitForRemoteWrite(prometheus: Component, second: number): Promise<void> {
  await waitFor(
    'remote write',
    prometheus,
    async () => {
      const text = await (await fetch(`${prometheus.url}/metrics`)).text()
      const sent = [
        ...text.matchAll(
          /^prometheus_remote_storage_queue_highest_sent_timestamp_seconds\{.*\} (\S+)$/gm,
        ),
      ]
      const pending = [
        ...text.matchAll(/^prometheus_remote_storage_(samples|histograms)_pending\{.*\} (\S+)$/gm),
      ]
      const isSent = sent.length === 2 && sent.every(([, at]) => Number(at) >= second)
      return isSent && pending.every(([, , count]) => Number(count) < 5_000) ? true : undefined
    },
    300_000,
  )
  await sleep(3_000)
}

function sleep(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms))
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
