/**
 * The typed face of the write-request kernel (assembly/write-request.kernel.ts): its memory, laid
 * out once and then reused, and what its functions promise. One instance per distributor, which
 * drives it body by body, chunk by chunk:
 *
 *   decompress → walk → attend → defineRows for new series → scatter → frames
 *
 *   0        nothing, 64 KiB
 *   ...      context · hash key · columns, rows, pending, attention · shards: open columns, defines,
 *            bitmap of ids defined · ids: next, length, fingerprint, route · source · body ·
 *            scratch (as large as the body) · source and body of one that is unpacked ahead of its
 *            turn · heap (tables, up to the end)
 *
 * Reserved large, touched little: pages that nobody wrote to cost nothing. Touched pages never go
 * back, hence `decompressApart` for what is unusually large.
 */
import { copyBytes } from '../base/copy-bytes.js'
import * as otlp from './assembly/otlp-layout.js'
import * as layout from './assembly/write-request-layout.js'

/** Functions of the kernel; pointers are addresses in its memory. */
export interface WriteRequestExports {
  /** Length that a compressed body claims; −1 when its header is damaged. */
  readonly snappyLength: (source: number, length: number) => number
  /** Decompresses; length, or −1 when corrupt or larger than `max`. */
  readonly snappyDecompress: (source: number, length: number, to: number, max: number) => number
  /** Decompresses two bodies; [2] at `results`: what `snappyDecompress` returns of each. */
  readonly snappyDecompressBoth: (
    results: number,
    source: number,
    length: number,
    to: number,
    otherSource: number,
    otherLength: number,
    otherTo: number,
    max: number,
  ) => void
  /** Walks on in the body until it ends or a bound is met: a WALK code. */
  readonly walk: (context: number) => number
  /** Reads the symbols of a remote write 2.0 body: 0 or WALK_MALFORMED. */
  readonly symbols: (context: number) => number
  /** As `walk`, for remote write 2.0, once its symbols were read. */
  readonly walkV2: (context: number) => number
  /** As `verify`, for remote write 2.0, once its symbols were read. */
  readonly verifyV2: (context: number, at: number, end: number) => number
  /** Lists the metrics of an OTLP body: 0, WALK_MALFORMED or WALK_TOO_MUCH. */
  readonly otlpIndex: (context: number) => number
  /** As `walk`, for OTLP, once its metrics were listed. */
  readonly walkOtlp: (context: number) => number
  /** As `verify`, for OTLP, once its metrics were listed. */
  readonly verifyOtlp: (context: number) => number
  /** Checks framing in [at, end): 0 or WALK_MALFORMED. */
  readonly verify: (at: number, end: number) => number
  /** End of the last whole field at or below `most`, else of the first field; 0 when malformed. */
  readonly cut: (at: number, end: number, most: number) => number
  /** Lists rows that the host must look at. */
  readonly attend: (context: number) => void
  /** Validates a label set and writes its canonical form: 0, a reason, or −1 when malformed. */
  readonly labelSet: (context: number, labels: number, length: number, out: number) => number
  /** Validates, routes and defines the rows listed: how many series, or −1 when one is malformed. */
  readonly defineRows: (context: number) => number
  /** Counts what stands in [at, end), 0: remote write 1.0, 1: 2.0, 2: OTLP; ITEM_… of the context. */
  readonly countItems: (context: number, at: number, end: number, format: number) => void
  /** The shard that a hash falls to, by the ring. */
  readonly memberOf: (context: number, hash: number) => number
  /** Deals the columns to the shards' open columns. */
  readonly scatter: (context: number) => void
  /** Moves slots of a tenant's old table; how many are left. */
  readonly moveSlots: (tenant: number, slots: number) => number
}

/** Bounds that decide the memory's layout. */
export interface WriteRequestSizes {
  /** Largest body after decompression, in bytes. */
  readonly bodyBytesMax: number
  /** Largest compressed body that is decompressed here, in bytes. */
  readonly sourceBytesMax: number
  /** Samples of a chunk. */
  readonly samplesMax: number
  /** Label sets of a chunk, in bytes with DEFINE_OVERHEAD each. */
  readonly defineBytesMax: number
  readonly shardCount: number
  /** Ids are below this; a multiple of 256. */
  readonly seriesIdsMax: number
  /** Room for tables, in bytes. */
  readonly heapBytes: number
  /** Room for templates of OTLP bodies, in bytes; without it each is walked. */
  readonly templateBytes: number
}

