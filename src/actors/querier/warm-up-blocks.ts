/**
 * Blocks for a querier to practise on (warm-up.ts): what store-gateways would answer about some made-up
 * ones, whose samples lie before those of the practice's head. They exist in memory alone.
 */
import { crc32c } from '../../shared/base/crc32c.js'
import { type Labels, labelsOf } from '../../shared/model/labels.js'
import { encodeSamples } from '../../shared/tsdb/index.js'
import type { StoreGatewayCalls } from '../store-gateway/contract.js'
import type { BlockAccess } from './querier.js'

/** ms, the first sample of the first block. */
export const BLOCK_START_MS = 1_700_000_000_000 - 7_200_000

const BLOCKS = 2
const BLOCK_MS = 3_600_000
const SERIES = 500
const SCRAPE_MS = 60_000
const HEAD_BYTES = 8
const LES = ['0.005', '0.01', '0.1', '0.5', '1', '2.5', '5', '10', '30', '+Inf']

/** Of the targets that a wide metric's series come from the one of a series. */
export function targetOf(series: number): number {
  return Math.floor(series / LES.length)
}

/** Labels of a series of the wide metric. */
export function wideLabels(series: number): Labels {
  const target = targetOf(series)
  return labelsOf({
    __name__: 'wide_bucket',
    le: LES[series % LES.length]!,
    path: `/${'abcde'[target % 5]}/list`,
    pod: `web-${Math.floor(target / 5)}`,
    job: target % 3 === 0 ? 'a' : 'b',
    cluster: 'east',
  })
}

/** Blocks in which all series match whatever is asked. */
export function practiceBlocks(): BlockAccess {
  const entries = Array.from({ length: BLOCKS }, (_, block) => {
    const minTime = BLOCK_START_MS + block * BLOCK_MS
    const place = { tenant: 'warm-up', ulid: `practice-${block}`, inBucket: true, level: 1 }
    return { ...place, minTime, maxTime: minTime + BLOCK_MS, numSeries: SERIES }
  })
  const answer = { version: 1, entries, isComplete: true, areHeadsNew: false }
  const calls = entries.map(({ ulid, minTime }) => practiceCalls(ulid, minTime))
  return {
    list: { blocks: async () => answer },
    gateways: {
      ownerOf: ({ key }) => Number(key.at(-1)),
      ask: (shard, question) => question(calls[shard]!),
    },
  }
}

/** What is told of one block. */
function practiceCalls(ulid: string, minTime: number): StoreGatewayCalls {
  const symbols = symbolsOf()
  const { page, offset } = practicePage(minTime)
  const names = ['__name__', 'cluster', 'job', 'le', 'path', 'pod']
  return {
    select: async () => [
      { ulid, dir: undefined, refs: Uint32Array.from({ length: SERIES }, index) },
    ],
    series: async ({ refs }) => ({
      ...symbols,
      chunkEnds: Uint32Array.from({ length: refs.length + 1 }, index),
      mints: new Float64Array(refs.length).fill(minTime),
      maxts: new Float64Array(refs.length).fill(minTime + BLOCK_MS - SCRAPE_MS),
      segments: new Uint32Array(refs.length),
      offsets: new Uint32Array(refs.length).fill(offset),
      deleted: new Float64Array(0),
    }),
    pages: async () => ({ pageBytes: page.byteLength, numbers: Uint32Array.of(0), pages: [page] }),
    labelNames: async () => names,
    labelValues: async () => ['web-1', 'web-2', 'web-3'],
    sync: async () => {},
  }
}

/** Labels of all series as symbols, and their texts. */
function symbolsOf() {
  const ids = new Map<string, number>()
  const symbols: number[] = []
  const labelEnds = [0]
  const idOf = (text: string): number => {
    const id = ids.get(text) ?? ids.size
    ids.set(text, id)
    return id
  }
  for (let series = 0; series < SERIES; series++) {
    for (const { name, value } of wideLabels(series)) symbols.push(idOf(name), idOf(value))
    labelEnds.push(symbols.length)
  }
  const texts = Buffer.from([...ids.keys()].join(''))
  let end = 0
  return {
    labelEnds: Uint32Array.from(labelEnds),
    symbols: Uint32Array.from(symbols),
    symbolIds: Uint32Array.from(ids.values()),
    textEnds: Uint32Array.from(ids.keys(), (text) => (end += Buffer.byteLength(text))),
    texts: new Uint8Array(texts),
  }
}

/** A page with the one chunk that all series have. */
function practicePage(minTime: number): { page: SharedArrayBuffer; offset: number } {
  const count = BLOCK_MS / SCRAPE_MS
  const ts = Float64Array.from({ length: count }, (_, i) => minTime + i * SCRAPE_MS)
  const values = Float64Array.from({ length: count }, (_, i) => i * 3 + (i % 7 === 3 ? 0.5 : 0))
  const [chunk] = encodeSamples({ ts, values, count })
  const body = Buffer.from([chunk!.encoding, ...chunk!.data])
  const length = chunk!.data.length
  const size = length < 128 ? [length] : [(length & 127) | 128, length >> 7]
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32c(body))
  const record = Buffer.concat([Buffer.alloc(HEAD_BYTES), Buffer.from(size), body, checksum])
  const page = new SharedArrayBuffer(record.length)
  new Uint8Array(page).set(record)
  return { page, offset: HEAD_BYTES }
}

function index(_: unknown, i: number): number {
  return i
}
