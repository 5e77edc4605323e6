/**
 * The soak: senders push without pause while the server, or one of its threads, is killed again and
 * again on one data directory. After each restart what was sent since the kill before is read back, at the end
 * everything, each sample with its exact value.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { type Nilo, startNilo } from '../../../test/support/nilo.js'
import { waitFor, waitForUrl } from '../../../test/support/processes.js'
import { KILL_SIGNAL } from './kill-signal.js'
import { ServerSlot } from './server-slot.js'
import { type Findings, verify, verifyTotals } from './verify.js'
import { mix } from './workload.js'
import { Writer } from './writer.js'

/** What a soak does. */
export interface SoakOptions {
  readonly kills: number
  readonly seed: number
  /** Longest time between a start and the kill, ms; the shortest is a tenth. */
  readonly betweenMsMax: number
  /** Pushes that are answered before a kill, however long that takes; 0 unless told. */
  readonly pushesBetween?: number
  readonly writers: number
  /** Whether single threads are killed instead of the process. */
  readonly workers?: boolean
  /**
   * Zones with a copy of every series each: ingester shards are killed, one at a time, and in the
   * end a zone's directory is removed and its shard killed; not one push may fail then, and none may
   * be missing. One head range later each zone alone must have everything.
   */
  readonly zones?: number
  /** Data directory; must be empty or missing at first. */
  readonly folder: string
  /** Flags for the server. */
  readonly flags?: readonly string[]
  readonly say: (line: string) => void
}

/** How it came out. */
export interface SoakResult {
  readonly pushes: number
  readonly acked: number
  readonly resent: number
  readonly samplesFound: number
  readonly samplesExtra: number
  /** Losses, wrong values, inventions and answers that should not have been; must be empty. */
  readonly wrong: readonly string[]
  /** Milliseconds from each restart to ready. */
  readonly readyMs: readonly number[]
}

/** Data starts so far back that no timestamp reaches the future. */
const BACK_MS = 4 * 3_600_000
/** With zones, time goes fast: a head range is done within some hundred pushes. */
const ZONES_BACK_MS = 60 * 24 * 3_600_000
const ZONES_STEP_MS = 60_000
/** A head is cut when it spans one and a half ranges of two hours; with it all from before is in blocks. */
const ZONES_HEAD_PUSHES = Math.ceil((5.2 * 3_600_000) / ZONES_STEP_MS)
const CUT_MS_MAX = 120_000
const PARK_MS_MAX = 60_000
const THREAD_KILLER = new URL('./thread-killer.js', import.meta.url).href

/** Runs a soak; throws when a server does not start or a query fails. */
export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  mkdirSync(options.folder, { recursive: true })
  const isZoned = options.zones !== undefined
  const baseMs = Date.now() - (isZoned ? ZONES_BACK_MS : BACK_MS)
  const pace = isZoned ? { stepMs: ZONES_STEP_MS } : {}
  const servers = new ServerSlot()
  const writers = Array.from({ length: options.writers }, (_, writer) => {
    return new Writer({ seed: options.seed, writer, baseMs, ...pace }, servers)
  })
  const readyMs: number[] = []
  const wrong: string[] = []
  let server = await start(options)
  servers.set(server)
  const running = Promise.all(writers.map((writer) => writer.run()))
  try {
    let from = writers.map(() => 0)
    for (let kill = 1; kill <= options.kills; kill++) {
      await sleep(pauseOf(options, kill))
      await somePushes(writers, options.pushesBetween ?? 0)
      const startedAt = performance.now()
      if (isOfThreads(options)) await killThread(server, kill, options.zones === undefined)
      else {
        const killed = server.stop('SIGKILL')
        servers.clear()
        await killed
        server = await start(options)
      }
      readyMs.push(performance.now() - startedAt)
      servers.clear()
      await servers.allWait(writers.length)
      // The push in hand is looked at again: it may be sent anew.
      const next = writers.map((writer) => Math.max(0, writer.fates.length - 1))
      const findings = await verifyAll(server.queryUrl, writers, from)
      wrong.push(...findings.wrong)
      options.say(killLine(kill, readyMs.at(-1)!, writers, findings))
      from = next
      // A second zone must not be gone while one replays.
      if (options.zones !== undefined) await allShards(server)
      servers.set(server)
    }
    await sleep(pauseOf(options, 0))
    await somePushes(writers, options.pushesBetween ?? 0)
    if (options.zones !== undefined) {
      await loseZone(options, server, options.zones - 1)
      await Promise.all(writers.map((writer) => somePushes([writer], ZONES_HEAD_PUSHES)))
    }
    for (const writer of writers) writer.stop()
    await running
    const findings = await verifyAll(
      server.queryUrl,
      writers,
      writers.map(() => 0),
    )
    findings.wrong.push(...(await verifyTotals(server.queryUrl, writers, findings)))
    if (options.zones !== undefined) {
      wrong.push(...refusals(writers))
      wrong.push(...(await compareZones(options, server, { writers, whole: findings })))
    }
    return summed(writers, findings, wrong, readyMs)
  } finally {
    for (const writer of writers) writer.stop()
    servers.set(server)
    await server.stop()
  }
}

