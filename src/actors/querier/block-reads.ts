/**
 * A query over blocks: which of the block list's blocks overlap it, which of their series match, and
 * the samples of those. Store-gateways are asked for what is not known yet; chunks in files of this
 * machine are read in place, those of remote buckets are got as pages before the query runs.
 *
 * A block that is gone when it is asked for has been replaced or deleted: the selection is made
 * again with the new list.
 */
import { TextLists } from '../../shared/base/text-lists.js'
import type { BlockEntry } from '../../shared/blocks/index.js'
import type { Env } from '../../shared/env/index.js'
import { AppError, fail } from '../../shared/errors/index.js'
import { compareUtf8 } from '../../shared/model/labels.js'
import type { Matcher } from '../../shared/model/matcher.js'
import type { FetchMeter, LabelTable } from '../../shared/promql/index.js'
import { ChunkDecoder } from '../../shared/tsdb/index.js'
import type { StoreGatewayClient, StoreGatewayClients } from '../store-gateway/client.js'
import type { BlockRefs, BlockSeriesColumns } from '../store-gateway/contract.js'
import type { BlocksAnswer } from '../supervisor/contract.js'
import { BlockSelection, type ChunkPlan } from './block-selection.js'
import { type BlockPlace, BlockTable, selectionKey } from './block-table.js'
import type { ColumnCache } from './column-cache.js'
import type { QueryClaims } from './query-claims.js'
import type { QueryStop } from './query-stop.js'
import { SegmentOfPages, segmentPlace } from './segment-bytes.js'

/** What blocks are reached through. */
export interface BlockParts {
  readonly env: Env
  /** The block list: BlockListReader. */
  readonly list: { blocks(tenant: string): BlocksAnswer | Promise<BlocksAnswer> }
  readonly gateways: Pick<StoreGatewayClients, 'ownerOf' | 'ask'>
  /** What pages of remote chunks are claimed from. */
  readonly claims: Pick<QueryClaims, 'addPages'>
  /** `store_gateway_tenant_shard_size` of a tenant. */
  readonly shardSize: (tenant: string) => number
  /** Bytes of tables that are kept from query to query. */
  readonly tableBytes: number
  /** For decoded columns. */
  readonly cache: ColumnCache
}

/** A time range in ms, both ends inclusive. */
export interface BlockRange {
  readonly mint: number
  readonly maxt: number
  /** Whether an answer is whole without blocks that only these zones have; missing: it is not. */
  readonly isWholeWithout?: (zones: ReadonlySet<number>) => boolean
}

/** Series of blocks. */
export interface BlockRequest {
  readonly tenant: string
  readonly matchers: readonly Matcher[]
  readonly range: BlockRange
  /** Samples will not be asked for. */
  readonly isForLabels: boolean
  readonly meter: FetchMeter
}

/** The series of blocks that one selection got. */
export interface SelectedBlocks {
  /** Block by block, in order of their times. */
  readonly selections: readonly BlockSelection[]
  /** Of the tenant's blocks all that end after the range's start end before its end. */
  readonly isToEnd: boolean
  /** Equal as long as the tenant's blocks are the same, deletions in them included. */
  readonly state: string
}

/** Sorted lists of some of the blocks each; at once where it is known that there are none. */
type TextsOfBlocks = (readonly string[])[] | Promise<(readonly string[])[]>

const NO_BLOCKS: SelectedBlocks = { selections: [], isToEnd: false, state: '' }

/** Tenants whose versions are remembered. */
const TENANTS_MAX = 10_000
/** How often a selection begins anew because a block was gone, each time with a newer list. */
const TRIES = 50
/** And how often without one. */
const STILL_TRIES = 5
/** Pause before the next try when the list has not changed since, ms. */
const PAUSE_MS = 50
/** How long a query waits for the first reading of the bucket, ms. */
const UNREAD_WAIT_MS = 5_000
const UNREAD_CHECK_MS = 20
/** What is younger is still in the heads, if they were there before the start, ms. */
const HEADS_HAVE_MS = 3_600_000

/** The blocks of all tenants, as one querier thread reads them. */
export class BlockReads {
  private readonly parts: BlockParts
  private readonly decoder = new ChunkDecoder()
  /** In order of use, by ULID. */
  private readonly tables = new Map<string, BlockTable>()
  /** Per tenant the version of the list that tables were last compared with. */
  private readonly seenVersion = new Map<string, number>()
  private labels: LabelTable | undefined
  /** How many tables have been dropped. */
  private drops = 0
  /** The blocks of a list as one text. */
  private readonly ulids = new WeakMap<readonly BlockEntry[], string>()
  /** What blocks list, by tenant; their state is which blocks. */
  private readonly lists = new TextLists()
  /** Of the query that reads now. */
  private stop: QueryStop | undefined

