/**
 * `nilo bench`: load on any server that takes remote write, at a chosen rate, and what it costs that
 * server: samples per CPU second, latency, memory. The fleet is made up (bench-fleet.ts) and sent
 * again and again, stamped with the time of sending.
 */
import { parseDuration } from '../shared/base/duration.js'
import { nodeDisk, type Timers } from '../shared/env/index.js'
import { fail } from '../shared/errors/index.js'
import { BenchFleet, type FleetOptions } from './bench-fleet.js'
import { BenchReport } from './bench-report.js'
import { type PushTarget, Sender } from './bench-sender.js'
import { parseArgs } from './block.js'

/** What `nilo bench help` prints. */
export const BENCH_HELP = `usage: nilo bench [flags]

  -url=http://127.0.0.1:9009/api/v1/push   where to push (Prometheus: /api/v1/write)
  -series=10000        active series, of all tenants
  -rate=50000          samples a second; 0: as fast as the server takes them
  -duration=1m         how long
  -churn=0             per cent of the series that are replaced every -churn-every
  -churn-every=5m
  -tenants=1           the series are spread over so many tenants
  -tenant=             X-Scope-OrgID; with several tenants a number follows; empty: not sent
  -protocol=1.0        remote write 1.0 or 2.0
  -concurrency=4       requests at once; those of a series go one after the other
  -pid=                process of the server on this machine: CPU seconds and memory are read from /proc

  Latency counts from the moment when a request was due, so a stalled server is not excused.
  Ends with 1 when a request was not answered 2xx.`

const FLAGS = [
  'url',
  'series',
  'rate',
  'duration',
  'churn',
  'churn-every',
  'tenants',
  'tenant',
  'protocol',
  'concurrency',
  'pid',
]

/** What the command reaches the world through. */
export interface BenchWorld {
  readonly clock: { now(): number; monotonic(): number }
  readonly timers: Timers
  print(line: string): void
}

/** A run as the flags say. */
interface BenchOptions extends FleetOptions {
  readonly target: PushTarget
  readonly rate: number
  readonly durationMs: number
  readonly concurrency: number
  readonly pid: number | undefined
}

/**
 * Runs the command.
 *
 * @returns whether every request was answered 2xx
 * @throws AppError `bad-data` for wrong arguments
 */
export async function runBench(args: readonly string[], world: BenchWorld): Promise<boolean> {
  if (args[0] === 'help') {
    world.print(BENCH_HELP)
    return true
  }
  const options = optionsOf(args)
  const fleet = new BenchFleet(options)
  const report = new BenchReport(world, nodeDisk(), options.pid)
  const sender = new Sender(options.target, options.concurrency)
  world.print(
    `${options.series} series in ${fleet.requestCount()} requests, ${options.rate === 0 ? 'as fast as they are taken' : `${options.rate} samples/s`}, for ${options.durationMs / 1000} s`,
  )
  const start = world.clock.monotonic()
  const lanes = Array.from({ length: options.concurrency }, (_, lane) =>
    runLane({ lane, start, options, fleet, report, sender, world }),
  )
  const stop = report.printSlices()
  try {
    await Promise.all(lanes)
  } finally {
    stop()
    sender.close()
  }
  return report.finish()
}

/** What a lane works with. */
interface Lane {
  readonly lane: number
  readonly start: number
  readonly options: BenchOptions
  readonly fleet: BenchFleet
  readonly report: BenchReport
  readonly sender: Sender
  readonly world: BenchWorld
}

/** Sends every so-many-th request, in order, so that no series is sent by two lanes. */
async function runLane(run: Lane): Promise<void> {
  const { lane, start, options, fleet, report, sender, world } = run
  const { clock, timers } = world
  const end = start + options.durationMs
  const count = fleet.requestCount()
  let sentBefore = 0
  while (true) {
    for (let index = 0; index < count; index++) {
      const samples = fleet.samplesOf(index)
      const due = options.rate === 0 ? 0 : start + (sentBefore / options.rate) * 1000
      sentBefore += samples
      if (index % options.concurrency !== lane % options.concurrency) continue
      if (due > clock.monotonic()) await timers.sleep(Math.min(due, end) - clock.monotonic())
      const begun = clock.monotonic()
      if (begun >= end) return
      const { tenant, body } = fleet.request(index, clock.now())
      const status = await sender.send(tenant, body)
      const from = options.rate === 0 ? begun : due
      report.note({ samples, status, latencyMs: clock.monotonic() - from })
    }
    if (lane >= count) return
  }
}

function optionsOf(args: readonly string[]): BenchOptions {
  const { words, flags } = parseArgs(args, FLAGS)
  if (words.length > 0) throw fail('bad-data', { text: BENCH_HELP })
  const text = (name: string, other: string): string => flags.get(name) ?? other
  const whole = (name: string, other: number, least: number): number => {
    const value = Number(text(name, String(other)))
    if (Number.isInteger(value) && value >= least) return value
    throw fail('bad-data', { text: `-${name} takes a whole number from ${least} on` })
  }
  const protocol = text('protocol', '1.0')
  if (protocol !== '1.0' && protocol !== '2.0') {
    throw fail('bad-data', { text: '-protocol is 1.0 or 2.0' })
  }
  const address = text('url', 'http://127.0.0.1:9009/api/v1/push')
  if (!URL.canParse(address) || !address.startsWith('http://')) {
    throw fail('bad-data', { text: '-url takes an address that begins with http://' })
  }
  const churnPercent = whole('churn', 0, 0)
  if (churnPercent > 100) throw fail('bad-data', { text: '-churn is at most 100' })
  return {
    series: whole('series', 10_000, 1),
    churnPercent,
    churnEveryMs: Math.max(1_000, parseDuration(text('churn-every', '5m'))),
    tenants: whole('tenants', 1, 1),
    tenant: text('tenant', ''),
    protocol,
    target: { url: new URL(address), protocol },
    rate: whole('rate', 50_000, 0),
    durationMs: parseDuration(text('duration', '1m')),
    concurrency: whole('concurrency', 4, 1),
    pid: flags.has('pid') ? whole('pid', 0, 1) : undefined,
  }
}
