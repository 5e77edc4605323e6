/**
 * `npm run overload -- [--senders 400] [--slow 64] [--seconds 5] [--series 1000]`: the built server with
 * a few senders, then with many more than it can serve and with clients whose bodies trickle in, then
 * with the few again: samples a second, latency of what was taken, refusals and memory of each phase.
 * Exits 1 when something else than 200 or 503 with Retry-After was answered, or something that was
 * acknowledged is missing. Senders run in this process and take their share of the machine.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { compressSync } from 'snappy'
import { type Nilo, startNilo } from '../../test/support/nilo.js'
import { callApi, parseValue, seriesOf } from '../../test/support/prom-api.js'
import { encodeWriteRequest } from '../../test/support/remote-write.js'

const { values } = parseArgs({
  options: {
    senders: { type: 'string', default: '400' },
    slow: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '5' },
    series: { type: 'string', default: '1000' },
  },
})
const SENDERS = Number(values.senders)
const SLOW = Number(values.slow)
const SECONDS = Number(values.seconds)
const SERIES = Number(values.series)
const FEW = 4
const T0 = Date.now() - 3_600_000
const RETRY_MS = 50
const TENANT = 'overload'

const agent = new Agent({ keepAlive: true })

/** One sender: a body whose times move on. */
class Sender {
  private readonly message: Buffer
  private readonly places: number[] = []
  private t = T0

  constructor(name: number) {
    const labels = { __name__: 'overload_total', job: 'overload', sender: `${name}` }
    const series = Array.from({ length: SERIES }, (_, i) => ({
      labels: { ...labels, instance: `10.0.0.${i}:9100`, pod: `some-deployment-${i}-abcde` },
      samples: [[T0, Math.sin(i)] as const],
    }))
    this.message = Buffer.from(encodeWriteRequest(series))
    const wanted = Buffer.concat([Buffer.from([0x10]), varint(T0)])
    let at = this.message.indexOf(wanted)
    for (; at >= 0; at = this.message.indexOf(wanted, at + 1)) this.places.push(at + 1)
    if (this.places.length !== SERIES) throw new Error('the times of a body were not found')
  }

  /** The next body: the same series, ten milliseconds later. */
  next(): Uint8Array {
    this.t += 10
    const bytes = varint(this.t)
    for (const at of this.places) this.message.set(bytes, at)
    return compressSync(this.message)
  }
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128)
  return Buffer.from([...bytes, value])
}

/** What a phase came to. */
interface Phase {
  readonly name: string
  acked: number
  refused: number
  sent: number
  readonly tookMs: number[]
  rssMax: number
  rssEnd: number
  seconds: number
}

const wrong: string[] = []

function post(server: Nilo, body: Uint8Array): Promise<'acked' | 'refused' | 'wrong'> {
  return new Promise((resolve) => {
    const headers = {
      'content-encoding': 'snappy',
      'x-scope-orgid': TENANT,
      'content-length': body.length,
    }
    const request = httpRequest(server.pushUrl, { method: 'POST', headers, agent }, (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('end', () => {
        const { statusCode } = response
        if (statusCode === 200) resolve('acked')
        else if (statusCode === 503 && response.headers['retry-after'] !== undefined) {
          resolve('refused')
        } else {
          wrong.push(`${statusCode} ${Buffer.concat(pieces).toString().trim()}`)
          resolve('wrong')
        }
      })
    })
    request.on('error', (error) => {
      wrong.push(String(error))
      resolve('wrong')
    })
    request.end(body)
  })
}

