/** Chunks of real blocks by the kernel, against the readable decoders; ranges, damage. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { crc32c } from '../../../../src/shared/base/crc32c.js'
import { nodeDisk } from '../../../../src/shared/env/node-disk.js'
import { AppError } from '../../../../src/shared/errors/index.js'
import { decodeFloatHistogramChunk } from '../../../../src/shared/tsdb/chunk/float-histogram.js'
import { decodeHistogramChunk } from '../../../../src/shared/tsdb/chunk/histogram.js'
import { decodeXorChunk } from '../../../../src/shared/tsdb/chunk/xor.js'
import {
  ChunkDecoder,
  type ChunkRun,
  emptyColumns,
  openBlock,
  readSeries,
  type SampleColumns,
  type StoredSeries,
} from '../../../../src/shared/tsdb/index.js'
import { sharedPath } from '../../../support/shared-material.js'

const disk = nodeDisk()
const place = { block: 'B', section: 'chunks/000001' }

function fixtures(t: TestContext): string[] {
  const root = sharedPath('conformance/blocks', t)
  if (root === undefined) return []
  return readdirSync(root)
    .filter((name) => !name.includes('.'))
    .flatMap((name) =>
      readdirSync(join(root, name))
        .filter((block) => block.length === 26)
        .map((block) => join(root, name, block)),
    )
}

/** The series' chunks as a block has them, one after the other. */
function runOf(series: StoredSeries): { bytes: Uint8Array; run: ChunkRun } {
  const parts: Uint8Array[] = []
  const offsets: number[] = []
  let at = 0
  for (const { encoding, data } of series.chunks) {
    offsets.push(1000 + at)
    const length = data.length < 128 ? [data.length] : [(data.length & 127) | 128, data.length >> 7]
    assert.ok(data.length < 128 * 128)
    const body = Uint8Array.from([encoding, ...data])
    const checksum = Buffer.alloc(4)
    checksum.writeUInt32BE(crc32c(body))
    parts.push(Uint8Array.from(length), body, checksum)
    at += length.length + body.length + 4
  }
  const count = offsets.length
  const run = {
    place,
    length: at,
    offsets: Uint32Array.from(offsets),
    from: 0,
    to: count,
    base: 1000,
  }
  return { bytes: Buffer.concat(parts), run }
}

function decoded(decoder: ChunkDecoder, series: StoredSeries, mint = -Infinity, maxt = Infinity) {
  const { bytes, run } = runOf(series)
  const out = emptyColumns()
  decoder.input(run.length).set(bytes)
  decoder.append(run, mint, maxt, out)
  return out
}

/** Times and values as bits, the slow way; of histograms the count. */
function expectedOf(series: StoredSeries): [number, string][] {
  return series.chunks.flatMap(({ encoding, data }) => {
    const size = data[0]! * 256 + data[1]!
    if (encoding === 1) {
      const ts = new Float64Array(size)
      const values = new Float64Array(size)
      decodeXorChunk(data, ts, values)
      const bits = new BigUint64Array(values.buffer)
      return Array.from(ts, (t, i): [number, string] => [t, bits[i]!.toString(16)])
    }
    const decode = encoding === 2 ? decodeHistogramChunk : decodeFloatHistogramChunk
    const columns = decode(data, encoding)
    const sums = new BigUint64Array(columns.sums.buffer)
    return Array.from(columns.ts, (t, i): [number, string] => [
      t,
      sums[i] === 0x7ff0000000000002n ? '7ff0000000000002' : `count ${columns.counts[i]}`,
    ])
  })
}

function rows(out: SampleColumns): [number, string][] {
  const bits = new BigUint64Array(out.values.buffer)
  return Array.from(out.ts.subarray(0, out.count), (t, i) => {
    const histogram = out.histograms?.[i]
    return [t, histogram === undefined ? bits[i]!.toString(16) : `count ${histogram.count}`]
  })
}

test('decodes what the readable decoders decode, to the bit', async (t) => {
  const decoder = new ChunkDecoder()
  let mixed = 0
  let samples = 0
  for (const folder of fixtures(t)) {
    const block = await openBlock(disk, folder)
    t.after(() => block.close())
    for await (const series of readSeries(block)) {
      const out = decoded(decoder, series)
      assert.deepEqual(rows(out), expectedOf(series))
      samples += out.count
      if (out.histograms !== undefined) mixed++
    }
  }
  assert.ok(samples > 5_000 && mixed > 5, `${samples} samples, ${mixed} series with histograms`)
})

test('keeps what lies in the range, both ends included, after what is there already', async (t) => {
  const decoder = new ChunkDecoder()
  for (const folder of fixtures(t)) {
    const block = await openBlock(disk, folder)
    t.after(() => block.close())
    for await (const series of readSeries(block)) {
      const all = expectedOf(series)
      const from = all[Math.floor(all.length / 3)]![0]
      const to = all[Math.floor((all.length * 2) / 3)]![0]
      const wanted = all.filter(([time]) => time >= from && time <= to)
      const { bytes, run } = runOf(series)
      const out = emptyColumns()
      for (let times = 0; times < 2; times++) {
        decoder.input(run.length).set(bytes)
        decoder.append(run, from, to, out)
      }
      assert.deepEqual(rows(out), [...wanted, ...wanted])
      assert.deepEqual(rows(decoded(decoder, series, 1, 2)), [])
    }
  }
})

test('tells damage: a changed byte, a cut, an offset beyond the end', async (t) => {
  const decoder = new ChunkDecoder()
  const [folder] = fixtures(t)
  if (folder === undefined) return
  const block = await openBlock(disk, folder)
  t.after(() => block.close())
  for await (const series of readSeries(block)) {
    const { bytes, run } = runOf(series)
    const damages: [Uint8Array, ChunkRun][] = [
      [bytes.map((byte, i) => (i === bytes.length >> 1 ? byte ^ 4 : byte)), run],
      [bytes.subarray(0, bytes.length - 1), { ...run, length: bytes.length - 1 }],
      [bytes, { ...run, offsets: run.offsets.map((offset) => offset + 100_000) }],
    ]
    for (const [input, wrong] of damages) {
      decoder.input(input.length).set(input)
      const isDamage = (error: unknown) => error instanceof AppError && error.id === 'block-damaged'
      assert.throws(() => decoder.append(wrong, 0, Infinity, emptyColumns()), isDamage)
    }
  }
})