/** The limits that label sets are checked against, named as in a tenant's row. */
export interface LabelLimits {
  readonly max_label_names_per_series: number
  readonly max_label_names_per_info_series: number
  readonly max_label_name_length: number
  readonly max_label_value_length: number
  readonly name_validation_scheme: 'legacy' | 'utf8'
}

/** The longest label set that gets an id; longer ones are refused. */
const LABEL_LENGTH_MAX = 256 << 10
const ROWS_MAX = 65_536
const METADATA_MAX = 4_096
/** Symbols of a remote write 2.0 body; one with more is refused. */
const SYMBOLS_MAX = 1 << 20
/** Metrics of an OTLP body, resources and scopes; one with more is refused. */
const OTLP_METRICS_MAX = 1 << 20
const OTLP_PARTS_MAX = 1 << 18
/** Room for labels of OTLP series beside what a chunk may define: the longest set, written out. */
const TRANSLATED_MORE_BYTES = 1 << 20
/** Of two bodies that are decompressed together each is no larger: as it came, and afterwards. */
const SECOND_SOURCE_BYTES = 1 << 20
const SECOND_BODY_BYTES = 2 << 20
const PAGE_BYTES = 65_536
const PAGES_MAX = 65_535

/** Where a shard's part of the memory is. */
export interface ShardRegion {
  /** Record of the shard (layout SHARD_*). */
  readonly record: number
  readonly ids: number
  readonly times: number
  readonly values: number
  readonly defines: number
  /** Bitmap of ids, seriesIdsMax / 8 bytes. */
  readonly defined: number
}

/** Which shard a hash falls to: ascending tokens, and the owner of each. */
export interface ShardRing {
  readonly tokens: Uint32Array
  readonly owners: Uint16Array
}

/** One kernel instance and its memory. */
export class WriteRequestKernel {
  readonly exports: WriteRequestExports
  readonly sizes: WriteRequestSizes
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly words: Uint32Array<ArrayBuffer>
  private readonly floats: Float64Array<ArrayBuffer>
  readonly context: number
  readonly source: number
  readonly body: number
  readonly scratch: number
  private readonly secondSource: number
  /** Where the second of two bodies that were decompressed together stands. */
  readonly secondBody: number
  /** Where the body at hand stands: `body` or `secondBody`. */
  bodyAt: number
  readonly routes: number
  readonly attention: number
  readonly rows: number
  readonly metadata: number
  readonly extras: number
  readonly symbols: number
  /** State of the OTLP walk (otlp-layout.ts). */
  readonly otlp: number
  /** Where labels of OTLP series are written as label fields, `translatedBytes` of room. */
  readonly translated: number
  readonly translatedBytes: number
  readonly labelTable: number
  /** Where `labelSet` puts a canonical label set before its shard is known. */
  readonly stage: number
  /** Where the host puts labels that it rewrote. */
  readonly rewrites: number
  readonly heap: number
  readonly heapEnd: number
  readonly shards: readonly ShardRegion[]
  private readonly module: WebAssembly.Module
  private top = PAGE_BYTES
  /** Bytes of labels that a chunk may define, DEFINE_OVERHEAD each included. */
  labelRoom = 0

