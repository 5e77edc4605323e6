/**
 * What limits cost a distributor: CPU per sample with rates, series limits, relabel rules and the HA
 * tracker switched on, beside one with nothing on; rounds by turns, the median of the ratios.
 * `node dist/bench/actors/distributor/limits.bench.js [series]`
 */
import { randomFillSync } from 'node:crypto'
import { DISTRIBUTOR_DEFAULTS } from '../../../src/actors/distributor/contract.js'
import { Distributor } from '../../../src/actors/distributor/distributor.js'
import { compileKernel } from '../../../src/shared/kernels/load.js'
import type { TenantLimits } from '../../../src/shared/limits/index.js'
import { createRingbuf, RingReader, RingWriter } from '../../../src/shared/ringbuf/index.js'
import {
  ACK_OK,
  bodyFrameBytes,
  encodeAck,
  encodeBody,
  FRAME_ACK,
  FRAME_BODY,
  WRITE_LAST,
} from '../../../src/shared/wire/frames/index.js'
import { createFakeEnv } from '../../../test/support/fake-env.js'
import { testLimits } from '../../../test/support/limits.js'
import { scrapeOf } from '../../remote-write-data.js'

const SERIES = Number(process.argv[2] ?? 100_000)
const ROUNDS = 21
const NOW = 1_700_000_000_000
const TENANT = Buffer.from('bench')
const kernel = compileKernel('write-request')
const scrapes = [scrapeOf(SERIES, 0, NOW), scrapeOf(SERIES, 1, NOW)]

/** One scrape through a distributor; CPU in ms. */
type Round = (scrape: number) => number

function createRound(limits: Partial<TenantLimits>): Round {
  const env = createFakeEnv({ now: NOW })
  const prng = {
    nextU32: () => 0,
    fill: (bytes: Uint8Array<ArrayBuffer>) => void randomFillSync(bytes),
  }
  const distributor = new Distributor(
    { ...env, prng: prng as never },
    {
      index: 0,
      shardCount: 1,
      config: { ...DISTRIBUTOR_DEFAULTS, isHaTrackerOn: true },
      limits: testLimits(limits),
      kernel,
      onRelink: () => {},
      poke: () => {},
    },
  )
  const shard = linkShard(distributor)
  const down = createRingbuf(1 << 22, 1)
  const up = createRingbuf(1 << 16, 1)
  const bodies = new RingWriter(down, () => {})
  const answers = new RingReader(up)
  distributor.linkMain({ writer: new RingWriter(up, () => {}), reader: new RingReader(down) })
  return (scrape) => {
    const from = process.cpuUsage()
    let samples = 0
    for (const [index, body] of scrapes[scrape % 2]!.bodies.entries()) {
      const offset = bodies.reserve(FRAME_BODY, bodyFrameBytes(TENANT.length, body.length))
      const head = { requestId: index + 1, flags: 0, tenant: TENANT, bodyBytes: body.length }
      encodeBody(bodies.data, offset, head, [body])
      bodies.commit()
      distributor.turn()
      samples += shard()
      distributor.turn()
      while (answers.next()) {}
      answers.release()
    }
    const { user, system } = process.cpuUsage(from)
    if (samples !== SERIES) throw new Error(`${samples} samples, not ${SERIES}`)
    return (user + system) / 1_000
  }
}

/** Links a shard that counts samples and acks at once; call it for each body. */
function linkShard(distributor: Distributor): () => number {
  const down = createRingbuf(1 << 23, 1)
  const up = createRingbuf(1 << 16, 1)
  const reader = new RingReader(down)
  const acks = new RingWriter(up, () => {})
  const ends = { writer: new RingWriter(down, () => {}), reader: new RingReader(up) }
  distributor.linkShard(0, ends)
  return () => {
    let samples = 0
    while (reader.next()) {
      const head = new Uint32Array(reader.data.buffer, reader.data.byteOffset + reader.offset, 8)
      samples += head[5]!
      if (head[1] !== WRITE_LAST) continue
      const ack = encodeAck({ requestId: head[0]!, status: ACK_OK, reasons: [], text: '' })
      const offset = acks.reserve(FRAME_ACK, ack.length)
      acks.data.set(ack, offset)
      acks.commit()
    }
    reader.release()
    return samples
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
