/**
 * A small reader of Prometheus TSDB blocks for tests: index version 2, chunk segments, tombstones
 * (Prometheus tsdb/docs/format). Everything is read whole; nothing is cached or lazy.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32c } from '../../src/shared/base/crc32c.js'

/** A chunk as it stands in a block. */
export interface BlockChunk {
  readonly mint: number
  readonly maxt: number
  readonly encoding: number
  readonly data: Uint8Array
}

/** A series of a block. */
export interface BlockSeries {
  readonly labels: readonly (readonly [string, string])[]
  readonly chunks: readonly BlockChunk[]
  /** Deleted intervals, ms, inclusive. */
  readonly deleted: readonly (readonly [number, number])[]
}

interface Cursor {
  readonly bytes: Buffer
  at: number
}

/** Reads all series of a block. */
export function readBlock(folder: string): BlockSeries[] {
  const index = readFileSync(join(folder, 'index'))
  assert.equal(index.readUInt32BE(0), 0xbaaad700)
  assert.equal(index[4], 2)
  const toc = index.length - 52
  assert.equal(crc32c(index.subarray(toc, toc + 48)), index.readUInt32BE(toc + 48))
  const section = (entry: number): Buffer =>
    framed(index, Number(index.readBigUInt64BE(toc + entry * 8)))
  const symbols = readSymbols(section(0))
  const segments = readdirSync(join(folder, 'chunks'))
    .sort()
    .map((name) => readFileSync(join(folder, 'chunks', name)))
  const tombstones = readTombstones(join(folder, 'tombstones'))
  return readAllPostings(index, section(5)).map((reference) => {
    const cursor = { bytes: index, at: reference * 16 }
    const length = takeCount(cursor)
    const body = index.subarray(cursor.at, cursor.at + length)
    assert.equal(crc32c(body), index.readUInt32BE(cursor.at + length))
    return { ...readSeries(body, symbols, segments), deleted: tombstones.get(reference) ?? [] }
  })
}

function framed(bytes: Buffer, at: number): Buffer {
  const length = bytes.readUInt32BE(at)
  const body = bytes.subarray(at + 4, at + 4 + length)
  assert.equal(crc32c(body), bytes.readUInt32BE(at + 4 + length))
  return body
}

function readSymbols(body: Buffer): string[] {
  const cursor = { bytes: body, at: 4 }
  return Array.from({ length: body.readUInt32BE(0) }, () => takeText(cursor))
}

function readAllPostings(index: Buffer, table: Buffer): number[] {
  const cursor = { bytes: table, at: 4 }
  assert.equal(table[cursor.at++], 2)
  assert.equal(takeText(cursor) + takeText(cursor), '', 'the list of all series comes first')
  const list = framed(index, takeCount(cursor))
  return Array.from({ length: list.readUInt32BE(0) }, (_, i) => list.readUInt32BE(4 + i * 4))
}

function readSeries(
  body: Buffer,
  symbols: readonly string[],
  segments: readonly Buffer[],
): Omit<BlockSeries, 'deleted'> {
  const cursor = { bytes: body, at: 0 }
  const labels = Array.from({ length: takeCount(cursor) }, (): [string, string] => [
    symbols[takeCount(cursor)]!,
    symbols[takeCount(cursor)]!,
  ])
  let maxt = 0n
  let reference = 0n
  const chunks = Array.from({ length: takeCount(cursor) }, (_, i) => {
    const mint = i === 0 ? takeVarint(cursor) : maxt + takeUvarint(cursor)
    maxt = mint + takeUvarint(cursor)
    reference = i === 0 ? takeUvarint(cursor) : reference + takeVarint(cursor)
    const segment = segments[Number(reference >> 32n)]!
    const chunk = { bytes: segment, at: Number(reference & 0xffffffffn) }
    const length = takeCount(chunk)
    const whole = segment.subarray(chunk.at, chunk.at + length + 1)
    assert.equal(crc32c(whole), segment.readUInt32BE(chunk.at + length + 1))
    return {
      mint: Number(mint),
      maxt: Number(maxt),
      encoding: whole[0]!,
      data: Uint8Array.from(whole.subarray(1)),
    }
  })
  return { labels, chunks }
}

function readTombstones(path: string): Map<number, [number, number][]> {
  const found = new Map<number, [number, number][]>()
  if (!existsSync(path)) return found
  const bytes = readFileSync(path)
  const body = bytes.subarray(5, bytes.length - 4)
  assert.equal(crc32c(body), bytes.readUInt32BE(bytes.length - 4))
  const cursor = { bytes: body, at: 0 }
  while (cursor.at < body.length) {
    const reference = takeCount(cursor)
    const interval: [number, number] = [Number(takeVarint(cursor)), Number(takeVarint(cursor))]
    found.set(reference, [...(found.get(reference) ?? []), interval])
  }
  return found
}

function takeUvarint(cursor: Cursor): bigint {
  let value = 0n
  for (let shift = 0n; ; shift += 7n) {
    const byte = cursor.bytes[cursor.at++]!
    value |= BigInt(byte & 127) << shift
    if (byte < 128) return value
  }
}

function takeVarint(cursor: Cursor): bigint {
  const zigzag = takeUvarint(cursor)
  return (zigzag >> 1n) ^ -(zigzag & 1n)
}

function takeCount(cursor: Cursor): number {
  return Number(takeUvarint(cursor))
}

function takeText(cursor: Cursor): string {
  const length = takeCount(cursor)
  cursor.at += length
  return cursor.bytes.toString('utf8', cursor.at - length, cursor.at)
}