async function run(server: Nilo, name: string, senders: readonly Sender[]): Promise<Phase> {
  const phase: Phase = {
    name,
    acked: 0,
    refused: 0,
    sent: 0,
    tookMs: [],
    rssMax: 0,
    rssEnd: 0,
    seconds: 0,
  }
  const startedAt = performance.now()
  const end = startedAt + SECONDS * 1000
  const watch = setInterval(() => {
    phase.rssMax = Math.max(phase.rssMax, rssOf(server))
  }, 100)
  const send = async (sender: Sender): Promise<void> => {
    while (performance.now() < end) {
      const sentAt = performance.now()
      const outcome = await post(server, sender.next())
      phase.sent++
      if (outcome === 'acked') {
        phase.acked++
        phase.tookMs.push(performance.now() - sentAt)
        continue
      }
      if (outcome === 'refused') phase.refused++
      await sleep(RETRY_MS)
    }
  }
  await Promise.all(senders.map(send))
  clearInterval(watch)
  phase.seconds = (performance.now() - startedAt) / 1000
  phase.rssEnd = rssOf(server)
  return phase
}

/** Bodies that are announced and come a byte at a time. */
function trickle(server: Nilo): () => void {
  const { hostname, port, pathname } = new URL(server.pushUrl)
  const sockets = Array.from({ length: SLOW }, (): Socket => {
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    socket.write(
      `POST ${pathname} HTTP/1.1\r\nhost: x\r\nx-scope-orgid: ${TENANT}\r\ncontent-length: 50000000\r\n\r\n`,
    )
    return socket
  })
  const timer = setInterval(() => {
    for (const socket of sockets) if (socket.writable) socket.write('x')
  }, 200)
  return () => {
    clearInterval(timer)
    for (const socket of sockets) socket.destroy()
  }
}

function rssOf(server: Nilo): number {
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
}

async function samplesOf(server: Nilo): Promise<number> {
  const params = { query: 'sum(count_over_time(overload_total[2h]))', time: Date.now() / 1000 }
  const answer = await callApi(server.queryUrl, 'query', params, { tenant: TENANT })
  if (answer.status !== 'success') throw new Error(answer.error)
  for (const points of seriesOf(answer.data).values()) {
    for (const value of points.values()) return parseValue(value)
  }
  return 0
}

function print(phase: Phase): void {
  const sorted = [...phase.tookMs].sort((a, b) => a - b)
  const at = (share: number): string => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(1)
  const rate = (phase.acked * SERIES) / phase.seconds
  process.stdout.write(
    `${[
      phase.name.padEnd(10),
      `samples/s ${rate.toFixed(0).padStart(9)}`,
      `taken ${String(phase.acked).padStart(6)}`,
      `refused ${String(phase.refused).padStart(6)}`,
      `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, slowest ${at(0.99999)} ms`,
      `RSS max ${phase.rssMax.toFixed(0)} MiB, end ${phase.rssEnd.toFixed(0)} MiB`,
    ].join('  ')}\n`,
  )
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

const folder = mkdtempSync(join(tmpdir(), 'nilo-overload-'))
const server = await startNilo(folder, [
  '-distributor.instance-limits.max-inflight-push-requests=200',
])
try {
  const senders = Array.from({ length: SENDERS }, (_, name) => new Sender(name))
  const few = senders.slice(0, FEW)
  const phases = [await run(server, 'warm', few), await run(server, 'before', few)]
  const stop = trickle(server)
  phases.push(await run(server, 'overload', senders))
  // Again, now that all series are there: what grows now grows without reason.
  phases.push(await run(server, 'overload', senders))
  stop()
  phases.push(await run(server, 'after', few))
  for (const phase of phases) print(phase)
  const acked = phases.reduce((sum, phase) => sum + phase.acked, 0) * SERIES
  const sent = phases.reduce((sum, phase) => sum + phase.sent, 0) * SERIES
  const found = await samplesOf(server)
  if (found < acked || found > sent) wrong.push(`${found} samples; ${acked} acked, ${sent} sent`)
  process.stdout.write(`samples acknowledged ${acked}, found ${found}, sent ${sent}\n`)
} finally {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
}
for (const line of wrong.slice(0, 10)) process.stdout.write(`wrong: ${line}\n`)
process.exit(wrong.length === 0 ? 0 : 1)
