/**
 * The soak over blocks: senders write months of data within minutes while others ask for all of it, and
 * the blocks of it are cut, shipped, compacted and deleted as fast as can be; the process or one of its
 * threads is killed, stopped, flushed, or loses its whole local directory, again and again, and series
 * are deleted meanwhile. Every answer is
 * compared with what must be there.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Nilo, startNilo } from '../../../../test/support/nilo.js'
import { waitFor } from '../../../../test/support/processes.js'
import { KILL_SIGNAL } from '../kill-signal.js'
import { ServerSlot } from '../server-slot.js'
import { mix } from '../workload.js'
import { Asker } from './asker.js'
import type { Deletion, Deletions } from './deletions.js'
import { type BlocksStream, firstStepOf, STEP_MS, tenantOf } from './workload.js'
import { BlocksWriter } from './writer.js'

/** What a soak over blocks does. */
export interface BlocksSoakOptions {
  /** Strikes of all kinds, at most. */
  readonly kills: number
  /** No strike begins after so long, ms. */
  readonly forMs?: number
  readonly seed: number
  /** Longest time between two strikes, ms; the shortest is a tenth. */
  readonly betweenMsMax: number
  readonly writers: number
  /** Time between two pushes of a writer, ms. */
  readonly pauseMs?: number
  /** Folder for local data; must be empty or missing at first. */
  readonly folder: string
  /** Flags that say where the bucket is. */
  readonly bucketFlags: readonly string[]
  /** Before the end: from here on the bucket is to work without faults. */
  readonly calm?: () => void
  readonly say: (line: string) => void
  /** Gets what each life of the server has written. */
  readonly keepLog?: (life: number, text: string) => void
}

/** How it came out. */
export interface BlocksSoakResult {
  readonly strikes: number
  readonly pushes: number
  readonly answers: number
  /** Questions that got no answer or 503, and were asked again. */
  readonly unanswered: number
  readonly samplesChecked: number
  readonly silenceMsMax: number
  readonly blocksCompacted: number
  readonly deletions: number
  readonly days: number
  readonly wrong: readonly string[]
}

type Strike = 'thread' | 'kill' | 'stop' | 'flush' | 'wipe' | 'delete'

const THREAD_KILLER = new URL('../thread-killer.js', import.meta.url).href
const DAY_MS = 86_400_000
const BACK_DAYS = 900
/** On a slow bucket a block takes seconds, one after the other. */
const SHIPPED_MS_MAX = 900_000
/**
 * Senders wait while so many blocks are not in the bucket yet, or so many are there: with a slow one shipping and
 * compaction would get far behind, and strikes that wait for all of it, and questions about all of it, take minutes.
 */
const UNSHIPPED_MAX = 40
const BLOCKS_MAX = 250
/** How often they are counted, ms. */
const COUNT_MS = 1_000
/** How often a wait is told of, ms. */
const SAY_MS = 60_000

/** Runs a soak; throws when a server does not start or does not answer for long. */
export async function runBlocksSoak(options: BlocksSoakOptions): Promise<BlocksSoakResult> {
  return await new BlocksSoak(options).run()
}

class BlocksSoak {
  private readonly options: BlocksSoakOptions
  private readonly slot = new ServerSlot()
  private readonly writers: BlocksWriter[]
  private readonly askers: Asker[]
  private readonly problems: string[] = []
  private server!: Nilo
  private starts = 0
  private compacted = 0
  private strikes = 0
  private isOver = false
  /** Whether shipping or compaction is far behind. */
  private isBehind = false
  private writing: Promise<unknown> = Promise.resolve()
  private readonly deleting: Promise<void>[] = []

  constructor(options: BlocksSoakOptions) {
    this.options = options
    const baseMs = (Math.floor(Date.now() / DAY_MS) - BACK_DAYS) * DAY_MS
    const { seed, pauseMs = 100 } = options
    const pace = { pauseMs, isBehind: () => this.isBehind }
    this.writers = Array.from({ length: options.writers }, (_, writer) => {
      return new BlocksWriter({ seed, writer, baseMs }, this.slot, pace)
    })
    this.askers = this.writers.map((writer) => new Asker(writer, this.slot))
  }

