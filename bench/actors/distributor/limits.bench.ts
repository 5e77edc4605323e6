/**
 * What limits cost a distributor: CPU per sample with rates, series limits, relabel rules and the HA
 * tracker switched on, beside one with nothing on; rounds by turns, the median of the ratios.
 * `node dist/bench/actors/distributor/limits.bench.js [series]`
 */
import type { TenantLimits } from '../../../src/shared/limits/index.js'
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
for (let round = 1; round <= ROUNDS; round++) {
  const [a, b] = round % 2 === 0 ? [plain, limited] : [limited, plain]
  const [x, y] = [a(round), b(round)]
  ratios.push(round % 2 === 0 ? x / y : y / x)
}
ratios.sort((a, b) => a - b)
console.log(
  `distributor with limits, relabeling and HA: ${(ratios[ROUNDS >> 1]! * 100).toFixed(1)} % of the plain path's samples per CPU-second (${ROUNDS} rounds, quartiles ${(ratios[ROUNDS >> 2]! * 100).toFixed(1)}–${(ratios[(ROUNDS * 3) >> 2]! * 100).toFixed(1)} %)`,
)
console.log(
  `new series: ${((first.plain * 1e6) / SERIES).toFixed(0)} ns plain, ${((first.limited * 1e6) / SERIES).toFixed(0)} ns with all of it`,
)
