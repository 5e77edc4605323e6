/**
 * The distributor without its thread: ns per sample from the body in main's ring to the frame in the
 * ingester's, and the acks back; and per new series; for remote write 1.0 and 2.0. `node dist/bench/actors/distributor/distributor.bench.js [series]`
 */
import { BODY_V2 } from '../../../src/shared/wire/frames/index.js'
import { report } from '../../figures.js'
import { bodyV2Of, scrapeOf } from '../../remote-write-data.js'
import { createRig, NOW, type RigOptions } from './rig.js'

const SERIES = Number(process.argv[2] ?? 100_000)
const ROUNDS = 12

for (const shards of [1, 4]) measure('distributor', { series: SERIES, shards })
const bodies = [0, 1].map((scrape) => scrapeOf(SERIES, scrape, NOW, bodyV2Of).bodies)
measure('distributor, 2.0', { series: SERIES, shards: 1, bodies, flags: BODY_V2 })

function measure(what: string, options: RigOptions): void {
  const send = createRig(options)
  let best = Number.POSITIVE_INFINITY
  let first = 0
  for (let round = 0; round < ROUNDS; round++) {
    const from = performance.now()
    send(round)
    const each = ((performance.now() - from) * 1e6) / SERIES
    if (round === 0) first = each
    else best = Math.min(best, each)
  }
  report(`${what}, ${options.shards} shards`, best, 'ns/sample')
  report(`${what}, ${options.shards} shards, new series`, first, 'ns/series')
}