  async run(): Promise<BlocksSoakResult> {
    const { options, askers } = this
    const until = performance.now() + (options.forMs ?? Number.POSITIVE_INFINITY)
    await this.start()
    const counting = setInterval(() => void this.count(), COUNT_MS)
    process.env['NILO_SOAK_KIND'] = '*'
    this.write()
    let failure: unknown
    const asking = Promise.all(askers.map((asker) => asker.run())).catch((error: unknown) => {
      failure = error
    })
    try {
      for (let strike = 1; strike <= options.kills && performance.now() < until; strike++) {
        await sleep(this.pauseBefore(strike))
        await this.someAnswers(() => failure)
        const kind = kindOf(options.seed, strike)
        await this.strike(kind)
        this.strikes = strike
        this.say(`${strike} ${kind}`)
        if (failure !== undefined) throw failure
        if (this.wrong().length > 0) break
      }
      await sleep(this.pauseBefore(0))
      for (const asker of askers) asker.stop()
      await asking
      if (failure !== undefined) throw failure
      options.calm?.()
      for (const round of ['all', 'all, from the bucket alone']) {
        if (this.wrong().length > 0) break
        if (round !== 'all') await this.strike('wipe')
        await this.stopWriting()
        await Promise.all(this.deleting)
        for (const asker of askers) await asker.askAll()
        this.say(round)
      }
      await this.noteDamage()
      return this.result()
    } finally {
      this.isOver = true
      clearInterval(counting)
      for (const party of [...askers, ...this.writers]) party.stop()
      this.slot.set(this.server)
      await this.server.stop('SIGKILL')
      options.keepLog?.(this.starts, this.server.output())
    }
  }

  private async count(): Promise<void> {
    const unshipped = countUnshipped(this.options.folder)
    // While it does not answer nothing is known of the bucket.
    const metrics = await metricsOf(this.server, COUNT_MS).catch(() => '')
    const inBucket = numberOf(metrics, 'cortex_bucket_blocks_count')
    this.isBehind = unshipped > UNSHIPPED_MAX || inBucket > BLOCKS_MAX
  }

  /** A server that is struck again and again before it has read its bucket would prove nothing. */
  private async someAnswers(failure: () => unknown): Promise<void> {
    const before = this.askers.map(({ counts }) => counts.answers)
    while (this.askers.some(({ counts }, at) => counts.answers === before[at])) {
      if (failure() !== undefined) throw failure()
      await sleep(50)
    }
  }

  private async strike(kind: Strike): Promise<void> {
    const { options } = this
    if (kind === 'thread') return void process.kill(this.server.pid, KILL_SIGNAL)
    if (kind === 'flush') return await this.flush()
    if (kind === 'delete') return this.delete()
    if (kind === 'wipe') {
      await this.stopWriting()
      await this.shipAll()
    }
    await this.noteDamage()
    const stopped = this.server.stop(kind === 'stop' ? 'SIGTERM' : 'SIGKILL', 60_000)
    this.slot.clear()
    await stopped
    options.keepLog?.(this.starts, this.server.output())
    if (kind === 'wipe') rmSync(options.folder, { recursive: true })
    await this.start()
    if (kind === 'wipe') this.write()
  }

  private write(): void {
    this.writing = Promise.all(this.writers.map((writer) => writer.run()))
  }

  private async stopWriting(): Promise<void> {
    for (const writer of this.writers) writer.stop()
    await this.writing
  }

  /** Begins deletions; the next strikes find them on their way. */
  private delete(): void {
    for (const [at, asker] of this.askers.entries()) {
      const { deletions, stream } = this.writers[at]!
      const random = mix(stream.seed, stream.writer, deletions.list.length, 8)
      const deletion = deletions.begin(asker.settled(), random)
      if (deletion === undefined) continue
      this.deleting.push(this.insist(stream, deletions, deletion))
    }
  }

  private async insist(
    stream: BlocksStream,
    deletions: Deletions,
    deletion: Deletion,
  ): Promise<void> {
    const body = deletions.form(deletion).toString()
    const type = 'application/x-www-form-urlencoded'
    const headers = { 'X-Scope-OrgID': tenantOf(stream), 'Content-Type': type }
    while (!deletion.isDone && !this.isOver) {
      const url = `${await this.slot.queryUrl()}/api/v1/admin/tsdb/delete_series`
      const answer = await fetch(url, { method: 'POST', headers, body }).catch(() => undefined)
      const text = await answer?.text().catch(() => '')
      if (answer?.status === 204) deletion.isDone = true
      else if (answer !== undefined && answer.status !== 503) {
        this.problems.push(`delete_series: ${answer.status} ${text}`)
        return
      }
      await sleep(100)
    }
  }

  private async flush(): Promise<void> {
    await fetch(`${this.server.url}/ingester/flush?wait=true`, { method: 'POST' }).catch(() => {})
  }

  /** Until all that was pushed is in the bucket. */
  private async shipAll(): Promise<void> {
    let sayAt = performance.now() + SAY_MS
    const isIn = async (): Promise<true | undefined> => {
      if (performance.now() > sayAt) {
        sayAt += SAY_MS
        this.say(`${countUnshipped(this.options.folder)} blocks are still to be shipped`)
      }
      try {
        const url = `${this.server.url}/ingester/flush?wait=true`
        const flushed = await fetch(url, { method: 'POST' })
        if (flushed.status !== 204) return undefined
        const inHead = numberOf(await metricsOf(this.server), 'cortex_ingester_memory_series')
        return inHead === 0 && countUnshipped(this.options.folder) === 0 ? true : undefined
      } catch {
        return undefined
      }
    }
    await waitFor('all is shipped', this.server, isIn, SHIPPED_MS_MAX)
    // The last block's tombstones follow its note.
    await sleep(1_000)
  }

