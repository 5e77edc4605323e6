/**
 * The distributor without its thread: ns per sample from the body in main's ring to the frame in the
 * ingester's, and the acks back; and per new series. `node dist/bench/actors/distributor/distributor.bench.js [series]`
 */
import { report } from '../../figures.js'
import { createRig } from './rig.js'

const SERIES = Number(process.argv[2] ?? 100_000)
const ROUNDS = 12

for (const shards of [1, 4]) measure(shards)

function measure(shards: number): void {
  const send = createRig({ series: SERIES, shards })
  let best = Number.POSITIVE_INFINITY
  let first = 0
  for (let round = 0; round < ROUNDS; round++) {
    const from = performance.now()
    send(round)
    const each = ((performance.now() - from) * 1e6) / SERIES
    if (round === 0) first = each
    else best = Math.min(best, each)
  }
  report(`distributor, ${shards} shards`, best, 'ns/sample')
  report(`distributor, ${shards} shards, new series`, first, 'ns/series')
}
