/**
 * A steady stream before, and while blocks of another tenant's series, as many, are cut and uploaded:
 * pushes must not get much slower, nor memory much larger.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { IngestFigures } from '../load-tool.js'
import type { Server } from '../servers.js'
import {
  type MixedOptions,
  makeWorkload,
  median,
  mustRun,
  print,
  refusals,
  runStream,
  startOwn,
  startStream,
  toolArgs,
  type Verdict,
} from './bench.js'

/** Whose blocks are cut, and scrapes that it has then. */
const HISTORY = 'history'
const SCRAPES = '24'
/** Small requests and short slices, so that the seconds of the cut can be told from the others. */
const SLICES = ['--per-request', '500', '--slice', '1s']

/** One round: the stream before and during. */
interface Round {
  readonly before: IngestFigures
  readonly during: IngestFigures
  /** Medians of the p99 of a second, ms. */
  readonly p99Before: number
  readonly p99During: number
}

/** See the head of the file. */
export async function cut(options: MixedOptions): Promise<Verdict[]> {
  await makeWorkload(options, ['--series', options.series, '--scrapes', SCRAPES])
  const rounds: Round[] = []
  for (let round = 0; round < options.rounds; round++) rounds.push(await oneRound(options, round))
  return [
    {
      what: 'push p99 while blocks are cut ÷ before',
      value: median(rounds.map(({ p99Before, p99During }) => p99During / p99Before)),
      unit: '×',
      most: 2,
    },
    {
      what: 'RSS peak while blocks are cut beside the peak before',
      value: median(
        rounds.map(({ before, during }) => (during.rssPeak / before.rssPeak - 1) * 100),
      ),
      unit: '%',
      most: 20,
    },
    refusals(
      'cut',
      rounds.flatMap(({ before, during }) => [before, during]),
    ),
  ]
}

async function oneRound(options: MixedOptions, round: number): Promise<Round> {
  const { series, seconds, rate = '50k' } = options
  const bucket = mkdtempSync(join(tmpdir(), 'mixed-bucket-'))
  try {
    const server = await startOwn(options, [`-blocks-storage.filesystem.dir=${bucket}`])
    const fill = ['--settle', '5', '--no-verify']
    const workload = ['--series', series, '--scrapes', SCRAPES]
    await mustRun(options, ['ingest', ...workload, ...toolArgs(server, HISTORY), ...fill])
    const stream = { tenant: 'stream', seconds, rate, series, more: SLICES }
    const before = await runStream(options, server, { ...stream, name: `before-${round}` })
    const running = startStream(options, server, { ...stream, name: `during-${round}` })
    await running.begun
    const begun = performance.now()
    // A few seconds in, when the stream has found its pace.
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    const fromS = (performance.now() - begun) / 1_000
    await flush(server)
    const toS = (performance.now() - begun) / 1_000
    const during = await running.figures
    await server.stop()
    const blocks = readdirSync(join(bucket, HISTORY)).filter((name) => name.length === 26).length
    if (blocks === 0) throw new Error('no block was uploaded')
    const p99Before = secondsP99(before, 3, seconds)
    const p99During = secondsP99(during, fromS, toS)
    print(
      `round ${round}: ${blocks} blocks cut and uploaded in ${(toS - fromS).toFixed(1)} s;`,
      `p99 of a second ${p99Before.toFixed(1)} ms before, ${p99During.toFixed(1)} ms during`,
    )
    return { before, during, p99Before, p99During }
  } finally {
    rmSync(bucket, { recursive: true, force: true })
  }
}

/** Cuts all of the history and waits until it is in the bucket. */
async function flush(server: Server): Promise<void> {
  const url = `${server.url}/ingester/flush?wait=true&tenant=${HISTORY}`
  const answer = await fetch(url, { method: 'POST' })
  if (answer.status !== 204) throw new Error(`flush: ${answer.status} ${await answer.text()}`)
}

/** The median of the p99 of the seconds that lie in a span at least in part. */
function secondsP99({ slices = [] }: IngestFigures, fromS: number, toS: number): number {
  const found = slices
    .filter((slice) => slice.fromS + 1 > fromS && slice.fromS < toS)
    .map(({ p99 }) => p99)
    .filter((p99) => p99 !== undefined)
  return found.length === 0 ? Number.NaN : median(found)
}
