/**
 * The real system under load while its workers are killed one after the other: the process lives,
 * the worker comes back, senders and readers see errors that may be retried and no others, and what
 * was acknowledged is there afterwards, once, with its value; also after a drain and a new start.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { QuerierQuery } from '../../../src/actors/querier/contract.js'
import {
  createMainEnv,
  type MainEnv,
  type System,
  startSupervisor,
} from '../../../src/actors/supervisor/system.js'
import { defaultConfig } from '../../../src/shared/config/index.js'
import { NODE_CLOCK, NODE_TIMERS } from '../../../src/shared/env/index.js'
import { AppError } from '../../../src/shared/errors/index.js'
import { taskOf, textOf } from '../../support/querier.js'
import { type PushedSeries, remoteWriteBody } from '../../support/remote-write.js'

const SENDERS = 3
const SERIES = 20
const STEP_MS = 100
const TENANT = 'team-a'
const T0 = NODE_CLOCK.now() - 40 * 60_000

const folder = mkdtempSync(join(tmpdir(), 'nilo-kill-'))
const config = defaultConfig({
  'data.dir': folder,
  'actors.distributors': 2,
  'actors.ingester_shards': 2,
  'actors.queriers': 2,
  'server.log_level': 'error',
})
const running: System[] = []
after(async () => {
  for (const system of running) await system.drain()
  rmSync(folder, { recursive: true })
})

async function start(fatal: string[]): Promise<{ system: System; main: MainEnv }> {
  const main = createMainEnv('error')
  const system = await startSupervisor(config, main, { onFatal: (reason) => fatal.push(reason) })
  running.push(system)
  await until(async () => (await system.status()).readiness.isReady, 'ready')
  return { system, main }
}

/** What senders and readers have seen so far. */
interface Tally {
  /** Per sender: steps acknowledged. */
  readonly steps: number[]
  pushRetries: number
  queries: number
  queryRetries: number
}

/** Sends step after step, each until it is acknowledged. */
async function send(system: System, sender: number, tally: Tally, isOver: () => boolean) {
  for (let step = 0; !isOver(); step++) {
    const body = remoteWriteBody(seriesAt(sender, step))
    while (!(await isTaken(system, body))) {
      tally.pushRetries++
      await NODE_TIMERS.sleep(5)
    }
    tally.steps[sender]!++
    await NODE_TIMERS.sleep(1)
  }
}

function seriesAt(sender: number, step: number): PushedSeries[] {
  return Array.from({ length: SERIES }, (_, index) => ({
    labels: { __name__: 'kill_total', sender: `s${sender}`, series: `n${index}` },
    samples: [[T0 + step * STEP_MS, valueAt(sender, index, step)] as const],
  }))
}

function valueAt(sender: number, index: number, step: number): number {
  return step * 1000 + sender * 100 + index + 0.25
}

async function isTaken(system: System, body: Uint8Array): Promise<boolean> {
  try {
    const answer = await system.distributors.push(TENANT, [body], body.length)
    if (answer.status === 200) return true
    assert.ok(answer.retryable, `${answer.status} ${answer.text}`)
    assert.equal(answer.status, 503)
    return false
  } catch (error) {
    assertRetryable(error)
    return false
  }
}

function assertRetryable(error: unknown): void {
  assert.ok(error instanceof AppError && error.row().retryable, String(error))
  assert.notEqual(error.id, 'internal', String(error))
}

type Rows = readonly { metric: Record<string, string>; value: [number, string] }[]

async function query(system: System, text: string, atMs: number): Promise<Rows> {
  const request: QuerierQuery = { kind: 'query', text, atMs, lookbackMs: 0, limit: 0 }
  const task = taskOf(TENANT, request)
  const answer = await system.queriers.run(task, new AbortController().signal)
  return (JSON.parse(textOf(answer)) as { data: { result: Rows } }).data.result
}

