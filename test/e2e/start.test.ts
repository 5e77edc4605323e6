/** The built server as a process: start, push, query, stop, start again; who is refused and why. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Nilo, runNilo, startNilo } from '../support/nilo.js'
import { startProcess, waitFor, waitForUrl } from '../support/processes.js'
import { callApi, seriesOf } from '../support/prom-api.js'
import { push, sendBody } from '../support/remote-write.js'

/** A folder and servers that end with the test. */
function workplace(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-start-'))
  const started: Nilo[] = []
  t.after(async () => {
    for (const server of started) await server.stop('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  const start = async (...args: string[]): Promise<Nilo> => {
    const server = await startNilo(join(folder, 'data'), args)
    started.push(server)
    return server
  }
  return { folder, start }
}

/** The only value of an instant query; undefined when it is empty. */
async function valueAt(
  server: Nilo,
  query: string,
  time: number,
  tenant?: string,
): Promise<string | undefined> {
  const answer = await callApi(server.queryUrl, 'query', { query, time }, { tenant })
  assert.equal(answer.status, 'success', answer.error)
  const [points] = seriesOf(answer.data).values()
  return points === undefined ? undefined : [...points.values()][0]
}

function series(name: string, value: number, timeMs: number) {
  return [{ labels: { __name__: name, job: 'start' }, samples: [[timeMs, value]] as const }]
}

test('what was pushed is answered, by tenant, and found again after a restart', async (t) => {
  const { start } = workplace(t)
  const time = Math.floor(Date.now() / 1000) - 60
  const first = await start()
  assert.match(first.output(), /http:\/\/127\.0\.0\.1:\d+\/prometheus$/m)
  for (const [tenant, value] of [
    ['one', 1.25],
    ['two', 2.5],
    [undefined, 3.75],
  ] as const) {
    const pushed = await push(first.pushUrl, series('kept', value, time * 1000), tenant)
    assert.deepEqual(pushed, { status: 200, text: '' })
  }
  const check = async (server: Nilo) => {
    assert.equal(await valueAt(server, 'kept{job="start"}', time, 'one'), '1.25')
    assert.equal(await valueAt(server, 'kept', time, 'two'), '2.5')
    assert.equal(await valueAt(server, 'kept', time), '3.75')
    assert.equal(await valueAt(server, 'kept', time, 'anonymous'), '3.75')
    assert.equal(await valueAt(server, 'kept', time, 'three'), undefined)
  }
  await check(first)
  assert.deepEqual(await first.stop('SIGTERM'), { code: 0, signal: null }, first.output())
  const second = await start()
  await check(second)
  const more = await push(second.pushUrl, series('kept', 9, time * 1000 + 5000), 'one')
  assert.equal(more.status, 200, more.text)
  assert.equal(await valueAt(second, 'sum_over_time(kept[30s])', time + 10, 'one'), '10.25')
  assert.deepEqual(await second.stop('SIGINT'), { code: 0, signal: null }, second.output())
})

test('a second process on the same data directory is refused, naming the first', async (t) => {
  const { folder, start } = workplace(t)
  const first = await start()
  const second = runNilo([`-data.dir=${join(folder, 'data')}`, '-server.http-listen-port=0'])
  assert.deepEqual(await second.exited, { code: 1, signal: null })
  assert.match(second.output(), new RegExp(`in use by the process with pid ${first.pid};`))
  await first.stop('SIGKILL')
  await start()
})

test('a bucket that could never be reached stops the start, and check-config says so', async (t) => {
  const { folder } = workplace(t)
  const flags = ['-blocks-storage.backend=s3', `-data.dir=${join(folder, 'data')}`]
  for (const command of ['serve', 'check-config']) {
    const program = runNilo([command, ...flags])
    assert.deepEqual(await program.exited, { code: 1, signal: null }, command)
    assert.match(program.output(), /s3\.bucket_name: it is missing/)
  }
})

test('a port that is taken is said so, and the data directory is let go', async (t) => {
  const { folder, start } = workplace(t)
  const first = await start()
  const other = join(folder, 'other')
  const second = runNilo([
    `-data.dir=${other}`,
    `-server.http-listen-port=${new URL(first.url).port}`,
  ])
  assert.deepEqual(await second.exited, { code: 1, signal: null })
  assert.match(second.output(), /127\.0\.0\.1:\d+.*in use/)
  const third = await startNilo(other)
  assert.deepEqual(await third.stop(), { code: 0, signal: null })
})

test('an unknown flag or key stops the start with the place and what was expected', async (t) => {
  const { folder } = workplace(t)
  const flag = runNilo(['-server.http-listen-prot=1'])
  assert.deepEqual(await flag.exited, { code: 1, signal: null })
  assert.match(flag.output(), /unknown flag -server\.http-listen-prot; did you mean/)
  const file = join(folder, 'wrong.yaml')
  writeFileSync(file, 'server:\n  http_listen_port: many\n')
  const key = runNilo(['serve', `-config.file=${file}`])
  assert.deepEqual(await key.exited, { code: 1, signal: null })
  assert.match(key.output(), /wrong\.yaml:2:3: server\.http_listen_port: expected a whole number/)
  const command = runNilo(['sreve'])
  assert.deepEqual(await command.exited, { code: 1, signal: null })
  assert.match(command.output(), /unknown command sreve/)
})

test('check-config, version and help answer without starting', async (t) => {
  const { folder } = workplace(t)
  const file = join(folder, 'good.yaml')
  writeFileSync(file, 'limits: {max_label_names_per_series: 60}\nmemberlist: {join_members: [x]}\n')
  const good = runNilo(['check-config', `-config.file=${file}`])
  assert.deepEqual(await good.exited, { code: 0, signal: null })
  assert.match(good.output(), /max_label_names_per_series: 60/)
  assert.match(good.output(), /without effect.*memberlist/)
  const bad = runNilo(['check-config', '-limits.no-such=1'])
  assert.deepEqual(await bad.exited, { code: 1, signal: null })
  for (const [text, complaint] of [
    ['limits: {metric_relabel_configs: [{action: foo}]}', /relabel rule 1: unknown action foo/],
    [
      'limits: {active_series_custom_trackers: {a: "{b"}}',
      /limits: active_series_custom_trackers: a:/,
    ],
    ['compactor: {block_ranges: [2h, 3h]}', /compactor\.block_ranges: each range must be/],
    [
      `server: {http_tls_config: {cert_file: ${file}, key_file: ${file}}}`,
      /server\.http_tls_config: .*PEM/,
    ],
    [`access: {file: ${file}}`, /good\.yaml/],
    [`runtime_config: {file: ${join(folder, 'none.yaml')}}`, /none\.yaml: ENOENT/],
  ] as const) {
    writeFileSync(file, text)
    const data = join(folder, 'refused')
    for (const flags of [['check-config'], ['serve', `-data.dir=${data}`]]) {
      const refused = runNilo([...flags, `-config.file=${file}`])
      assert.deepEqual(await refused.exited, { code: 1, signal: null }, `${flags} ${text}`)
      assert.match(refused.output(), complaint)
    }
  }
  const version = runNilo(['version'])
  assert.deepEqual(await version.exited, { code: 0, signal: null })
  assert.match(version.output(), /^nilometer \d+\.\d+\.\d+/)
  const help = runNilo(['help'])
  assert.deepEqual(await help.exited, { code: 0, signal: null })
  assert.match(help.output(), /check-config/)
  for (const words of [
    ['block', '--help'],
    ['help', 'block'],
  ]) {
    const told = runNilo(words)
    assert.deepEqual(await told.exited, { code: 0, signal: null })
    assert.match(told.output(), /usage: nilo block <what> <path>/)
  }
})

test('a tenant header can be required, a wrong one is always refused', async (t) => {
  const { start } = workplace(t)
  const server = await start('-auth.tenant-header-required')
  const body = series('x', 1, Date.now())
  assert.deepEqual(await push(server.pushUrl, body), { status: 401, text: 'no org id\n' })
  assert.equal((await push(server.pushUrl, body, '..')).status, 401)
  assert.equal((await push(server.pushUrl, body, 'a b')).status, 401)
  assert.equal((await push(server.pushUrl, body, 'fine')).status, 200)
})

test('a bad body is 400, the good part of a half-bad one is kept', async (t) => {
  const { start } = workplace(t)
  const server = await start()
  const now = Date.now()
  const time = Math.floor(now / 1000)
  assert.equal((await sendBody(server.pushUrl, Buffer.from('no snappy'))).status, 400)
  const late = [
    ...series('good', 7, now),
    { labels: { job: 'nameless' }, samples: [[now, 1]] as const },
  ]
  const half = await push(server.pushUrl, late)
  assert.equal(half.status, 400)
  assert.match(half.text, /err-mimir-missing-metric-name/)
  assert.equal(await valueAt(server, 'good', time + 1), '7')
  const older = await push(server.pushUrl, series('good', 8, now - 1000))
  assert.equal(older.status, 400)
  assert.match(older.text, /err-mimir-sample-out-of-order/)
  // The very same sample again is no error.
  assert.equal((await push(server.pushUrl, series('good', 7, now))).status, 200)
  assert.equal((await push(server.pushUrl, series('good', 7.5, now))).status, 400)
})

test('pages for people and probes', async (t) => {
  const { start } = workplace(t)
  const server = await start('-querier.timeout=7s')
  const page = async (path: string): Promise<string> => {
    const response = await fetch(server.url + path)
    assert.equal(response.status, 200, path)
    return await response.text()
  }
  await push(server.pushUrl, series('counted', 1, Date.now()), 'pages')
  assert.match(await page('/'), /\/api\/v1\/push/)
  assert.equal(await page('/ready'), 'ready\n')
  assert.match(await page('/config'), /^ {2}timeout: 7s$/m)
  const metrics = await page('/metrics')
  assert.match(metrics, /^cortex_distributor_received_samples_total\{user="pages"\} 1$/m)
  assert.match(metrics, /^cortex_ingester_memory_series 1$/m)
  assert.match(await page('/services'), /ingester/)
})

test('while it stops /ready says no, and a second signal does not wait', async (t) => {
  const { start } = workplace(t)
  const time = Math.floor(Date.now() / 1000)
  const server = await start('-shutdown-delay=10m')
  const stopped = server.stop('SIGTERM')
  await waitFor('503', server, async () => {
    const response = await fetch(`${server.url}/ready`)
    await response.arrayBuffer()
    return response.status === 503 ? true : undefined
  })
  // Until the delay is over everything goes on: load balancers have not looked yet.
  assert.equal((await push(server.pushUrl, series('late', 5, time * 1000))).status, 200)
  process.kill(server.pid, 'SIGTERM')
  assert.deepEqual(await stopped, { code: 0, signal: null }, server.output())
  const again = await start()
  assert.equal(await valueAt(again, 'late', time), '5')
})

test('npm start serves, and ends when npm is told to', async (t) => {
  const { folder } = workplace(t)
  const flags = [`-data.dir=${join(folder, 'data')}`, '-server.http-listen-port=0']
  const npm = startProcess({ command: 'npm', args: ['start', '--', ...flags] })
  t.after(() => npm.stop('SIGKILL'))
  const url = await waitFor('the push URL', npm, async () => {
    return /(http:\/\/[\d.]+:\d+)\/api\/v1\/push/.exec(npm.output())?.[1]
  })
  await waitForUrl(`${url}/ready`, npm)
  await npm.stop('SIGTERM')
  assert.match(npm.output(), /msg=stopped/)
  await assert.rejects(fetch(`${url}/ready`))
})

test('a rehearsal of queries is over when the server is ready, and leaves nothing behind', async (t) => {
  const server = await workplace(t).start('-querier.warm-up-enabled=true', '-log.level=debug')
  assert.match(server.output(), /queries were rehearsed/)
  assert.doesNotMatch(server.output(), /query stats|warm_total|warm-up/)
  const metrics = await (await fetch(`${server.url}/metrics`)).text()
  assert.doesNotMatch(metrics, /rehearsal|warm-up/)
  assert.doesNotMatch(
    metrics,
    /^cortex_(?:query_frontend|query_scheduler|request_duration_seconds_count\{.*query).* [1-9]/m,
  )
  const actors = await (await fetch(`${server.url}/debug/actors`)).text()
  assert.match(actors, /store-gateway\/0"[^}]*"state": ?"stopped"/)
  const slow = await (await fetch(`${server.url}/debug/slow-queries`)).text()
  assert.doesNotMatch(slow, /warm/)
  // Its tenants have nothing, nor has that of the practice.
  for (const tenant of ['rehearsal-0', 'warm-up']) {
    const headers = { 'x-scope-orgid': tenant }
    const found = await fetch(`${server.queryUrl}/api/v1/labels`, { headers })
    assert.deepEqual(await found.json(), { status: 'success', data: [] })
  }
})

test('a rehearsal with pairs, limits and rules leaves nothing behind', async (t) => {
  const { folder, start } = workplace(t)
  const file = join(folder, 'limits.yaml')
  const limits = [
    'accept_ha_samples: true',
    'ingestion_rate: 1000',
    'request_rate: 10',
    'request_burst_size: 10',
    'max_global_series_per_user: 50',
    'max_global_series_per_metric: 5',
    'max_label_names_per_series: 5',
    'drop_labels: [job]',
    'metric_relabel_configs: [{ regex: pod, action: labeldrop }]',
  ]
  const lines = ['distributor: { ha_tracker: { enable_ha_tracker: true } }', 'limits:']
  writeFileSync(file, [...lines, ...limits.map((line) => `  ${line}`), ''].join('\n'))
  const rehearse = ['-distributor.warm-up-enabled=true', '-log.level=debug']
  const server = await start(`-config.file=${file}`, ...rehearse)
  assert.match(server.output(), /pushes were rehearsed/)
  assert.doesNotMatch(server.output(), /level=(warn|error)/)
  const shown = async (path: string, accept = '*/*'): Promise<string> =>
    await (await fetch(`${server.url}${path}`, { headers: { accept } })).text()
  for (const path of ['/metrics', '/distributor/ha_tracker', '/distributor/all_user_stats']) {
    assert.doesNotMatch(await shown(path, 'application/json'), /rehearsal/, path)
  }
  assert.doesNotMatch(
    await shown('/metrics'),
    /^cortex_(?:discarded|distributor_(?:received|deduped|non_ha)|ha_tracker_elected)\S* [1-9]/m,
  )
  // The first real tenant has the limits that it should have, and all of them.
  const time = Math.floor(Date.now() / 1000) - 60
  const pairs = { cluster: 'a', __replica__: 'one' }
  const sets = Array.from({ length: 8 }, (_, i) => ({
    labels: { __name__: 'played', job: 'x', i: `${i}`, ...pairs },
    samples: [[time * 1000, i]] as const,
  }))
  assert.equal((await push(server.pushUrl, sets, 'rehearsal-0')).status, 400)
  assert.equal(await valueAt(server, 'count(played{job=""})', time, 'rehearsal-0'), '5')
  assert.match(await shown('/distributor/ha_tracker', 'application/json'), /rehearsal-0/)
  await server.stop('SIGTERM')
})

test('a rehearsal of pushes leaves nothing behind, nor a killed one', async (t) => {
  const { folder, start } = workplace(t)
  const data = join(folder, 'data')
  const time = Math.floor(Date.now() / 1000) - 60
  const left = join(data, 'rehearsal', 'ingester-0')
  mkdirSync(left, { recursive: true })
  writeFileSync(join(left, 'shard-count'), 'what a killed process left')
  const shown = async (server: Nilo): Promise<string> =>
    await (await fetch(`${server.url}/metrics`)).text()
  const first = await start('-distributor.warm-up-enabled=true', '-log.level=debug')
  assert.match(first.output(), /pushes were rehearsed/)
  const metrics = await shown(first)
  assert.doesNotMatch(metrics, /rehearsal/)
  assert.doesNotMatch(
    metrics,
    /^(?:cortex_(?:distributor_received|ingester_memory_series|ingester_ingested|request_duration_seconds_count\{.*push)|nilo_distributor_(?:body|new)).* [1-9]/m,
  )
  assert.equal(existsSync(join(data, 'rehearsal')), false)
  const pushed = await push(first.pushUrl, series('rehearsed', 1, time * 1000))
  assert.deepEqual(pushed, { status: 200, text: '' })
  assert.equal(await valueAt(first, 'count({__name__=~".+"})', time), '1')
  await first.stop('SIGKILL')
  // What is there is read back after the next rehearsal, into the memory that this used.
  const second = await start('-distributor.warm-up-enabled=true')
  assert.equal(await valueAt(second, 'count({__name__=~".+"})', time), '1')
  assert.equal(await valueAt(second, 'rehearsed', time), '1')
  assert.equal((await push(second.pushUrl, series('more', 2, time * 1000))).status, 200)
  assert.equal(await valueAt(second, 'count({__name__=~".+"})', time), '2')
  assert.deepEqual(readdirSync(join(data, 'ingester-0')).includes('rehearsal'), false)
})