  constructor(parts: BlockParts) {
    this.parts = parts
  }

  /** A query begins. */
  begin(stop: QueryStop): void {
    this.stop = stop
  }

  /**
   * The series of a tenant's blocks that match, block by block in order of their times. To be asked
   * for after the heads, so that no block can be cut in between unseen.
   */
  select(request: BlockRequest, labels: LabelTable): SelectedBlocks | Promise<SelectedBlocks> {
    const { tenant, matchers, range, meter } = request
    if (this.labels !== labels) this.dropLabels()
    this.labels = labels
    const found = this.overBlocks(tenant, range, async (entries, all) => {
      const tables = await this.tablesOf(tenant, entries, matchers, labels)
      const selections: BlockSelection[] = []
      try {
        for (const { table, rows } of tables) {
          const selection = new BlockSelection(table, rows, range, { decoder: this.decoder, meter })
          if (selection.rows.length === 0) continue
          selections.push(selection)
          table.holders++
        }
        if (!request.isForLabels) await this.openSegments(tenant, selections)
      } catch (error) {
        for (const selection of selections) selection.release()
        throw error
      }
      const isToEnd = all.every(({ maxTime }) => maxTime <= range.mint || maxTime <= range.maxt)
      return [{ selections, isToEnd, state: this.stateOf(all) }]
    })
    if (!(found instanceof Promise)) return NO_BLOCKS
    return found.then(([selected = NO_BLOCKS]) => selected)
  }

  /** Label names of all blocks that overlap a range: sorted lists of some of the blocks each. */
  labelNames(tenant: string, range: BlockRange): TextsOfBlocks {
    return this.listed(tenant, 'names', range, (calls, ulids) =>
      calls.labelNames({ tenant, ulids }),
    )
  }

  /** Values of a label in all blocks that overlap a range, likewise. */
  labelValues(tenant: string, name: string, range: BlockRange): TextsOfBlocks {
    return this.listed(tenant, `values of ${name}`, range, (calls, ulids) =>
      calls.labelValues({ tenant, name, ulids }),
    )
  }

  /** What the owners of blocks list, asked again when a tenant has other blocks in the range. */
  private listed(
    tenant: string,
    what: string,
    range: BlockRange,
    question: (calls: StoreGatewayClient, ulids: string[]) => Promise<string[]>,
  ): TextsOfBlocks {
    return this.overBlocks(tenant, range, async (entries) => {
      const state = placesOf(entries)
      const name = `${tenant} ${what}`
      const known = this.lists.find(name, state)
      if (known !== undefined) return [known]
      const lists = await this.askOwners(entries, (shard, ulids) =>
        this.ask(shard, (calls) => question(calls, ulids)),
      )
      const compare = this.stop?.whileSorting(compareUtf8) ?? compareUtf8
      const texts = [...new Set(lists.flat())].sort(compare)
      this.lists.keep(name, state, texts)
      return [texts]
    })
  }

  /** Bytes of what is kept from query to query. */
  bytesHeld(): number {
    let sum = 0
    for (const table of this.tables.values()) sum += table.bytes()
    return sum
  }

  /** Names all blocks of a tenant, and how often tables have been given up. */
  private stateOf(all: readonly BlockEntry[]): string {
    let ulids = this.ulids.get(all)
    if (ulids === undefined) {
      ulids = placesOf(all)
      this.ulids.set(all, ulids)
    }
    return `${this.drops} ${ulids}`
  }

  /**
   * Asks about the blocks of a range. Where the list is known and has none there, as for most small queries,
   * it tells so at once: each promise on the way takes a query a microsecond.
   */
  private overBlocks<T>(
    tenant: string,
    range: BlockRange,
    question: (entries: readonly BlockEntry[], all: readonly BlockEntry[]) => Promise<T[]>,
  ): T[] | Promise<T[]> {
    const list = this.parts.list.blocks(tenant)
    if (!(list instanceof Promise) && this.tells(list, range)) {
      this.dropGone(tenant, list.version, list.entries)
      if (!list.entries.some((entry) => overlaps(entry, range))) return []
    }
    return this.askBlocks(tenant, range, question, list)
  }