function start(options: SoakOptions): Promise<Nilo> {
  const nodeFlags = isOfThreads(options) ? ['--import', THREAD_KILLER] : []
  const { zones } = options
  const window = zones === undefined ? '1h' : '3h'
  const flags = [`-ingester.out-of-order-time-window=${window}`, ...(options.flags ?? [])]
  if (zones === undefined) return startNilo(options.folder, flags, nodeFlags)
  const roots = Array.from({ length: zones - 1 }, (_, zone) => zoneFolder(options, zone + 1))
  flags.push(`-data.zone-dirs=${roots.join(',')}`, `-ingester.ring.replication-factor=${zones}`)
  flags.push('-blocks-storage.tsdb.head-compaction-interval=2s', '-actors.ingester-shards=1')
  flags.push('-querier.filter-queryables-enabled=true')
  process.env['NILO_SOAK_KIND'] = 'ingester'
  return startNilo(zoneFolder(options, 0), flags, nodeFlags)
}

function isOfThreads({ workers, zones }: SoakOptions): boolean {
  return workers === true || zones !== undefined
}

function zoneFolder({ folder }: SoakOptions, zone: number): string {
  return `${folder}/zone-${zone}`
}

/** A zone loses its directory, and then its shard: what that has next is an empty disk. */
async function loseZone(options: SoakOptions, server: Nilo, zone: number): Promise<void> {
  const { zones = 1 } = options
  // Shards are killed by turns.
  for (let turn = options.kills % zones; turn !== zone; turn = (turn + 1) % zones) {
    await killThread(server, turn, false)
    await allShards(server)
  }
  await waitFor(`the end of zone ${zone}`, server, async () =>
    removeTree(zoneFolder(options, zone)),
  )
  await sleep(options.betweenMsMax)
  await killThread(server, zone, false)
  await allShards(server)
  options.say(`zone ${zone} has lost its directory and its shard`)
}

/** Removes a folder; undefined when the server, which goes on, has written there meanwhile. */
function removeTree(folder: string): true | undefined {
  try {
    rmSync(folder, { recursive: true })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTEMPTY') return undefined
    throw error
  }
}

/** What zones that are asked alone, each with the blocks that were cut, lack or have too much. */
async function compareZones(
  options: SoakOptions,
  server: Nilo,
  { writers, whole }: { writers: readonly Writer[]; whole: Findings },
): Promise<string[]> {
  const wrong: string[] = []
  const from = writers.map(() => 0)
  const wanted = whole.found + whole.extra
  for (let zone = 0; zone < (options.zones ?? 0); zone++) {
    const headers = { 'X-Filter-Queryables': `zone-${zone},store-gateway` }
    const until = performance.now() + CUT_MS_MAX
    let findings = await verifyAll(server.queryUrl, writers, from, headers)
    // The last cut is under way.
    while (findings.wrong.length > 0 && performance.now() < until) {
      await sleep(1_000)
      findings = await verifyAll(server.queryUrl, writers, from, headers)
    }
    options.say(`zone ${zone} alone: ${findings.found} samples, ${findings.wrong.length} wrong`)
    wrong.push(...findings.wrong.map((line) => `zone ${zone}: ${line}`))
    const has = findings.found + findings.extra
    if (has !== wanted) wrong.push(`zone ${zone} has ${has} samples, all together ${wanted}`)
  }
  return wrong
}