  /**
   * @param fillRandom fills the hash key: cryptographic, or senders could make series collide
   * @param ring of the shards; without one every series belongs to shard 0
   */
  constructor(
    module: WebAssembly.Module,
    sizes: WriteRequestSizes,
    fillRandom: (bytes: Uint8Array) => void,
    ring: ShardRing = { tokens: new Uint32Array(), owners: new Uint16Array() },
  ) {
    this.module = module
    this.sizes = sizes
    const pages = Math.ceil((bytesOf(sizes) + ring.tokens.length * 6) / PAGE_BYTES)
    if (pages > PAGES_MAX) throw new RangeError(`write-request kernel: ${pages} pages`)
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
    this.exports = instantiate(module, memory)
    this.bytes = new Uint8Array(memory.buffer as ArrayBuffer)
    this.words = new Uint32Array(memory.buffer as ArrayBuffer)
    this.floats = new Float64Array(memory.buffer as ArrayBuffer)
    this.context = this.take(layout.CONTEXT_BYTES)
    const keyLength = LABEL_LENGTH_MAX + layout.KEY_SLACK_BYTES
    const key = this.take(keyLength)
    fillRandom(this.bytes.subarray(key, key + keyLength))
    this.set(layout.HASH_KEY, key)
    this.set(layout.COLUMN_IDS, this.take(sizes.samplesMax * 4))
    this.set(layout.COLUMN_TIMES, this.take(sizes.samplesMax * 8))
    this.set(layout.COLUMN_VALUES, this.take(sizes.samplesMax * 8))
    this.rows = this.take(ROWS_MAX * layout.ROW_BYTES)
    this.attention = this.take(ROWS_MAX * 4)
    this.set(layout.OTHERS, this.take(ROWS_MAX * 4))
    this.metadata = this.take(METADATA_MAX * layout.METADATA_BYTES)
    this.extras = this.take(ROWS_MAX * layout.EXTRA_BYTES)
    this.symbols = this.take(SYMBOLS_MAX * layout.SYMBOL_BYTES)
    this.set(layout.METADATA_SEEN, this.take(layout.METADATA_SEEN_SLOTS * 8))
    this.set(layout.PAIRS, this.take(SYMBOLS_MAX * layout.PAIR_BYTES))
    this.set(layout.REFS_WORK, this.takeRefsWork())
    this.set(layout.NAME_KEYS, this.take(layout.NAME_KEY_SLOTS * layout.NAME_KEY_BYTES))
    const refsKey = this.take(layout.REFS_KEY_BYTES)
    fillRandom(this.bytes.subarray(refsKey, refsKey + layout.REFS_KEY_BYTES))
    this.set(layout.REFS_KEY, refsKey)
    this.otlp = this.takeOtlp()
    this.translatedBytes = sizes.defineBytesMax + TRANSLATED_MORE_BYTES
    this.translated = this.take(this.translatedBytes)
    this.labelTable = this.take((layout.LABELS_MAX + 1) * 16)
    this.stage = this.take(LABEL_LENGTH_MAX)
    this.set(layout.STAGE, this.stage)
    this.takeRing(ring)
    this.set(layout.PENDING, this.take(layout.PENDING_MAX * layout.PENDING_BYTES))
    this.shards = this.takeShards()
    this.routes = this.takeIds()
    this.source = this.take(sizes.sourceBytesMax)
    this.rewrites = this.take(sizes.defineBytesMax)
    this.body = this.take(sizes.bodyBytesMax)
    this.scratch = this.take(sizes.bodyBytesMax)
    this.secondSource = this.take(SECOND_SOURCE_BYTES)
    this.secondBody = this.take(SECOND_BODY_BYTES)
    this.bodyAt = this.body
    this.heap = this.take(sizes.heapBytes)
    this.heapEnd = this.heap + sizes.heapBytes
    this.set(layout.ROWS, this.rows)
    this.set(layout.ROW_CAP, ROWS_MAX)
    this.set(layout.ATTENTION, this.attention)
    this.set(layout.METADATA, this.metadata)
    this.set(layout.EXTRAS, this.extras)
    this.set(layout.SYMBOLS, this.symbols)
    this.set(layout.SYMBOL_CAP, SYMBOLS_MAX)
    this.set(layout.METADATA_CAP, METADATA_MAX)
    this.set(layout.LABEL_TABLE, this.labelTable)
    this.setChunkBounds(sizes.samplesMax, sizes.defineBytesMax)
  }

  /** A word of the context. */
  get(field: number): number {
    return this.words[(this.context + field) >>> 2]!
  }

  set(field: number, value: number): void {
    this.words[(this.context + field) >>> 2] = value
  }

  /** The earliest and latest times that samples may have, in ms. */
  setTimeRange(min: number, max: number): void {
    this.floats[(this.context + layout.TIME_MIN) >>> 3] = min
    this.floats[(this.context + layout.TIME_MAX) >>> 3] = max
  }

  /** The members of the ring that new series go to, a bit for each; all when undefined. */
  setMembers(members: Uint32Array | undefined): void {
    for (let word = 0; word < layout.RING_MEMBER_WORDS; word++) {
      this.set(layout.RING_MEMBERS + word * 4, members === undefined ? ~0 : (members[word] ?? 0))
    }
  }

