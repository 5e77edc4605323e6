/** A distributor without its thread, between main's ring and shards that ack at once. */
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

/** The clock of the rig, ms. */
export const NOW = 1_700_000_000_000
const TENANT = Buffer.from('bench')
const kernel = compileKernel('write-request')

/** Sends one of two scrapes through a distributor, by turns: body for body, acks and answers read. */
export type SendScrape = (scrape: number) => void

/** How the distributor is set up. */
export interface RigOptions {
  readonly series: number
  readonly shards: number
  readonly limits?: Partial<TenantLimits>
  readonly isHaTrackerOn?: boolean
  /** Bodies of two scrapes with so many samples each, and the flags of their format; remote write without them. */
  readonly bodies?: readonly (readonly Uint8Array[])[]
  readonly flags?: number
}

/** Makes the rig; the first call of what it returns creates all series. */
export function createRig(options: RigOptions): SendScrape {
  const { series, shards, limits, isHaTrackerOn, flags = 0 } = options
  const env = createFakeEnv({ now: NOW })
  const prng = {
    nextU32: () => 0,
    fill: (bytes: Uint8Array<ArrayBuffer>) => void randomFillSync(bytes),
  }
  const scrapes = options.bodies ?? [0, 1].map((scrape) => scrapeOf(series, scrape, NOW).bodies)
  const distributor = new Distributor(
    { ...env, prng: prng as never },
    {
      index: 0,
      shardCount: shards,
      config: { ...DISTRIBUTOR_DEFAULTS, isHaTrackerOn: isHaTrackerOn === true },
      limits: testLimits(limits),
      kernel,
      onRelink: () => {},
      poke: () => {},
    },
  )
  const takers = Array.from({ length: shards }, (_, index) => linkShard(distributor, index))
  const down = createRingbuf(1 << 22, 1)
  const up = createRingbuf(1 << 16, 1)
  const bodies = new RingWriter(down, () => {})
  const answers = new RingReader(up)
  distributor.linkMain({ writer: new RingWriter(up, () => {}), reader: new RingReader(down) })
  return (scrape) => {
    let samples = 0
    for (const [index, body] of scrapes[scrape % 2]!.entries()) {
      send(bodies, { requestId: index + 1, flags }, body)
      distributor.turn()
      for (const take of takers) samples += take()
      distributor.turn()
      while (answers.next()) {}
      answers.release()
    }
    if (samples !== series) throw new Error(`${samples} samples, not ${series}`)
  }
}

function send(
  bodies: RingWriter,
  { requestId, flags }: { readonly requestId: number; readonly flags: number },
  body: Uint8Array,
): void {
  const offset = bodies.reserve(FRAME_BODY, bodyFrameBytes(TENANT.length, body.length))
  if (offset < 0) throw new Error('the body ring is full')
  const head = { requestId, flags, tenant: TENANT, bodyBytes: body.length }
  encodeBody(bodies.data, offset, head, [body])
  bodies.commit()
}

/** Links a shard that counts samples and acks at once; call it for each body. */
function linkShard(distributor: Distributor, index: number): () => number {
  const down = createRingbuf(1 << 23, 1)
  const up = createRingbuf(1 << 16, 1)
  const reader = new RingReader(down)
  const acks = new RingWriter(up, () => {})
  const writer = new RingWriter(down, () => {})
  distributor.linkShard(index, { writer, reader: new RingReader(up) })
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
