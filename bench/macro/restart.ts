/**
 * `npm run restart -- [--series 1000000] [--scrapes 10] [--rounds 1] [--peers prometheus]`: kill -9 after so
 * many scrapes, start again on the same data; time from the start to the first accepted write, and to
 * the first right answer (a count of all series, the sum of one metric). `--clean`: a clean stop instead.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { runNilo } from '../../test/support/nilo.js'
import { freePort } from '../../test/support/ports.js'
import {
  type RunningProcess,
  startProcess,
  waitFor,
  waitForUrl,
} from '../../test/support/processes.js'
import { push, sendBody } from '../../test/support/remote-write.js'
import { findShared } from '../../test/support/shared-material.js'
import { moveTo, type RawScrape, rawScrapeOf, valueAt } from '../remote-write-data.js'

const { values } = parseArgs({
  options: {
    series: { type: 'string', default: '1000000' },
    scrapes: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '1' },
    peers: { type: 'string', default: 'prometheus' },
    clean: { type: 'boolean', default: false },
  },
})
const SERIES = Number(values.series)
const SCRAPES = Number(values.scrapes)
const SCRAPE_MS = 15_000
const SENDERS = 4
const POLL_MS = 20
const METRIC = 'container_network_receive_packets_dropped_0_total'
const SERIES_PER_METRIC = 40

/** A started server. */
interface Server {
  readonly process: RunningProcess
  readonly pushUrl: string
  readonly queryUrl: string
}

const startMs = Math.floor(Date.now() / 1000) * 1000 - SCRAPES * SCRAPE_MS
const lastMs = startMs + (SCRAPES - 1) * SCRAPE_MS
print(`${SERIES} series × ${SCRAPES} scrapes, ${values.clean ? 'a clean stop' : 'kill -9'}`)
const raw = rawScrapeOf(SERIES, startMs)
for (let round = 0; round < Number(values.rounds); round++) {
  for (const name of ['nilometer', ...values.peers.split(',').filter((peer) => peer !== '')]) {
    await measure(name)
  }
}

async function measure(name: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), `restart-${name}-`))
  try {
    const first = await start(name, folder)
    await waitForUrl(first.readyUrl, first.process, 60_000)
    const began = performance.now()
    await fill(first, raw)
    const filled = performance.now() - began
    await first.process.stop(values.clean ? 'SIGTERM' : 'SIGKILL', 120_000)
    const at = performance.now()
    const server = await start(name, folder)
    const [write, answer] = await Promise.all([firstWrite(server, at), firstAnswer(server, at)])
    print(
      `${name}: filled in ${(filled / 1000).toFixed(1)} s;`,
      `first accepted write after ${(write / 1000).toFixed(2)} s,`,
      `first right answer after ${(answer / 1000).toFixed(2)} s, RSS ${rssMib(server.process.pid)} MiB`,
    )
    await server.process.stop('SIGKILL')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function fill(server: Server, scrape: RawScrape): Promise<void> {
  for (let index = 0; index < SCRAPES; index++) {
    const time = startMs + index * SCRAPE_MS
    let next = 0
    const send = async (): Promise<void> => {
      while (next < scrape.bodies.length) {
        const body = moveTo(scrape.bodies[next++]!, time)
        for (;;) {
          const { status, text } = await sendBody(server.pushUrl, body)
          if (status >= 200 && status < 300) break
          if (status !== 503 && status !== 429) throw new Error(`${status} ${text}`)
          await sleep(POLL_MS)
        }
      }
    }
    await Promise.all(Array.from({ length: SENDERS }, send))
  }
}

async function firstWrite(server: Server, at: number): Promise<number> {
  const labels = { __name__: 'restart_probe' }
  for (;;) {
    const { status } = await push(server.pushUrl, [{ labels, samples: [[Date.now(), 1]] }])
    if (status >= 200 && status < 300) return performance.now() - at
    await sleep(POLL_MS)
  }
}

async function firstAnswer(server: Server, at: number): Promise<number> {
  let sum = 0
  for (let index = 0; index < SERIES; index += SERIES_PER_METRIC) sum += valueAt(index, lastMs)
  await until(server, `sum(${METRIC})`, sum)
  await until(server, 'count({__name__=~".+",__name__!="restart_probe"})', SERIES)
  return performance.now() - at
}

async function until(server: Server, query: string, expected: number): Promise<void> {
  const time = (lastMs + 1000) / 1000
  const url = `${server.queryUrl}/api/v1/query?time=${time}&query=${encodeURIComponent(query)}`
  for (;;) {
    try {
      const answer = (await (await fetch(url)).json()) as {
        data?: { result?: { value: [number, string] }[] }
      }
      if (Number(answer.data?.result?.[0]?.value[1]) === expected) return
    } catch {
      // Not up yet.
    }
    await sleep(POLL_MS)
  }
}

async function start(name: string, folder: string): Promise<Server & { readyUrl: string }> {
  if (name === 'nilometer') {
    const port = await freePort()
    const process = runNilo([
      'serve',
      `-data.dir=${folder}`,
      `-server.http-listen-port=${port}`,
      '-auth.multitenancy-enabled=false',
    ])
    const url = `http://127.0.0.1:${port}`
    await waitFor('the server', process, async () => (await isUp(`${url}/services`)) || undefined)
    return {
      process,
      pushUrl: `${url}/api/v1/push`,
      queryUrl: `${url}/prometheus`,
      readyUrl: `${url}/ready`,
    }
  }
  const port = await freePort()
  const script = findShared('tools/peers/start.sh')
  if (script === undefined) throw new Error('tools/peers is not there (NILO_SHARED)')
  const peers = process.env['PEERS'] ?? resolve('.cache/peers')
  const peer = startProcess({
    command: script,
    args: [name, folder, String(port)],
    env: { PEERS: peers },
  })
  const url = `http://127.0.0.1:${port}`
  const readyUrl = `${url}${name === 'prometheus' ? '/-/ready' : '/health'}`
  return { process: peer, pushUrl: `${url}/api/v1/write`, queryUrl: url, readyUrl }
}

async function isUp(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok
  } catch {
    return false
  }
}

function rssMib(pid: number): string {
  const done = spawnSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })
  return (Number(done.stdout.trim()) / 1024).toFixed(0)
}

function sleep(ms: number): Promise<void> {
  return new Promise((go) => setTimeout(go, ms))
}

function print(...parts: string[]): void {
  process.stdout.write(`${parts.join(' ')}\n`)
}
