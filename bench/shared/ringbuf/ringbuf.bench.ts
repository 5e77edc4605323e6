/**
 * Ring buffer: ns per frame and MB/s, both ends in one thread (the cost of the protocol and of the
 * two copies). `node dist/bench/shared/ringbuf/ringbuf.bench.js`
 */
import { createRingbuf, RingReader, RingWriter } from '../../../src/shared/ringbuf/index.js'
import { report } from '../../figures.js'

const SIZES = [32, 1024, 30_000, 100_000]
const ROUNDS = 7

for (const bytes of SIZES) {
  const result = measure(bytes)
  const rate = (bytes / result) * 1000
  report(`frames of ${bytes} B`, result, 'ns/frame', `${rate.toFixed(0)} MB/s`)
}

/** Least ns per frame over some rounds. */
function measure(bytes: number): number {
  const buffer = createRingbuf(2 ** 20, 1)
  const writer = new RingWriter(buffer, () => {})
  const reader = new RingReader(buffer)
  const payload = new Uint8Array(bytes).fill(3)
  const target = new Uint8Array(bytes)
  const batch = Math.max(1, Math.min(64, Math.floor(2 ** 19 / (bytes + 16))))
  const frames = Math.max(2_000, Math.floor(3e8 / (bytes + 1_000)))
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const from = performance.now()
    for (let sent = 0; sent < frames; sent += batch) pass(writer, reader, payload, target, batch)
    const batches = Math.ceil(frames / batch)
    best = Math.min(best, ((performance.now() - from) * 1e6) / (batches * batch))
  }
  if (target[bytes - 1] !== 3) throw new Error('a frame arrived wrong')
  return best
}

function pass(
  writer: RingWriter,
  reader: RingReader,
  payload: Uint8Array,
  target: Uint8Array,
  batch: number,
): void {
  for (let at = 0; at < batch; at++) {
    const offset = writer.reserve(1, payload.length)
    if (offset < 0) throw new Error('the ring is full')
    writer.data.set(payload, offset)
    writer.commit()
  }
  while (reader.next()) {
    target.set(reader.data.subarray(reader.offset, reader.offset + reader.length))
  }
  reader.release()
}
