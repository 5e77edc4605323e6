/** The questions that a store-gateway answers: matchers → postings → series → pages of chunks. */
import { transferring } from '../../shared/actor/index.js'
import type { Env } from '../../shared/env/index.js'
import { AppError } from '../../shared/errors/index.js'
import { compareUtf8 } from '../../shared/model/labels.js'
import { damaged, segmentName, selectRefs } from '../../shared/tsdb/index.js'
import type {
  BlockRefs,
  BlockSeriesColumns,
  BlocksRequest,
  PagesRequest,
  SegmentPages,
  StoreGatewayCalls,
} from './contract.js'
import { goneOr, type OpenBlock } from './open-blocks.js'
import { PAGE_BYTES, type PageCache } from './page-cache.js'
import type { PostingsCache } from './postings-cache.js'

/** What questions are answered from. */
export interface SelectParts {
  readonly env: Env
  readonly cache: PageCache
  readonly postings: PostingsCache
  /** Asks a block, which stays open until it has answered. */
  use<T>(tenant: string, ulid: string, ask: (block: OpenBlock) => Promise<T>): Promise<T>
  /** The block failed: it is to be opened anew. */
  forget(tenant: string, ulid: string): void
  sync(): Promise<void>
}

/** Bytes that the length of a chunk takes at most. */
const LENGTH_BYTES = 5
/** No chunk is longer. */
const CHUNK_BYTES_MAX = 64 << 20
/** Symbols that a block may have for each one of an answer, for them to be marked. */
const MARKS_PER_ID = 16

/** The calls over open blocks. */
export function createCalls(parts: SelectParts): StoreGatewayCalls {
  /** Asks each block; one that is not there any more is forgotten. */
  const each = <T>(
    { tenant, ulids }: BlocksRequest,
    ask: (block: OpenBlock) => Promise<T>,
  ): Promise<T[]> => Promise.all(ulids.map((ulid) => one(tenant, ulid, ask)))
  const one = async <T>(
    tenant: string,
    ulid: string,
    ask: (block: OpenBlock) => Promise<T>,
  ): Promise<T> => {
    try {
      return await parts.use(tenant, ulid, ask)
    } catch (error) {
      const gone = goneOr(error, ulid)
      if (gone instanceof AppError && gone.id === 'block-gone') parts.forget(tenant, ulid)
      throw gone
    }
  }
  return {
    async select({ matchers, ...request }) {
      const answer = await each(request, async (block): Promise<BlockRefs> => {
        const refs = await parts.postings.get(`${block.tenant}/${block.ulid}`, matchers, () =>
          selectRefs(block.index, matchers),
        )
        return { ulid: block.ulid, dir: block.dir, refs: refs.slice() }
      })
      return transferring(
        answer,
        answer.map(({ refs }) => refs.buffer as ArrayBuffer),
      )
    },
    async series({ tenant, ulid, refs }) {
      return await one(tenant, ulid, (block) => seriesOf(block, refs))
    },
    pages: (request) =>
      one(request.tenant, request.ulid, (block) => pagesOf(parts.cache, block, request)),
    async labelNames(request) {
      const lists = await each(request, async (block) => block.index.labelNames())
      return distinct(lists)
    },
    async labelValues({ name, ...request }) {
      return distinct(await each(request, (block) => block.index.labelValues(name)))
    },
    sync: () => parts.sync(),
  }
}

async function seriesOf(block: OpenBlock, refs: Uint32Array): Promise<BlockSeriesColumns> {
  const columns = await block.index.series(refs)
  const symbolIds = distinctIds(columns.symbols, block.index.header.symbols.count)
  const symbolTexts = await block.index.symbols(symbolIds)
  const textEnds = new Uint32Array(symbolTexts.length)
  const pieces = symbolTexts.map((text) => Buffer.from(text))
  let end = 0
  for (const [i, piece] of pieces.entries()) {
    end += piece.length
    textEnds[i] = end
  }
  const texts = new Uint8Array(end)
  for (const [i, piece] of pieces.entries()) texts.set(piece, textEnds[i]! - piece.length)
  const answer: BlockSeriesColumns = {
    labelEnds: columns.labelEnds.slice(),
    symbols: columns.symbols.slice(),
    chunkEnds: columns.chunkEnds.slice(),
    mints: columns.mints.slice(),
    maxts: columns.maxts.slice(),
    segments: columns.segments.slice(),
    offsets: columns.offsets.slice(),
    symbolIds,
    textEnds,
    texts,
    deleted: deletedOf(block, refs),
  }
  return transferring(
    answer,
    Object.values(answer).map((column: Uint8Array) => column.buffer as ArrayBuffer),
  )
}