/** Pushes that failed while the other zones were there. */
function refusals(writers: readonly Writer[]): string[] {
  const refused = writers.reduce((sum, writer) => sum + writer.refused, 0)
  const last = writers.find(({ refusal }) => refusal !== '')?.refusal
  return refused === 0
    ? []
    : [`${refused} pushes were not taken while two zones were there: ${last}`]
}

/** Waits until the writers have come so many pushes further; not one in a minute is a failure. */
async function somePushes(writers: readonly Writer[], count: number): Promise<void> {
  const sent = (): number => writers.reduce((sum, { fates }) => sum + fates.length, 0)
  const wanted = sent() + count
  let last = sent()
  let until = performance.now() + PARK_MS_MAX
  for (; sent() < wanted; await sleep(5)) {
    if (sent() > last) until = performance.now() + PARK_MS_MAX
    else if (performance.now() > until) throw new Error('pushes are not answered')
    last = sent()
  }
}

/** Has the server end one of its threads, and waits until it is noticed, or until all is as before. */
async function killThread(server: Nilo, kill: number, untilReady: boolean): Promise<void> {
  const before = await restartsOf(server)
  process.kill(server.pid, KILL_SIGNAL)
  await waitFor(`the restart after kill ${kill}`, server, async () => {
    return (await restartsOf(server)) > before ? true : undefined
  })
  if (untilReady) await waitForUrl(`${server.url}/ready`, server)
}

/** Waits until all shards have replayed: with zones the server is ready before. */
async function allShards(server: Nilo): Promise<void> {
  await waitFor('all shards', server, async () => {
    const answer = await fetch(`${server.url}/debug/actors`)
    const { children } = (await answer.json()) as {
      children: { actor: string; state: string; status?: { readyPercent: number } }[]
    }
    const shards = children.filter(({ actor }) => actor.startsWith('ingester/'))
    const isUp = shards.every((shard) => shard.status?.readyPercent === 100)
    return isUp || undefined
  })
}

async function restartsOf(server: Nilo): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text()
  let sum = 0
  for (const match of text.matchAll(/^nilo_actor_restarts_total\{[^}]*\} (\d+)$/gm)) {
    sum += Number(match[1])
  }
  return sum
}

function pauseOf(options: SoakOptions, kill: number): number {
  const share = 0.1 + 0.9 * (mix(options.seed, kill, 3) / 2 ** 32)
  return options.betweenMsMax * share
}

async function verifyAll(
  queryUrl: string,
  writers: readonly Writer[],
  from: readonly number[],
  headers: Readonly<Record<string, string>> = {},
): Promise<Findings> {
  const sum: Findings = { found: 0, extra: 0, wrong: [] }
  for (const [at, writer] of writers.entries()) {
    const findings = await verify(queryUrl, writer, from[at]!, headers)
    sum.found += findings.found
    sum.extra += findings.extra
    sum.wrong.push(...findings.wrong)
  }
  return sum
}

function summed(
  writers: readonly Writer[],
  findings: Findings,
  earlier: readonly string[],
  readyMs: readonly number[],
): SoakResult {
  const fates = writers.flatMap((writer) => writer.fates)
  return {
    pushes: fates.length,
    acked: fates.filter((fate) => fate === 'acked').length,
    resent: writers.reduce((sum, writer) => sum + writer.resent, 0),
    samplesFound: findings.found,
    samplesExtra: findings.extra,
    wrong: [
      ...new Set([
        ...earlier,
        ...findings.wrong,
        ...writers.flatMap((writer) => writer.complaints.slice(0, 5)),
      ]),
    ],
    readyMs,
  }
}

function killLine(
  kill: number,
  readyMs: number,
  writers: readonly Writer[],
  findings: Findings,
): string {
  const pushes = writers.reduce((sum, writer) => sum + writer.fates.length, 0)
  const checked = `checked ${findings.found} samples, ${findings.wrong.length} wrong`
  return `kill ${kill}: ready after ${readyMs.toFixed(0)} ms, ${pushes} pushes so far; ${checked}`
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