  setLimits(limits: LabelLimits): void {
    // A word would keep the low bits of a larger number: 2^32 would allow nothing.
    const setBound = (field: number, bound: number): void =>
      this.set(field, Math.min(bound, 0xffffffff))
    setBound(layout.LIMIT_NAMES, limits.max_label_names_per_series)
    setBound(layout.LIMIT_INFO_NAMES, limits.max_label_names_per_info_series)
    setBound(layout.LIMIT_NAME_LENGTH, limits.max_label_name_length)
    setBound(layout.LIMIT_VALUE_LENGTH, limits.max_label_value_length)
    this.set(layout.NAMES_UTF8, limits.name_validation_scheme === 'utf8' ? 1 : 0)
  }

  /** Makes chunks smaller, so that what one has for a shard fits a frame. */
  setChunkBounds(samples: number, defineBytes: number): void {
    const room = Math.min(defineBytes, this.sizes.defineBytesMax)
    this.set(layout.SAMPLE_CAP, Math.min(samples, this.sizes.samplesMax))
    this.labelRoom = room
    this.set(layout.LABEL_ROOM, room)
    this.set(layout.LABEL_LENGTH_MAX, Math.min(LABEL_LENGTH_MAX, room - layout.DEFINE_OVERHEAD))
  }

  /**
   * Room for labels in a chunk; half of it where they may grow as they are rewritten. A body that does
   * not fit one chunk is read twice.
   */
  setGrowing(mayGrow: boolean): void {
    this.set(layout.LABEL_ROOM, mayGrow ? this.labelRoom >>> 1 : this.labelRoom)
  }

  /**
   * Decompresses two bodies together, which costs less: one to `body`, the other to `secondBody`.
   * `unpacked` says how long each is.
   *
   * @param bytesMax of each, decompressed; no more than the kernel takes of two
   * @returns false, and nothing done, when either is too long as it came
   */
  decompressBoth(first: Uint8Array, second: Uint8Array, bytesMax: number): boolean {
    const { source, body, secondSource, secondBody } = this
    if (first.length > SECOND_SOURCE_BYTES || second.length > SECOND_SOURCE_BYTES) return false
    copyBytes(this.bytes, source, first)
    copyBytes(this.bytes, secondSource, second)
    const max = Math.min(bytesMax, SECOND_BODY_BYTES)
    const results = this.context + layout.UNPACKED
    const { snappyDecompressBoth } = this.exports
    // biome-ignore format: two by two
    snappyDecompressBoth(
      results, source, first.length, body, secondSource, second.length, secondBody, max,
    )
    return true
  }

  /** Length of the first or second body that were decompressed together; -1 when it is damaged or too large. */
  unpacked(index: 0 | 1): number {
    return this.get(layout.UNPACKED + index * 4) | 0
  }

  /** Begins a body of `length` bytes. */
  beginBody(length: number, at = this.body): void {
    this.bodyAt = at
    this.set(layout.POS, at)
    this.set(layout.END, at + length)
    this.set(layout.RESUME_AT, 0)
    this.set(layout.SCRATCH_AT, this.scratch)
    const counts = (this.context + layout.COUNTS) >>> 2
    this.words.fill(0, counts, counts + 32)
    this.set(layout.HISTOGRAMS, 0)
    this.set(layout.EXEMPLARS, 0)
    this.set(layout.DUPLICATES, 0)
    this.set(layout.OFFENDER, NO_OFFENDER)
    this.set(layout.PENDING_COUNT, 0)
  }

  /** Goes on with a further piece of the same body, which now stands at `body`. */
  continueBody(length: number): void {
    this.set(layout.POS, this.body)
    this.set(layout.END, this.body + length)
  }

  /** Begins a chunk: empty columns. An offender of the chunk before has been dealt with. */
  beginChunk(): void {
    this.set(layout.SAMPLE_COUNT, 0)
    this.set(layout.STARTS, 0)
    this.set(layout.ROW_COUNT, 0)
    this.set(layout.OTHER_COUNT, 0)
    this.set(layout.PLAIN_ROUTES, 0)
    this.set(layout.LABEL_BYTES, 0)
    this.set(layout.METADATA_COUNT, 0)
    this.set(layout.EXTRA_COUNT, 0)
    this.set(layout.EXTRA_SIZE, 0)
    this.words[(this.otlp + otlp.OTLP_POINT_COUNT) >>> 2] = 0
    for (const shard of this.shards) this.words[(shard.record + layout.SHARD_COUNT) >>> 2] = 0
  }

