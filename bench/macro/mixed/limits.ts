/**
 * The same ingest with rates, series limits, checks of labels and times, the HA tracker and relabel rules
 * switched on, and without any: what all that costs of samples per CPU-second.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type MixedOptions, makeWorkload, median, print, type Verdict } from './bench.js'
import { ingest } from './tenants.js'

const SCRAPES = '24'

/** Everything on, nothing refused; the workload's environment stands in for a replica. */
const CONFIG = `
distributor:
  ha_tracker:
    enable_ha_tracker: true
limits:
  ingestion_rate: 1e9
  ingestion_burst_size: 1000000000
  max_global_series_per_user: 100000000
  max_global_series_per_metric: 100000000
  max_label_names_per_series: 60
  creation_grace_period: 10m
  past_grace_period: 30d
  accept_ha_samples: true
  ha_cluster_label: cluster
  ha_replica_label: environment
  metric_relabel_configs:
    - source_labels: [__name__]
      regex: nothing_.*
      action: drop
    - regex: os|image_id
      action: labeldrop
`

/** See the head of the file. */
export async function limits(options: MixedOptions): Promise<Verdict[]> {
  const workload = ['--series', options.series, '--scrapes', SCRAPES]
  await makeWorkload(options, workload)
  const folder = mkdtempSync(join(tmpdir(), 'mixed-limits-'))
  const file = join(folder, 'limits.yaml')
  writeFileSync(file, CONFIG)
  const flags = { plain: [], limited: [`-config.file=${file}`] } as const
  const ratios: number[] = []
  const creation: number[] = []
  try {
    for (let round = 0; round < options.rounds; round++) {
      const steady = { plain: 0, limited: 0 }
      const first = { plain: 0, limited: 0 }
      const names = ['plain', 'limited'] as const
      for (const name of round % 2 === 0 ? names : names.toReversed()) {
        const figures = await ingest(options, `limits-${name}-${round}`, workload, flags[name])
        steady[name] = figures.steady.samplesPerCpuS
        first[name] = figures.firstScrapes.samplesPerCpuS
      }
      ratios.push(steady.limited / steady.plain)
      creation.push(first.limited / first.plain)
      print(`round ${round}: with limits ÷ plain ${ratios.at(-1)!.toFixed(3)}×`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  print(`first scrapes, with limits ÷ plain: ${median(creation).toFixed(2)}×`)
  const what = 'steady samples per CPU-second, with limits ÷ plain'
  return [{ what, value: median(ratios), unit: '×', least: 0.9 }]
}