/** Asks on and on; a count never goes back below what was acknowledged before the question. */
async function read(system: System, tally: Tally, isOver: () => boolean) {
  const acknowledged = Array<number>(SENDERS).fill(0)
  while (!isOver()) {
    for (let sender = 0; sender < SENDERS; sender++) acknowledged[sender] = tally.steps[sender]!
    try {
      const rows = await query(
        system,
        'min by (sender) (count_over_time(kill_total[1h]))',
        T0 + 3e6,
      )
      tally.queries++
      for (const { metric, value } of rows) {
        const sender = Number(metric['sender']!.slice(1))
        assert.ok(Number(value[1]) >= acknowledged[sender]!, 'acknowledged samples are missing')
      }
      const [series] = await query(system, 'count(count_over_time(kill_total[1h]))', T0 + 3e6)
      const begun = acknowledged.filter((steps) => steps > 0).length
      assert.ok(Number(series?.value[1] ?? 0) >= begun * SERIES, 'series of a shard are missing')
    } catch (error) {
      assertRetryable(error)
      tally.queryRetries++
      await NODE_TIMERS.sleep(5)
    }
  }
}

async function until(isTrue: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const end = NODE_CLOCK.monotonic() + 30_000
  while (!(await isTrue())) {
    assert.ok(NODE_CLOCK.monotonic() < end, `waited in vain: ${what}`)
    await NODE_TIMERS.sleep(5)
  }
}

/** Every series has exactly the samples of the acknowledged steps, with their values. */
async function checkAll(system: System, tally: Tally): Promise<void> {
  const at = T0 + 3e6
  const counts = await query(system, 'count_over_time(kill_total[1h])', at)
  const sums = await query(system, 'sum_over_time(kill_total[1h])', at)
  assert.equal(counts.length, SENDERS * SERIES)
  for (const { metric, value } of counts) {
    const sender = Number(metric['sender']!.slice(1))
    assert.equal(Number(value[1]), tally.steps[sender], JSON.stringify(metric))
  }
  for (const { metric, value } of sums) {
    const sender = Number(metric['sender']!.slice(1))
    const index = Number(metric['series']!.slice(1))
    let sum = 0
    for (let step = 0; step < tally.steps[sender]!; step++) sum += valueAt(sender, index, step)
    assert.equal(Number(value[1]), sum, JSON.stringify(metric))
  }
}

test('killing each kind of worker under pushes and queries costs retries and nothing else', async () => {
  const fatal: string[] = []
  const { system } = await start(fatal)
  const tally: Tally = { steps: [0, 0, 0], pushRetries: 0, queries: 0, queryRetries: 0 }
  let isOver = false
  after(() => {
    isOver = true
  })
  const load = [
    ...tally.steps.map((_, sender) => send(system, sender, tally, () => isOver)),
    read(system, tally, () => isOver),
  ]
  const broken = Promise.all(load)
  broken.catch(() => {
    isOver = true
  })
  const flows = async (what: string): Promise<void> => {
    const before = { steps: [...tally.steps], queries: tally.queries }
    await until(
      () =>
        isOver ||
        (tally.steps.every((steps, sender) => steps > before.steps[sender]! + 10) &&
          tally.queries > before.queries + 2),
      `pushes and queries go on ${what}`,
    )
  }
  for (const actor of ['ingester/0', 'distributor/1', 'querier/0', 'ingester/1', 'distributor/0']) {
    await flows(`before ${actor} is killed`)
    const restarts = await restartsOf(system, actor)
    await system.kill(actor)
    await until(async () => (await restartsOf(system, actor)) > restarts, `${actor} restarts`)
    await until(async () => (await system.status()).readiness.isReady, `ready after ${actor}`)
    await flows(`after ${actor} was killed`)
  }
  isOver = true
  await broken
  assert.ok(tally.pushRetries > 0, 'no sender noticed anything')
  assert.deepEqual(fatal, [])
  await checkAll(system, tally)
  assert.match(system.metricsText(), /nilo_actor_restarts_total\{actor="ingester"\} 2\n/)
  assert.deepEqual(await system.drain(), [])
  await assert.rejects(query(system, '1', T0), AppError)

  const again = await start(fatal)
  await checkAll(again.system, tally)
})

async function restartsOf(system: System, actor: string): Promise<number> {
  const { children } = await system.status()
  const kind = actor.startsWith('querier') ? 'querier' : actor
  return children.find((child) => child.actor === kind)!.restarts
}
