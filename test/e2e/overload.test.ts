/**
 * The built server under more than it can take: refusals are 503 with Retry-After, nothing that was
 * acknowledged is missing, memory does not grow, and afterwards everything goes as before.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Nilo, startNilo } from '../support/nilo.js'
import { callApi, parseValue, seriesOf } from '../support/prom-api.js'
import { encodeWriteRequest, type PushedSeries, remoteWriteBody } from '../support/remote-write.js'

const INFLIGHT_MAX = 16
const RECV_BYTES_MAX = 1 << 20
const INFLIGHT_BYTES_MAX = 4 << 20
const LIMITS = [
  `-distributor.instance-limits.max-inflight-push-requests=${INFLIGHT_MAX}`,
  `-distributor.instance-limits.max-inflight-push-requests-bytes=${INFLIGHT_BYTES_MAX}`,
  `-distributor.max-recv-msg-size=${RECV_BYTES_MAX}`,
]
/** What a server may gain in a second of overload once it is warm. */
const GROWTH_BYTES_MAX = 128 << 20
const T0 = Date.now() - 3_600_000

interface Answer {
  readonly status: number
  readonly retryAfter: string | undefined
  readonly text: string
  readonly tookMs: number
}

const agent = new Agent({ keepAlive: true })

async function start(t: TestContext, flags: readonly string[], nodeFlags: readonly string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-overload-'))
  const server = await startNilo(join(folder, 'data'), flags, nodeFlags)
  t.after(async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  return server
}

function post(server: Nilo, body: Uint8Array, options: { isChunked?: boolean } = {}) {
  return new Promise<Answer>((resolve, reject) => {
    const startedAt = performance.now()
    const length = options.isChunked === true ? {} : { 'content-length': String(body.length) }
    const headers = { 'content-encoding': 'snappy', 'x-scope-orgid': 'o', ...length }
    const request = httpRequest(server.pushUrl, { method: 'POST', headers, agent }, (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          retryAfter: response.headers['retry-after'],
          text: Buffer.concat(pieces).toString(),
          tookMs: performance.now() - startedAt,
        }),
      )
    })
    request.on('error', reject)
    request.end(body)
  })
}

function seriesOfSender(sender: number, step: number, count: number): PushedSeries[] {
  return Array.from({ length: count }, (_, i) => ({
    labels: { __name__: 'overload', sender: `${sender}`, i: `${i}` },
    samples: [[T0 + step * 20, Math.sin(step * 1000 + i)]],
  }))
}

/** What many senders were answered. */
interface Tally {
  sent: number
  acked: number
  refused: number
  slowestMs: number
  readonly wrong: string[]
}

/** Sends from many senders at once for a while; who is refused waits a little. */
async function storm(
  server: Nilo,
  options: { senders: number; forMs: number; seriesEach: number; first?: number },
): Promise<Tally> {
  const tally: Tally = { sent: 0, acked: 0, refused: 0, slowestMs: 0, wrong: [] }
  const end = performance.now() + options.forMs
  const send = async (sender: number): Promise<void> => {
    for (let step = options.first ?? 0; performance.now() < end; step++) {
      const answer = await post(
        server,
        remoteWriteBody(seriesOfSender(sender, step, options.seriesEach)),
      )
      tally.sent++
      tally.slowestMs = Math.max(tally.slowestMs, answer.tookMs)
      if (answer.status === 200) tally.acked++
      else if (answer.status === 503 && answer.retryAfter !== undefined) tally.refused++
      else tally.wrong.push(`${answer.status} ${answer.text}`)
      if (answer.status !== 200) await sleep(20)
    }
  }
  await Promise.all(Array.from({ length: options.senders }, (_, sender) => send(sender)))
  return tally
}

