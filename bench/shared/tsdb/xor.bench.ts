/**
 * Float XOR chunks of 120 samples, ns/sample: the encoder and the decoder of merges and imports, and
 * the block kernel's decoder with its checks, which queries over blocks use. (The head's burst
 * encoder and its reader are in head.bench.ts.) Run: node dist/bench/shared/tsdb/xor.bench.js
 */
import assert from 'node:assert/strict'
import { crc32c } from '../../../src/shared/base/crc32c.js'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import { decodeFloats, FloatEncoder } from '../../../src/shared/tsdb/chunk/float-chunk.js'
import { ENCODING_XOR } from '../../../src/shared/tsdb/chunk/histogram-columns.js'
import { ChunkDecoder, emptyColumns } from '../../../src/shared/tsdb/index.js'
import { report } from '../../figures.js'

const SERIES = 2_000
const SAMPLES = 120
const ROUNDS = 15
const START = 1_700_000_000_000

const prng = new SeededPrng(1)
/** The next value of a series, by kind. */
const KINDS: Readonly<Record<string, (value: number) => number>> = {
  counter: (value) => value + prng.below(50),
  'counter of cents': (value) => Math.round(value * 100 + prng.below(500)) / 100,
  gauge: (value) => value + prng.fraction() - 0.5,
  constant: (value) => value,
}

for (const [name, next] of Object.entries(KINDS)) measure(name, next)

function measure(name: string, next: (value: number) => number): void {
  const ts = Float64Array.from({ length: SAMPLES }, (_, i) => START + i * 15_000 + prng.below(3))
  const columns = Array.from({ length: SERIES }, (_, series) => {
    let value = 1_000 + series
    return Float64Array.from({ length: SAMPLES }, () => {
      value = next(value)
      return value
    })
  })
  let chunks: Uint8Array[] = []
  const encode = leastOf(() => {
    chunks = columns.map((values) => encodeChunk(ts, values))
  })
  const decode = leastOf(() => {
    for (const chunk of chunks) decodeFloats(chunk, ENCODING_XOR)
  })
  const segment = segmentOf(chunks)
  const decoder = new ChunkDecoder()
  const out = emptyColumns()
  const kernel = leastOf(() => {
    out.count = 0
    decoder.input(segment.bytes.length).set(segment.bytes)
    decoder.append(segment.run, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, out)
  })
  const last = decodeFloats(chunks.at(-1)!, ENCODING_XOR)
  assert.deepEqual(new Float64Array(last.words.buffer), columns.at(-1))
  assert.deepEqual(out.values.slice(out.count - SAMPLES, out.count), columns.at(-1))
  const bytes = segment.bytes.length / SERIES / SAMPLES
  report(`encode, ${name}`, encode, 'ns/sample', `${bytes.toFixed(1)} B`)
  report(`decode, ${name}`, decode, 'ns/sample')
  report(`decode by the kernel, ${name}`, kernel, 'ns/sample')
}

function encodeChunk(ts: Float64Array, values: Float64Array): Uint8Array {
  const words = new Uint32Array(values.buffer)
  const encoder = new FloatEncoder()
  for (let i = 0; i < SAMPLES; i++) encoder.append(ts[i]!, words[i * 2 + 1]!, words[i * 2]!)
  return encoder.bytes().slice()
}

/** Chunks as a segment holds them: length, encoding, data, CRC. */
function segmentOf(chunks: readonly Uint8Array[]) {
  const offsets = new Uint32Array(chunks.length)
  const parts: Buffer[] = []
  let at = 0
  for (const [i, chunk] of chunks.entries()) {
    const size = chunk.length
    const head = size < 128 ? [size] : [(size & 127) | 128, size >>> 7]
    const body = Buffer.concat([Buffer.from([ENCODING_XOR]), chunk])
    const crc = Buffer.alloc(4)
    crc.writeUInt32BE(crc32c(body) >>> 0)
    offsets[i] = at
    at += head.length + body.length + 4
    parts.push(Buffer.from(head), body, crc)
  }
  const bytes = Buffer.concat(parts)
  const place = { block: 'bench', section: 'chunks' }
  const run = { place, length: bytes.length, offsets, from: 0, to: chunks.length, base: 0 }
  return { bytes, run }
}

/** Least ns/sample over some rounds. */
function leastOf(run: () => void): number {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const from = performance.now()
    run()
    best = Math.min(best, ((performance.now() - from) * 1e6) / (SERIES * SAMPLES))
  }
  return best
}
