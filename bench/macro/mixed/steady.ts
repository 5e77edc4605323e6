/**
 * Half of the capacity measured just before, for as long as told, a tenth of the targets replaced
 * every five minutes: memory must stay flat and pushes quick, minute by minute.
 */
import {
  type MixedOptions,
  measureCapacity,
  print,
  refusals,
  runStream,
  startOwn,
  type Verdict,
} from './bench.js'

const MIB = 1024 * 1024
/** Minutes of thirty in which the p99 may be slow. */
const SLOW_SHARE_MAX = 3 / 30
const P99_MS_MAX = 100

/** See the head of the file. */
export async function steady(options: MixedOptions): Promise<Verdict[]> {
  const { seconds, series } = options
  const tried = await startOwn(options)
  const capacity = await measureCapacity(options, tried, series)
  await tried.stop()
  const rate = options.rate ?? Math.round(capacity / 2)
  const server = await startOwn(options)
  const slice = Math.min(60, seconds / 3)
  const churn = ['--churn', '10', '--churn-every', '5m', '--slice', `${slice}s`]
  const stream = { name: 'steady', tenant: 'bench', seconds, rate, series, more: churn }
  const figures = await runStream(options, server, stream)
  await server.stop()
  const slices = figures.slices ?? []
  for (const { fromS, p99, samples, rss } of slices) {
    const mib = rss === undefined ? '-' : (rss / MIB).toFixed(0)
    print(`from ${fromS} s: p99 ${p99?.toFixed(1) ?? '-'} ms, ${samples} samples, RSS ${mib} MiB`)
  }
  const slow = slices.filter(({ p99 }) => p99 === undefined || !(p99 < P99_MS_MAX)).length
  const { rssMiddleThird = Number.NaN, rssLastThird = Number.NaN } = figures
  return [
    {
      what: 'RSS, median of the last third beside the middle third',
      value: (rssLastThird / rssMiddleThird - 1) * 100,
      unit: `% (${(rssLastThird / MIB).toFixed(0)} and ${(rssMiddleThird / MIB).toFixed(0)} MiB)`,
      most: 5,
    },
    {
      what: `slices of ${slice} s with a push p99 of ${P99_MS_MAX} ms or more`,
      value: slow,
      unit: `of ${slices.length}`,
      most: Math.floor(slices.length * SLOW_SHARE_MAX),
    },
    refusals('steady', [figures]),
  ]
}
