/**
 * The distributor without its thread: ns per sample from the body in main's ring to the frame in the
 * ingester's, and the acks back; and per new series. `node dist/bench/actors/distributor/distributor.bench.js [series]`
 */
import { randomFillSync } from 'node:crypto'
import { DISTRIBUTOR_DEFAULTS } from '../../../src/actors/distributor/contract.js'
import { Distributor } from '../../../src/actors/distributor/distributor.js'
import { compileKernel } from '../../../src/shared/kernels/load.js'
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
import { scrapeOf } from '../../remote-write-data.js'

const SERIES = Number(process.argv[2] ?? 100_000)
const ROUNDS = 12
const NOW = 1_700_000_000_000
const TENANT = Buffer.from('bench')

const scrapes = [scrapeOf(SERIES, 0, NOW), scrapeOf(SERIES, 1, NOW)]

for (const shards of [1, 4]) measure(shards)

function measure(shardCount: number): void {
  const env = createFakeEnv({ now: NOW })
  const prng = {
    nextU32: () => 0,
    fill: (bytes: Uint8Array<ArrayBuffer>) => void randomFillSync(bytes),
  }
  const distributor = new Distributor(
    { ...env, prng: prng as never },
    {
      index: 0,
      shardCount,
      config: DISTRIBUTOR_DEFAULTS,
      kernel: compileKernel('write-request'),
      onRelink: () => {},
      poke: () => {},
    },
  )
  const shards = Array.from({ length: shardCount }, (_, index) => linkShard(distributor, index))
  const down = createRingbuf(1 << 22, 1)
  const up = createRingbuf(1 << 16, 1)
  const bodies = new RingWriter(down, () => {})
  const answers = new RingReader(up)
  distributor.linkMain({ writer: new RingWriter(up, () => {}), reader: new RingReader(down) })
  let best = Number.POSITIVE_INFINITY
  let first = 0
  for (let round = 0; round < ROUNDS; round++) {
    const from = performance.now()
    let samples = 0
    for (const [index, body] of scrapes[round % 2]!.bodies.entries()) {
      send(bodies, index + 1, body)
      distributor.turn()
      for (const shard of shards) samples += shard()
      distributor.turn()
      while (answers.next()) {}
      answers.release()
    }
    const tookMs = performance.now() - from
    if (samples !== SERIES) throw new Error(`${samples} samples, not ${SERIES}`)
    const each = (tookMs * 1e6) / SERIES
    if (round === 0) first = each
    else best = Math.min(best, each)
  }
  console.log(
    `distributor, ${shardCount} shards, ${SERIES} series: ${best.toFixed(0)} ns/sample, ${first.toFixed(0)} ns per new series`,
  )
}

function send(bodies: RingWriter, requestId: number, body: Uint8Array): void {
  const offset = bodies.reserve(FRAME_BODY, bodyFrameBytes(TENANT.length, body.length))
  if (offset < 0) throw new Error('the body ring is full')
  const head = { requestId, flags: 0, tenant: TENANT, bodyBytes: body.length }
  encodeBody(bodies.data, offset, head, [body])
  bodies.commit()
}

/** Links a shard that counts samples and acks at once; call it for each body. */
function linkShard(distributor: Distributor, index: number): () => number {
  const down = createRingbuf(1 << 23, 1)
  const up = createRingbuf(1 << 16, 1)
  const reader = new RingReader(down)
  const acks = new RingWriter(up, () => {})
  distributor.linkShard(index, {
    writer: new RingWriter(down, () => {}),
    reader: new RingReader(up),
  })
  return () => {
    let samples = 0
    while (reader.next()) {
      const head = new Uint32Array(reader.data.buffer, reader.data.byteOffset + reader.offset, 8)
      samples += head[5]!
      if (head[1] === WRITE_LAST) {
        const ack = encodeAck({ requestId: head[0]!, status: ACK_OK, reasons: [], text: '' })
        const offset = acks.reserve(FRAME_ACK, ack.length)
        acks.data.set(ack, offset)
        acks.commit()
      }
    }
    reader.release()
    return samples
  }
}