async function samplesOf(server: Nilo): Promise<number> {
  const params = { query: 'sum(count_over_time(overload[2h]))', time: Date.now() / 1000 }
  const answer = await callApi(server.queryUrl, 'query', params, { tenant: 'o' })
  assert.equal(answer.status, 'success', answer.error)
  for (const points of seriesOf(answer.data).values()) {
    for (const value of points.values()) return parseValue(value)
  }
  return 0
}

function rssOf(server: Nilo): number {
  return (
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) * 1024
  )
}

/** That pushes go through again, one after the other, none refused. */
async function assertAsBefore(server: Nilo): Promise<void> {
  const body = (step: number) => remoteWriteBody(seriesOfSender(999, 100_000 + step, 100))
  for (let step = 0; step < 20; step++) {
    const answer = await post(server, body(step))
    assert.equal(answer.status, 200, answer.text)
    assert.ok(answer.tookMs < 2000, `a push took ${answer.tookMs} ms`)
  }
}

test('more senders than can be served', { timeout: 60_000 }, async (t) => {
  const server = await start(t, LIMITS)
  const warm = await storm(server, { senders: 64, forMs: 1000, seriesEach: 200 })
  const before = rssOf(server)
  const first = 50_000
  const tally = await storm(server, { senders: 64, forMs: 1500, seriesEach: 200, first })
  const growth = rssOf(server) - before
  assert.deepEqual([...warm.wrong, ...tally.wrong], [])
  assert.ok(tally.acked > 50, `${tally.acked} pushes were taken`)
  assert.ok(tally.refused > 0, 'nobody was refused')
  assert.ok(growth < GROWTH_BYTES_MAX, `grew by ${growth >> 20} MiB`)
  const found = await samplesOf(server)
  assert.ok(found >= (warm.acked + tally.acked) * 200, `${found} samples, more were acknowledged`)
  assert.ok(found <= (warm.sent + tally.sent) * 200, `${found} samples, fewer were sent`)
  await assertAsBefore(server)
})

test('slow clients keep nobody out for long', { timeout: 60_000 }, async (t) => {
  const server = await start(t, LIMITS)
  const url = new URL(server.pushUrl)
  const sockets = Array.from({ length: INFLIGHT_MAX }, (): Socket => {
    const socket = connect(Number(url.port), url.hostname)
    socket.on('error', () => {})
    const head = `POST ${url.pathname} HTTP/1.1\r\nhost: x\r\nx-scope-orgid: o\r\n`
    socket.write(`${head}content-length: ${RECV_BYTES_MAX}\r\n\r\nbegun`)
    return socket
  })
  const body = remoteWriteBody(seriesOfSender(0, 0, 10))
  let answer = await post(server, body)
  // The slow ones may still be on their way in.
  for (let tries = 0; answer.status === 200 && tries < 100; tries++)
    answer = await post(server, body)
  assert.equal(answer.status, 503)
  assert.ok(answer.retryAfter !== undefined)
  const until = performance.now() + 10_000
  while (answer.status !== 200 && performance.now() < until) {
    await sleep(50)
    answer = await post(server, body)
  }
  assert.equal(answer.status, 200, answer.text)
  const all = await Promise.all(Array.from({ length: 10 }, () => post(server, body)))
  // The server waits for what is in flight before it stops.
  for (const socket of sockets) socket.destroy()
  for (const one of all) assert.equal(one.status, 200, one.text)
})