  /** Runs a question over the blocks that overlap, again with a new list when one was gone. */
  private async askBlocks<T>(
    tenant: string,
    range: BlockRange,
    question: (entries: readonly BlockEntry[], all: readonly BlockEntry[]) => Promise<T[]>,
    list: BlocksAnswer | Promise<BlocksAnswer>,
  ): Promise<T[]> {
    let stillTries = 0
    const lost = new Set<number>()
    for (let tries = 1; ; tries++) {
      const { version, entries } = await this.listFor(tenant, range, tries === 1 ? list : undefined)
      this.dropGone(tenant, version, entries)
      const wanted = entries.filter((entry) => overlaps(entry, range) && !isOnlyIn(entry, lost))
      if (wanted.length === 0) return []
      try {
        return await question(wanted, entries)
      } catch (error) {
        if (!(error instanceof AppError) || error.id !== 'block-gone' || tries >= TRIES) throw error
        const ulid = String(error.details['block'])
        this.drop(ulid)
        const next = await this.during(this.parts.list.blocks(tenant))
        if (next.version !== version) continue
        if (++stillTries < STILL_TRIES) await this.during(this.parts.env.timers.sleep(PAUSE_MS))
        else {
          // The zone has lost its disk, and its shard has not told the list yet.
          const gone = entries.find((entry) => entry.ulid === ulid)
          if (gone?.zone === undefined || gone.inBucket) throw error
          lost.add(gone.zone)
          if (range.isWholeWithout?.(lost) !== true) throw error
        }
      }
    }
  }

  /** The list, once it is complete as far as the range needs it. */
  private async listFor(
    tenant: string,
    range: BlockRange,
    first: BlocksAnswer | Promise<BlocksAnswer> | undefined,
  ): Promise<BlocksAnswer> {
    const { env, list } = this.parts
    const deadline = env.clock.monotonic() + UNREAD_WAIT_MS
    for (let asked = first ?? list.blocks(tenant); ; asked = list.blocks(tenant)) {
      const answer = await this.during(asked)
      if (this.tells(answer, range)) return answer
      if (env.clock.monotonic() >= deadline) {
        throw fail('bucket-unread', { text: 'it has not answered since the start' })
      }
      await this.during(env.timers.sleep(UNREAD_CHECK_MS))
    }
  }

  /** Whether a list has all blocks that there may be of a range, but for what is in heads as well. */
  private tells({ isComplete, areHeadsNew }: BlocksAnswer, { mint }: BlockRange): boolean {
    return isComplete || (!areHeadsNew && mint > this.parts.env.clock.now() - HEADS_HAVE_MS)
  }

  /** Tables of blocks and the rows in them that match, in the order of the entries. */
  private async tablesOf(
    tenant: string,
    entries: readonly BlockEntry[],
    matchers: readonly Matcher[],
    labels: LabelTable,
  ): Promise<{ table: BlockTable; rows: Uint32Array }[]> {
    const key = selectionKey(matchers, () => this.stop?.tick())
    const found = new Map<string, { table: BlockTable; rows: Uint32Array }>()
    const asked: BlockEntry[] = []
    for (const entry of entries) {
      const table = this.use(entry)
      const rows = table?.findSelection(key)
      if (table !== undefined && rows !== undefined) found.set(entry.ulid, { table, rows })
      else asked.push(entry)
    }
    await this.askOwners(asked, async (shard, ulids) => {
      const answers = await this.ask(shard, (calls) =>
        calls.select({ tenant, ulids, matchers: matchers.map(plainMatcher) }),
      )
      // While this thread takes in one block's series, the shard looks for those of the next.
      const asking = (answer: BlockRefs | undefined) => {
        if (answer === undefined) return undefined
        const unknown = this.unknownOf(tenant, shard, answer, asked, labels)
        unknown.catch(() => {})
        return unknown
      }
      let next = asking(answers[0])
      for (const [at, { ulid, refs }] of answers.entries()) {
        const { table, unknown, series } = await next!
        next = asking(answers[at + 1])
        if (series !== undefined) table.add(unknown, series)
        const rows = table.rowsOf(refs)
        table.keepSelection(key, rows)
        found.set(ulid, { table, rows })
      }
      return []
    })
    this.makeRoom(new Set(found.keys()))
    return entries.map(({ ulid }) => found.get(ulid)!)
  }

  /** The table of a block that has answered, and the series in the answer that are not in it yet. */
  private async unknownOf(
    tenant: string,
    shard: number,
    { ulid, dir, refs }: BlockRefs,
    asked: readonly BlockEntry[],
    labels: LabelTable,
  ): Promise<{ table: BlockTable; unknown: Uint32Array; series: BlockSeriesColumns | undefined }> {
    const touched = asked.find((entry) => entry.ulid === ulid)?.touched ?? 0
    const table = this.tableOf({ tenant, ulid, dir, touched }, labels)
    const unknown = table.unknown(refs)
    if (unknown.length === 0) return { table, unknown, series: undefined }
    const request = { tenant, ulid, refs: unknown }
    return { table, unknown, series: await this.ask(shard, (calls) => calls.series(request)) }
  }

  /** A table that is still of the entry's files. */
  private use(entry: BlockEntry): BlockTable | undefined {
    const table = this.tables.get(entry.ulid)
    if (table === undefined) return undefined
    const isMoved = entry.localDir !== undefined && table.dir !== entry.localDir
    if (isMoved || table.touched !== (entry.touched ?? 0)) {
      this.drop(entry.ulid)
      return undefined
    }
    this.tables.delete(entry.ulid)
    this.tables.set(entry.ulid, table)
    return table
  }

