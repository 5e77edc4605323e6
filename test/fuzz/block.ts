/**
 * Damages blocks, and reads all of them: what comes is what was written, or an error that names block
 * and section. Half of the cases mend the checksum over the damage, as a program with a bug or an
 * attacker would: then anything may be read, but nothing else than a typed error may be thrown, and
 * a merge must not take it for good data out of order.
 */
import { crc32c } from '../../src/shared/base/crc32c.js'
import { SeededPrng } from '../../src/shared/base/prng.js'
import { AppError } from '../../src/shared/errors/index.js'
import { samplesOfChunk } from '../../src/shared/tsdb/block/sample-merge.js'
import {
  type Block,
  encodeTombstones,
  mergeBlocks,
  openBlock,
  readSeries,
  verifyBlock,
  writeBlock,
} from '../../src/shared/tsdb/index.js'
import { gridSeries } from '../support/blocks.js'
import { FakeDisk } from '../support/fake-disk.js'
import { damageFile } from './damage.js'

/** What a run found. */
export interface BlockFuzz {
  /** Cases in which something else happened than may. */
  readonly wrong: string[]
  /** Cases in which the damage was told. */
  readonly told: number
}

const ULID = '01HV0000000000000000000001'
const OUT = '01HV0000000000000000000002'
const FROM = Date.UTC(2025, 9, 9, 10)
const FOLDER = `data/${ULID}`
/** Errors that reading damaged files may end with. */
const TYPED = new Set(['block-damaged', 'chunk-corrupt', 'disk-failed'])

/** Runs cases; the seed of a case runs it again with count 1. */
export async function fuzzBlock(
  seed: number,
  count: number,
  say: (line: string) => void,
): Promise<BlockFuzz> {
  const whole = await writeOne()
  const expected = await contents(whole)
  const wrong: string[] = []
  let told = 0
  for (let i = 0; i < count; i++) {
    const prng = new SeededPrng(seed + i)
    const disk = whole.copy()
    const isMended = prng.below(2) === 0
    const what = isMended ? mendedDamage(disk, prng) : plainDamage(disk, prng)
    try {
      const found = await contents(disk)
      if (!isMended && found !== expected) throw new Error('other contents, and no error')
      if (isMended) await mergeAndCheck(disk)
    } catch (error) {
      told++
      if (error instanceof AppError && TYPED.has(error.id)) continue
      const line = `seed ${seed + i}: ${what}: ${error instanceof Error ? error.stack : String(error)}`
      wrong.push(line)
      say(line)
    }
  }
  return { wrong, told }
}

async function writeOne(): Promise<FakeDisk> {
  const disk = new FakeDisk()
  disk.makeFolder('data')
  const series = gridSeries({ series: 60, from: FROM, stepMs: 15_000, samples: 250 })
  await writeBlock(disk, 'data', {
    ulid: ULID,
    series,
    compaction: { level: 1, sources: [ULID] },
  })
  const deleted = [{ mint: FROM, maxt: FROM + 60_000 }]
  const block = await openBlock(disk, FOLDER)
  const refs = await block.index.allPostings()
  block.close()
  const marks = new Map([...refs.subarray(0, 9)].map((ref) => [ref, deleted]))
  disk.replaceFile(`${FOLDER}/tombstones`, encodeTombstones(marks))
  return disk
}

function plainDamage(disk: FakeDisk, prng: SeededPrng): string {
  const files = ['index', 'index', 'chunks/000001', 'tombstones']
  const path = `${FOLDER}/${files[prng.below(files.length)]}`
  // A block without tombstones is a whole one; so is an index with something after its end.
  for (;;) {
    const copy = disk.copy()
    const { text } = damageFile(copy, path, prng)
    if (path.endsWith('tombstones') && text.endsWith('deleted')) continue
    if (copy.exists(path)) disk.replaceFile(path, copy.readFile(path))
    else disk.remove(path)
    return text
  }
}

/** Changes bytes that a checksum covers, and the checksum. */
function mendedDamage(disk: FakeDisk, prng: SeededPrng): string {
  const kind = prng.below(4)
  const name = ['index', 'index', 'chunks/000001', 'tombstones'][kind]!
  const path = `${FOLDER}/${name}`
  const bytes = Buffer.from(disk.readFile(path))
  const [from, to] = coveredPart(bytes, kind, prng)
  const at = from + prng.below(Math.max(1, to - from))
  bytes[at] = prng.below(4) === 0 ? 0xff : prng.below(256)
  bytes.writeUInt32BE(crc32c(bytes.subarray(from, to)), to)
  disk.replaceFile(path, bytes)
  return `${name} byte ${at} with its checksum`
}

/** Bytes [from, to) with their checksum at `to`. */
function coveredPart(bytes: Buffer, kind: number, prng: SeededPrng): [number, number] {
  const toc = bytes.length - 52
  if (kind === 0) return [toc, toc + 48]
  if (kind === 1) {
    const section = [0, 1, 4, 5][prng.below(4)]!
    const at = Number(bytes.readBigUInt64BE(toc + section * 8))
    if (section !== 1) return [at + 4, at + 4 + bytes.readUInt32BE(at)]
    // A series: the length is one byte for those that are short enough.
    return [at + 1, at + 1 + bytes[at]!]
  }
  if (kind === 3) return [5, bytes.length - 4]
  const [length, size] = bytes[8]! < 128 ? [bytes[8]!, 1] : [(bytes[8]! & 127) + bytes[9]! * 128, 2]
  return [8 + size, 8 + size + 1 + length]
}

/** All that can be read, as text. */
async function contents(disk: FakeDisk): Promise<string> {
  const block = await openBlock(disk, FOLDER)
  const parts: string[] = []
  try {
    for (const name of block.index.labelNames()) {
      for (const value of await block.index.labelValues(name)) {
        parts.push(`${name}=${value} ${(await block.index.postings(name, value)).join()}`)
      }
    }
    for await (const series of readSeries(block)) {
      parts.push(JSON.stringify([series.labels, series.deleted]))
      for (const chunk of series.chunks) {
        parts.push(`${chunk.mint} ${Buffer.from(chunk.data).toString('base64')}`)
      }
    }
    return parts.join('\n')
  } finally {
    block.close()
  }
}

/** Merges what could be read; the result is a good block. */
async function mergeAndCheck(disk: FakeDisk): Promise<void> {
  const block = await openBlock(disk, FOLDER)
  let merged: Block | undefined
  try {
    await mergeBlocks(disk, 'data', { blocks: [block, block], outputs: [{ ulid: OUT }] })
    if (!disk.exists(`data/${OUT}/meta.json`)) return
    merged = await openBlock(disk, `data/${OUT}`)
    const { problems } = await verifyBlock(merged)
    if (problems.length > 0) throw new Error(`the merge is wrong: ${problems[0]}`)
    for await (const { chunks } of readSeries(merged)) {
      for (const chunk of chunks) for (const _ of samplesOfChunk(chunk));
    }
  } finally {
    block.close()
    merged?.close()
  }
}
