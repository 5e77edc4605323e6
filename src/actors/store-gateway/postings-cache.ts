/**
 * Which series of a block match some matchers (expanded postings): lists of references within a
 * budget, the one used longest ago goes first. A block never changes, so nothing of it goes stale; a
 * list that several ask for at once is made once. Single postings have no cache of their own: those of
 * remote blocks lie in the pages of the page cache, others in the page cache of the system.
 */
import type { Matcher } from '../../shared/model/matcher.js'
import type { Cell, Metrics } from '../../shared/telemetry/index.js'

/** How the cache is made. */
export interface PostingsCacheOptions {
  readonly bytesMax: number
  /** Tells what is held; false: the process has no room for that. */
  claim(bytes: number): boolean
  readonly metrics: Metrics
}

/** Bytes that an entry takes beside its list and its name. */
const ENTRY_BYTES = 200
const ITEM = 'ExpandedPostings'

/** The cache of a shard. */
export class PostingsCache {
  private readonly options: PostingsCacheOptions
  private readonly requests: Cell
  private readonly hits: Cell
  /** In order of use. */
  private readonly lists = new Map<string, Uint32Array>()
  private readonly pending = new Map<string, Promise<Uint32Array>>()
  private bytes = 0

  constructor(options: PostingsCacheOptions) {
    this.options = options
    this.requests = options.metrics.cell('thanos_store_index_cache_requests_total', ITEM)
    this.hits = options.metrics.cell('thanos_store_index_cache_hits_total', ITEM)
  }

  /** Bytes held. */
  bytesHeld(): number {
    return this.bytes
  }

  /**
   * The list of a block, from the cache or by `make`; not to be changed.
   * @param block tenant and ULID
   */
  async get(
    block: string,
    matchers: readonly Matcher[],
    make: () => Promise<Uint32Array>,
  ): Promise<Uint32Array> {
    const key = JSON.stringify([block, ...matchers.map(({ name, op, value }) => [name, op, value])])
    this.requests.add(1)
    const known = this.lists.get(key)
    if (known !== undefined) {
      this.hits.add(1)
      this.lists.delete(key)
      this.lists.set(key, known)
      return known
    }
    let made = this.pending.get(key)
    if (made === undefined) {
      made = make()
        .then((list) => this.keep(key, list))
        .finally(() => this.pending.delete(key))
      this.pending.set(key, made)
    }
    return await made
  }

  private keep(key: string, found: Uint32Array): Uint32Array {
    const { bytesMax, claim } = this.options
    // A copy: lists are views of what was read for them.
    const list = found.slice()
    const size = sizeOf(key, list)
    while (this.bytes + size > bytesMax || !claim(this.bytes + size)) {
      if (!this.dropOldest()) return list
    }
    this.lists.set(key, list)
    this.bytes += size
    return list
  }

  private dropOldest(): boolean {
    for (const [key, list] of this.lists) {
      this.lists.delete(key)
      this.bytes -= sizeOf(key, list)
      return true
    }
    return false
  }
}

function sizeOf(key: string, list: Uint32Array): number {
  return list.byteLength + key.length * 2 + ENTRY_BYTES
}
