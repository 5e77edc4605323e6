/**
 * What limits cost a distributor: CPU per sample with rates, series limits, relabel rules and the HA
 * tracker switched on, beside one with nothing on; rounds by turns, the median of the ratios.
 * `node dist/bench/actors/distributor/limits.bench.js [series]`
 */
import type { TenantLimits } from '../../../src/shared/limits/index.js'
import { report } from '../../figures.js'
import { createRig } from './rig.js'

const SERIES = Number(process.argv[2] ?? 100_000)
const ROUNDS = 21

/** One scrape through a distributor; CPU in ms. */
type Round = (scrape: number) => number

function createRound(limits: Partial<TenantLimits>): Round {
  const send = createRig({ series: SERIES, shards: 1, limits, isHaTrackerOn: true })
  return (scrape) => {
    const from = process.cpuUsage()
    send(scrape)
    const { user, system } = process.cpuUsage(from)
    return (user + system) / 1_000
  }
}

const plain = createRound({})
const limited = createRound({
  ingestion_rate: 1e9,
  ingestion_burst_size: 1e9,
  max_global_series_per_user: 10 * SERIES,
  past_grace_period: 3_600_000,
  accept_ha_samples: true,
  ha_replica_label: 'job',
  drop_labels: ['nothing'],
  metric_relabel_configs: [
    { source_labels: ['__name__'], regex: 'go_.*', action: 'drop' },
    { regex: 'pod_ip|uid', action: 'labeldrop' },
  ],
})
const first = { plain: plain(0), limited: limited(0) }
const ratios: number[] = []
const plainMs: number[] = []
const limitedMs: number[] = []
const perSeries = 1e6 / SERIES
for (let round = 1; round <= ROUNDS; round++) {
  const [a, b] = round % 2 === 0 ? [plain, limited] : [limited, plain]
  const [x, y] = [a(round), b(round)]
  const [plainTook, limitedTook] = round % 2 === 0 ? [x, y] : [y, x]
  ratios.push(plainTook / limitedTook)
  plainMs.push(plainTook)
  limitedMs.push(limitedTook)
}
ratios.sort((a, b) => a - b)
const percent = (share: number) => (ratios[Math.floor(ROUNDS * share)]! * 100).toFixed(1)
const note = `the plain path has ${percent(0.5)} % of it, quartiles ${percent(0.25)}–${percent(0.75)} %`
report('plain', Math.min(...plainMs) * perSeries, 'ns/sample')
report('limits, relabeling, HA', Math.min(...limitedMs) * perSeries, 'ns/sample', note)
report('plain, new series', first.plain * perSeries, 'ns/series')
report('limits, relabeling, HA, new series', first.limited * perSeries, 'ns/series')