/** Distinct numbers below a bound, ascending: marking takes a tenth of the time of a Set where they are many. */
function distinctIds(ids: Uint32Array, bound: number): Uint32Array {
  if (ids.length * MARKS_PER_ID < bound) return Uint32Array.from(new Set(ids)).sort()
  const seen = new Uint8Array(bound)
  let count = 0
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!
    count += 1 - seen[id]!
    seen[id] = 1
  }
  const found = new Uint32Array(count)
  for (let id = seen.indexOf(1), at = 0; id >= 0; id = seen.indexOf(1, id + 1)) found[at++] = id
  return found
}

function deletedOf({ tombstones }: OpenBlock, refs: Uint32Array): Float64Array {
  if (tombstones.size === 0) return new Float64Array(0)
  const rows: number[] = []
  for (const [i, ref] of refs.entries()) {
    for (const { mint, maxt } of tombstones.get(ref) ?? []) rows.push(i, mint, maxt)
  }
  return Float64Array.from(rows)
}

/** All pages with chunks from each first one to the end of each last one. */
async function pagesOf(
  cache: PageCache,
  { tenant, ulid }: OpenBlock,
  { segment, firsts, lasts }: PagesRequest,
): Promise<SegmentPages> {
  const key = `${tenant}/${ulid}/chunks/${segmentName(segment)}`
  const wanted = new Set<number>()
  for (let i = 0; i < firsts.length; i++) {
    const last = Math.floor((lasts[i]! + LENGTH_BYTES) / PAGE_BYTES)
    for (let page = Math.floor(firsts[i]! / PAGE_BYTES); page <= last; page++) wanted.add(page)
  }
  const pages = new Map<number, SharedArrayBuffer>()
  await load(cache, key, wanted, pages)
  const more = new Set<number>()
  for (const at of lasts) {
    const end = chunkEnd(pages, at)
    if (end < 0 || end - at > CHUNK_BYTES_MAX) {
      const place = { block: ulid, section: `chunks/${segmentName(segment)}` }
      throw damaged(place, `the chunk at ${at} has no end`)
    }
    const last = Math.floor((end - 1) / PAGE_BYTES)
    for (let page = Math.floor(at / PAGE_BYTES); page <= last; page++) {
      if (!pages.has(page)) more.add(page)
    }
  }
  await load(cache, key, more, pages)
  const numbers = Uint32Array.from(pages.keys()).sort()
  return { pageBytes: PAGE_BYTES, numbers, pages: Array.from(numbers, (page) => pages.get(page)!) }
}

async function load(
  cache: PageCache,
  key: string,
  wanted: ReadonlySet<number>,
  pages: Map<number, SharedArrayBuffer>,
): Promise<void> {
  const numbers = Uint32Array.from(wanted).sort()
  const got = await cache.get(key, numbers)
  for (const [i, page] of got.entries()) pages.set(numbers[i]!, page)
}

/** First byte after the chunk at an offset; -1 when its length cannot be read. */
function chunkEnd(pages: ReadonlyMap<number, SharedArrayBuffer>, at: number): number {
  let length = 0
  let scale = 1
  for (let i = at; i < at + LENGTH_BYTES; i++) {
    const page = pages.get(Math.floor(i / PAGE_BYTES))
    const within = i % PAGE_BYTES
    if (page === undefined || within >= page.byteLength) return -1
    const byte = new Uint8Array(page, within, 1)[0]!
    length += (byte & 127) * scale
    if (byte < 128) return i + 1 + 1 + length + 4
    scale *= 128
  }
  return -1
}

function distinct(lists: readonly string[][]): string[] {
  if (lists.length === 1) return lists[0]!
  return [...new Set(lists.flat())].sort(compareUtf8)
}