  private tableOf(place: BlockPlace, labels: LabelTable): BlockTable {
    const { ulid, dir, touched } = place
    const known = this.tables.get(ulid)
    if (known !== undefined && known.dir === dir && known.touched === touched) return known
    this.drop(ulid)
    const table = new BlockTable(place, { labels, cache: this.parts.cache })
    this.tables.set(ulid, table)
    return table
  }

  /** Opens files, and gets pages of what is not on this machine. */
  private async openSegments(tenant: string, selections: readonly BlockSelection[]): Promise<void> {
    await Promise.all(
      selections.map(async (selection) => {
        const { table } = selection
        if (table.dir !== undefined) {
          const { disk } = this.parts.env
          for (const segment of table.segments) selection.take(segment, table.file(disk, segment))
          return
        }
        for (const plan of selection.plans()) {
          const pages = await this.pagesOf(tenant, table.ulid, plan)
          this.parts.claims.addPages(pages.pageBytes * pages.pages.length)
          const place = segmentPlace(table.ulid, plan.segment)
          selection.take(plan.segment, new SegmentOfPages(place, pages))
        }
      }),
    )
  }

  private pagesOf(tenant: string, ulid: string, plan: ChunkPlan) {
    return this.ask(this.ownerOf(tenant, ulid), (calls) => calls.pages({ tenant, ulid, ...plan }))
  }

  private async ask<T>(
    shard: number,
    question: (calls: StoreGatewayClient) => Promise<T>,
  ): Promise<T> {
    return await this.during(this.parts.gateways.ask(shard, question))
  }

  /** What an answer comes to, while the query is wanted. */
  private during<T>(answer: T | Promise<T>): T | Promise<T> {
    if (!(answer instanceof Promise)) return answer
    return this.stop?.during(answer) ?? answer
  }

  private ownerOf(tenant: string, ulid: string): number {
    const { gateways, shardSize } = this.parts
    return gateways.ownerOf({ tenant, key: ulid, size: shardSize(tenant) })
  }

  /** Asks each shard for its blocks. */
  private async askOwners<T>(
    entries: readonly BlockEntry[],
    question: (shard: number, ulids: string[]) => Promise<T>,
  ): Promise<T[]> {
    const byOwner = new Map<number, string[]>()
    for (const { tenant, ulid } of entries) {
      const owner = this.ownerOf(tenant, ulid)
      const ulids = byOwner.get(owner)
      if (ulids === undefined) byOwner.set(owner, [ulid])
      else ulids.push(ulid)
    }
    return await Promise.all([...byOwner].map(([shard, ulids]) => question(shard, ulids)))
  }

  /** Forgets tables that the present selection does not need, the one used longest ago first. */
  private makeRoom(needed: ReadonlySet<string>): void {
    let bytes = this.bytesHeld()
    for (const [ulid, table] of this.tables) {
      if (bytes <= this.parts.tableBytes) return
      if (needed.has(ulid) || table.holders > 0) continue
      bytes -= table.bytes()
      this.drop(ulid)
    }
  }

  /** Forgets blocks that have left the list, so that their files are let go of. */
  private dropGone(tenant: string, version: number, entries: readonly BlockEntry[]): void {
    if (this.seenVersion.get(tenant) === version) return
    if (this.seenVersion.size >= TENANTS_MAX) this.seenVersion.clear()
    this.seenVersion.set(tenant, version)
    const there = new Set(entries.map(({ ulid }) => ulid))
    for (const [ulid, table] of this.tables) {
      if (table.tenant === tenant && !there.has(ulid)) this.drop(ulid)
    }
  }

  private drop(ulid: string): void {
    const table = this.tables.get(ulid)
    if (table === undefined) return
    this.tables.delete(ulid)
    this.drops++
    table.retire()
  }

  /** Forgets all series, which are kept by labels. */
  dropLabels(): void {
    this.labels = undefined
    for (const ulid of [...this.tables.keys()]) this.drop(ulid)
  }
}

/** Names blocks as they are now. */
function placesOf(entries: readonly BlockEntry[]): string {
  return entries.map(({ ulid, touched = 0 }) => `${ulid} ${touched}`).join()
}

/** Whether a block lies on the disks of some zones and nowhere else. */
function isOnlyIn({ zone, inBucket }: BlockEntry, zones: ReadonlySet<number>): boolean {
  return !inBucket && zone !== undefined && zones.has(zone)
}

/** A matcher as plain data. */
function plainMatcher({ name, op, value }: Matcher): Matcher {
  return { name, op, value }
}

function overlaps({ minTime, maxTime }: BlockEntry, { mint, maxt }: BlockRange): boolean {
  return minTime <= maxt && maxTime > mint
}