  /** Each life has other delays. */
  private async start(): Promise<void> {
    const { options } = this
    mkdirSync(options.folder, { recursive: true })
    const life = this.starts++
    const pick = <T>(choices: readonly T[], salt: number): T =>
      choices[mix(options.seed, life, salt) % choices.length]!
    this.server = await startNilo(
      options.folder,
      [
        '-blocks-storage.tsdb.head-compaction-interval=500ms',
        '-blocks-storage.tsdb.ship-interval=500ms',
        `-blocks-storage.tsdb.retention-period=${pick(['0s', '2s', '13h'], 11)}`,
        '-blocks-storage.bucket-store.sync-interval=1s',
        '-blocks-storage.bucket-store.index-header.lazy-loading-idle-timeout=2s',
        '-compactor.compaction-interval=500ms',
        '-compactor.first-level-compaction-wait-period=0s',
        '-compactor.cleanup-interval=500ms',
        `-compactor.deletion-delay=${pick(['0s', '1s', '5s'], 12)}`,
        `-compactor.split-and-merge-shards=${pick([0, 0, 2], 13)}`,
        '-ingester.out-of-order-time-window=12h',
        '-wal.snapshot-bytes=60000',
        ...options.bucketFlags,
      ],
      ['--import', THREAD_KILLER],
    )
    this.slot.set(this.server)
  }

  private pauseBefore(strike: number): number {
    const { seed, betweenMsMax } = this.options
    return betweenMsMax * (0.1 + 0.9 * (mix(seed, strike, 5) / 2 ** 32))
  }

  /** What the server has set aside, and how much it has compacted in this life. */
  private async noteDamage(): Promise<void> {
    try {
      const text = await metricsOf(this.server)
      this.compacted += numberOf(text, 'cortex_compactor_group_compactions_total')
      const page = await fetch(`${this.server.url}/debug/compactions`)
      const { damaged } = (await page.json()) as { damaged: readonly object[] }
      for (const one of damaged) this.problems.push(`a block is damaged: ${JSON.stringify(one)}`)
    } catch {
      // It did not answer any more, or a thread was on its way out: asked again at the next strike.
    }
  }

  private wrong(): string[] {
    return [
      ...this.problems,
      ...this.askers.flatMap(({ wrong }) => wrong),
      ...this.writers.flatMap(({ complaints }) => complaints),
    ]
  }

  private say(what: string): void {
    const { pushes, answers, unanswered, silenceMsMax, days, wrong } = this.result()
    this.options.say(
      `${what}: ${pushes} pushes, ${days} days; ${answers} answers, ${unanswered} times none, ` +
        `longest wait ${silenceMsMax} ms; ${wrong.length} wrong`,
    )
  }

  private result(): BlocksSoakResult {
    const sum = (of: (asker: Asker) => number): number =>
      this.askers.reduce((all, asker) => all + of(asker), 0)
    const pushes = this.writers.reduce((all, { acked }) => all + acked, 0)
    const steps = this.writers.reduce(
      (all, { acked }) => all + firstStepOf(acked) - firstStepOf(0),
      0,
    )
    return {
      strikes: this.strikes,
      pushes,
      answers: sum(({ counts }) => counts.answers),
      unanswered: sum(({ counts }) => counts.unanswered),
      samplesChecked: sum(({ counts }) => counts.samples),
      silenceMsMax: Math.round(Math.max(...this.askers.map(({ silenceMs }) => silenceMs))),
      blocksCompacted: this.compacted,
      deletions: this.writers.reduce((all, one) => all + one.deletions.done().size, 0),
      days: Math.round((steps * STEP_MS) / DAY_MS),
      wrong: this.wrong(),
    }
  }
}

function kindOf(seed: number, strike: number): Strike {
  const share = mix(seed, strike, 6) % 100
  if (share < 40) return 'thread'
  if (share < 60) return 'kill'
  if (share < 68) return 'stop'
  if (share < 86) return 'delete'
  return share < 92 ? 'flush' : 'wipe'
}

/** Local blocks that the bucket has not got: those without the shipper's note. */
function countUnshipped(folder: string): number {
  const below = (path: string): string[] => {
    try {
      return readdirSync(path).map((name) => join(path, name))
    } catch {
      // Not there, or just gone.
      return []
    }
  }
  const shards = below(folder).filter((path) => /ingester-\d+$/.test(path))
  const blocks = shards.flatMap((path) => below(join(path, 'blocks'))).flatMap(below)
  return blocks.filter((path) => !existsSync(join(path, 'shipped.json'))).length
}

async function metricsOf(server: Nilo, withinMs = 60_000): Promise<string> {
  const signal = AbortSignal.timeout(withinMs)
  return await (await fetch(`${server.url}/metrics`, { signal })).text()
}

function numberOf(text: string, name: string): number {
  let sum = 0
  for (const line of text.split('\n')) {
    if (line.split(/[ {]/, 1)[0] === name) sum += Number(line.slice(line.lastIndexOf(' ')))
  }
  return sum
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