  /** The row that holds a sample, by its index in the columns. */
  rowOfSample(index: number): number {
    let low = 0
    let high = this.get(layout.ROW_COUNT) - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.words[(this.rowAt(middle) + layout.ROW_FIRST) >>> 2]! <= index) low = middle
      else high = middle - 1
    }
    return low
  }

  /** Address of a row's record. */
  rowAt(row: number): number {
    return this.rows + row * layout.ROW_BYTES
  }

  /** A row's label fields as sent in remote write 1.0; valid until the next body. */
  rowLabels(row: number): Uint8Array {
    const at = this.rowAt(row) >>> 2
    const labels = this.words[at + layout.ROW_LABELS / 4]!
    return this.bytes.subarray(labels, labels + this.words[at + layout.ROW_LENGTH / 4]!)
  }

  /** A symbol of the body at hand; undefined when there is none of this number. */
  findSymbol(index: number): string | undefined {
    if (!(index < this.get(layout.SYMBOL_COUNT))) return undefined
    const row = (this.symbols + index * layout.SYMBOL_BYTES) >>> 2
    const at = this.words[row + layout.SYMBOL_AT / 4]!
    return Buffer.from(
      this.bytes.buffer,
      at,
      this.words[row + layout.SYMBOL_LENGTH / 4]!,
    ).toString()
  }

  /**
   * Decompresses in a second, short-lived instance: what is touched here stays resident for good.
   *
   * @param isChecked as remote write 1.0, for framing
   * @returns the body; or undefined when it is corrupt
   */
  decompressApart(source: Uint8Array, claimed: number, isChecked = true): ApartBody | undefined {
    const from = PAGE_BYTES
    const to = align(from + source.length + layout.SLACK_BYTES)
    const pages = Math.ceil((to + claimed + layout.SLACK_BYTES) / PAGE_BYTES)
    const memory = new WebAssembly.Memory({ initial: Math.max(pages, 64), maximum: PAGES_MAX })
    const exports = instantiate(this.module, memory)
    const bytes = new Uint8Array(memory.buffer as ArrayBuffer)
    bytes.set(source, from)
    const length = exports.snappyDecompress(from, source.length, to, claimed)
    if (length < 0) return undefined
    const isSound = !isChecked || exports.verify(to, to + length) === 0
    return { exports, bytes, at: to, end: to + length, isSound }
  }

  private take(bytes: number): number {
    const at = this.top
    this.top = align(at + bytes + layout.SLACK_BYTES)
    return at
  }

  private takeRing(ring: ShardRing): void {
    const count = ring.tokens.length
    const tokens = this.take(count * 4)
    const owners = this.take(count * 2)
    this.words.set(ring.tokens, tokens >>> 2)
    new Uint16Array(this.bytes.buffer, owners, count).set(ring.owners)
    this.set(layout.RING_TOKENS, tokens)
    this.set(layout.RING_OWNERS, owners)
    this.set(layout.RING_COUNT, count)
    this.setMembers(undefined)
  }

  /** Lays down how eight bytes of references are spread (layout REFS_WORK). */
  private takeRefsWork(): number {
    const work = this.take(layout.REFS_WORK_BYTES)
    // What an index of 255 takes is zero.
    this.bytes.fill(255, work, work + layout.REFS_DECODED)
    for (let bits = 0; bits < 256; bits++) {
      let to = work + bits * 16
      for (let byte = 0; byte < 8; to += 2) {
        const isLong = ((bits >> byte) & 1) === 1
        if (isLong && byte === 7) break
        this.bytes[to] = byte++
        if (isLong) this.bytes[to + 1] = byte++
      }
    }
    return work
  }

  private takeOtlp(): number {
    const state = this.take(otlp.OTLP_STATE_BYTES)
    const set = (field: number, value: number): void => {
      this.words[(state + field) >>> 2] = value
    }
    set(otlp.OTLP_METRICS, this.take(OTLP_METRICS_MAX * otlp.METRIC_BYTES))
    set(otlp.OTLP_METRIC_CAP, OTLP_METRICS_MAX)
    set(otlp.OTLP_PARTS, this.take(OTLP_PARTS_MAX * otlp.PART_BYTES))
    set(otlp.OTLP_PART_CAP, OTLP_PARTS_MAX)
    set(otlp.OTLP_POINTS, this.take(ROWS_MAX * otlp.POINT_BYTES))
    set(otlp.OTLP_POINT_CAP, ROWS_MAX)
    const arena = this.take(this.sizes.templateBytes)
    set(otlp.OTLP_ARENA, arena)
    set(otlp.OTLP_ARENA_AT, arena)
    set(otlp.OTLP_ARENA_END, arena + this.sizes.templateBytes)
    set(otlp.OTLP_TABLE, this.take(otlp.KNOWN_SLOTS * 4))
    this.set(layout.OTLP, state)
    return state
  }

  private takeShards(): ShardRegion[] {
    const { sizes } = this
    const records = this.take(sizes.shardCount * layout.SHARD_BYTES)
    this.set(layout.SHARDS, records)
    const shards: ShardRegion[] = []
    for (let index = 0; index < sizes.shardCount; index++) {
      const shard: ShardRegion = {
        record: records + index * layout.SHARD_BYTES,
        ids: this.take(sizes.samplesMax * 4),
        times: this.take(sizes.samplesMax * 8),
        values: this.take(sizes.samplesMax * 8),
        defines: this.take(sizes.defineBytesMax),
        defined: this.take(sizes.seriesIdsMax / 8),
      }
      const record = shard.record >>> 2
      this.words[record + layout.SHARD_IDS / 4] = shard.ids
      this.words[record + layout.SHARD_TIMES / 4] = shard.times
      this.words[record + layout.SHARD_VALUES / 4] = shard.values
      this.words[record + layout.SHARD_DEFINED / 4] = shard.defined
      this.words[record + layout.SHARD_DEFINES / 4] = shard.defines
      shards.push(shard)
    }
    return shards
  }

  private takeIds(): number {
    const ids = this.sizes.seriesIdsMax
    this.set(layout.ID_NEXT, this.take(ids * 4))
    this.set(layout.ID_LENGTH, this.take(ids * 4))
    this.set(layout.ID_FINGERPRINT, this.take(ids * 16))
    this.set(layout.ID_METADATA, this.take(ids * 4))
    const routes = this.take(ids)
    this.set(layout.ID_ROUTE, routes)
    return routes
  }
}