test('bodies at the limit', { timeout: 60_000 }, async (t) => {
  const server = await start(t, LIMITS)
  const seriesOfSize = (step: number, bytes: number): PushedSeries[] => {
    const series: PushedSeries[] = []
    // A message is as long as its series; the label `pad` of the first one takes up what is left.
    let length = 0
    for (const one of seriesOfSender(0, step, bytes >> 5)) {
      length += encodeWriteRequest([one]).length
      if (length > bytes - 500) break
      series.push(one)
    }
    const pad = bytes - encodeWriteRequest(series).length - 16
    series[0] = { ...series[0]!, labels: { ...series[0]!.labels, pad: 'x'.repeat(pad) } }
    return series
  }
  const fitting = remoteWriteBody(seriesOfSize(1, RECV_BYTES_MAX))
  for (const isChunked of [false, true]) {
    const answer = await post(server, fitting, { isChunked })
    assert.equal(answer.status, 200, answer.text)
  }
  const unpacked = await post(server, remoteWriteBody(seriesOfSize(2, RECV_BYTES_MAX + 1000)))
  const packed = await post(server, Buffer.alloc(RECV_BYTES_MAX + 1))
  const chunked = await post(server, Buffer.alloc(RECV_BYTES_MAX + 1), { isChunked: true })
  for (const answer of [unpacked, packed, chunked]) {
    assert.equal(answer.status, 400)
    assert.match(answer.text, /err-mimir-distributor-max-write-message-size/)
  }
  const before = rssOf(server)
  // Random bytes are as long packed as unpacked: six at once are more than may be in flight.
  const noise = Buffer.from(Array.from({ length: RECV_BYTES_MAX }, () => Math.random() * 256))
  const answers: Answer[] = []
  const rounds = Array.from({ length: 12 }, async () => {
    for (let round = 0; round < 4; round++) answers.push(await post(server, noise))
  })
  await Promise.all(rounds)
  for (const { status, retryAfter, text } of answers) {
    assert.ok(status === 400 || (status === 503 && retryAfter !== undefined), `${status} ${text}`)
  }
  const growth = rssOf(server) - before
  assert.ok(growth < GROWTH_BYTES_MAX, `grew by ${growth >> 20} MiB`)
  await assertAsBefore(server)
})

test('a disk that does not answer', { timeout: 90_000 }, async (t) => {
  const flag = join(mkdtempSync(join(tmpdir(), 'nilo-stuck-')), 'stuck')
  process.env['NILO_TEST_STUCK_DISK'] = flag
  t.after(() => {
    delete process.env['NILO_TEST_STUCK_DISK']
    rmSync(join(flag, '..'), { recursive: true, force: true })
  })
  const preload = new URL('../support/stuck-disk.js', import.meta.url).href
  const flags = [...LIMITS, '-distributor.remote-timeout=2s']
  const server = await start(t, flags, ['--import', preload])
  const calm = await storm(server, { senders: 4, forMs: 500, seriesEach: 100 })
  assert.ok(calm.acked > 0 && calm.refused === 0)
  const before = rssOf(server)
  writeFileSync(flag, '')
  const stuck = await storm(server, { senders: 64, forMs: 4000, seriesEach: 100, first: 10_000 })
  assert.ok(existsSync(flag))
  assert.deepEqual(stuck.wrong, [])
  // What was on its way when the disk stopped may have got through.
  assert.ok(stuck.acked <= 64 && stuck.refused > 64, JSON.stringify(stuck))
  assert.ok(stuck.slowestMs < 10_000, `an answer took ${stuck.slowestMs} ms`)
  await untilReadyIs(server, 503)
  const growth = rssOf(server) - before
  assert.ok(growth < GROWTH_BYTES_MAX, `grew by ${growth >> 20} MiB`)
  rmSync(flag)
  const until = performance.now() + 20_000
  const probe = () => post(server, remoteWriteBody(seriesOfSender(998, 20_000, 10)))
  while ((await probe()).status !== 200) assert.ok(performance.now() < until, 'no recovery')
  await untilReadyIs(server, 200)
  await assertAsBefore(server)
  const found = await samplesOf(server)
  assert.ok(found >= (calm.acked + stuck.acked) * 100, `${found} samples are too few`)
})

async function untilReadyIs(server: Nilo, status: number): Promise<void> {
  const until = performance.now() + 15_000
  while ((await fetch(`${server.url}/ready`)).status !== status) {
    assert.ok(performance.now() < until, `/ready does not come to ${status}`)
    await sleep(100)
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