/** OFFENDER when no sample was refused. */
export const NO_OFFENDER = 0xffffffff

/** A large body, decompressed in memory of its own, [at, end) of `bytes`. */
export interface ApartBody {
  readonly exports: WriteRequestExports
  readonly bytes: Uint8Array
  readonly at: number
  readonly end: number
  /** Whether its protobuf framing is sound. */
  readonly isSound: boolean
}

function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): WriteRequestExports {
  const instance = new WebAssembly.Instance(module, { env: { memory } })
  return instance.exports as unknown as WriteRequestExports
}

function align(at: number): number {
  return Math.ceil(at / 64) * 64
}

/** An upper bound of what the constructor takes. */
function bytesOf(sizes: WriteRequestSizes): number {
  const fixed =
    2 * PAGE_BYTES +
    2 * LABEL_LENGTH_MAX +
    ROWS_MAX * (layout.ROW_BYTES + 8) +
    METADATA_MAX * layout.METADATA_BYTES +
    layout.METADATA_SEEN_SLOTS * 8 +
    ROWS_MAX * layout.EXTRA_BYTES +
    SYMBOLS_MAX * (layout.SYMBOL_BYTES + layout.PAIR_BYTES) +
    OTLP_METRICS_MAX * otlp.METRIC_BYTES +
    OTLP_PARTS_MAX * otlp.PART_BYTES +
    ROWS_MAX * otlp.POINT_BYTES +
    2 * sizes.defineBytesMax +
    TRANSLATED_MORE_BYTES +
    layout.REFS_KEY_BYTES +
    layout.REFS_WORK_BYTES +
    layout.NAME_KEY_SLOTS * layout.NAME_KEY_BYTES +
    layout.LABELS_MAX * 16 +
    layout.PENDING_MAX * layout.PENDING_BYTES
  const perShard = sizes.samplesMax * 20 + sizes.defineBytesMax + sizes.seriesIdsMax / 8 + 1024
  return (
    fixed +
    8192 +
    sizes.samplesMax * 20 +
    sizes.shardCount * perShard +
    sizes.seriesIdsMax * 33 +
    sizes.sourceBytesMax +
    2 * sizes.bodyBytesMax +
    SECOND_SOURCE_BYTES +
    SECOND_BODY_BYTES +
    sizes.heapBytes +
    sizes.templateBytes +
    otlp.KNOWN_SLOTS * 4
  )
}
