/**
 * Where the write-request kernel and its TypeScript face find each other's numbers: byte offsets in
 * the context, and in the records that it points to. Plain constants, so that this one file serves
 * AssemblyScript and TypeScript.
 *
 * All words are u32 unless noted. "Pointer" is an address in the kernel's memory.
 */

// The context: one per kernel instance.
/** Where the walk stands, and the body's end. */
export const POS = 0
export const END = 4
/** A series whose samples did not all fit in the columns: rest of its fields, its labels. */
export const RESUME_AT = 8
export const RESUME_END = 12
export const RESUME_LABELS = 16
export const RESUME_LENGTH = 20
/** f64: when counting of that series began, as `addSamples` takes it. */
export const RESUME_START = 416
/** Columns of the chunk: pointers, capacity, count. */
export const COLUMN_IDS = 24
export const COLUMN_TIMES = 28
export const COLUMN_VALUES = 32
export const SAMPLE_CAP = 36
export const SAMPLE_COUNT = 40
/** Rows of the chunk, one per series: pointer, capacity, count. */
export const ROWS = 44
export const ROW_CAP = 48
export const ROW_COUNT = 52
/** Bytes of label sets that a chunk may have, and has; the longest label set that gets an id. */
export const LABEL_ROOM = 56
export const LABEL_BYTES = 60
export const LABEL_LENGTH_MAX = 64
/** Series waiting for the table: pointer, count. */
export const PENDING = 68
export const PENDING_COUNT = 72
/** Metadata records of the chunk, METADATA_BYTES each: pointer, capacity, count. */
export const METADATA = 80
export const METADATA_CAP = 84
export const METADATA_COUNT = 88
/** Where label sets are put together whose fields lay apart: next free byte. */
export const SCRATCH_AT = 92
/** The tenant's record. */
export const TENANT = 96
/** The key of the hash: LABEL_LENGTH_MAX + KEY_SLACK_BYTES random bytes. */
export const HASH_KEY = 100
/** Per id: next u32, length u32, fingerprint 16 B, route u8. */
export const ID_NEXT = 104
export const ID_LENGTH = 108
export const ID_FINGERPRINT = 116
export const ID_ROUTE = 120
/** Rows that need the host: pointer, count. */
export const ATTENTION = 124
export const ATTENTION_COUNT = 128
/** Latest time accepted, f64 ms. */
export const TIME_MAX = 136
/** Shard records: pointer. */
export const SHARDS = 144
/** The first sample refused: index in the columns, or 0xffffffff; its reason. */
export const OFFENDER = 148
export const OFFENDER_REASON = 152
/** Samples dropped without an error, and what was skipped, since the body began. */
export const HISTOGRAMS = 156
export const EXEMPLARS = 160
export const DUPLICATES = 164
/** Samples refused, by reason, since the body began: u32[REASONS_MAX]. */
export const COUNTS = 168
/** Limits of label sets, and whether names may be any UTF-8. */
export const LIMIT_NAMES = 296
export const LIMIT_INFO_NAMES = 300
export const LIMIT_NAME_LENGTH = 304
export const LIMIT_VALUE_LENGTH = 308
export const NAMES_UTF8 = 312
/** FNV-1 of the tenant's name, where the hash that places series begins. */
export const TENANT_HASH = 316
/** Label table of a label set: (name pointer, name length, value pointer, value length) each. */
export const LABEL_TABLE = 320
/** What `labelSet` gives: bytes, labels, hash, index of the offending label in the label table. */
export const SET_LENGTH = 324
export const SET_COUNT = 328
export const SET_HASH = 332
export const SET_OFFENDER = 336
/** Series of the chunk with histograms or exemplars, EXTRA_BYTES each: pointer, count, their size. */
export const EXTRAS = 340
export const EXTRA_COUNT = 344
export const EXTRA_SIZE = 348
/** Remote write 2.0: the symbols of the body, SYMBOL_BYTES each: pointer, capacity, count. */
export const SYMBOLS = 352
export const SYMBOL_CAP = 356
export const SYMBOL_COUNT = 360
/** Labels of the body, PAIR_BYTES for each symbol: pointer. */
export const PAIRS = 432
/** What references are decoded with: pointer to REFS_WORK_BYTES. */
export const REFS_WORK = 440
/** Keys of label names, NAME_KEY_BYTES each: pointer. */
export const NAME_KEYS = 436
/** A key beside that of the label bytes: REFS_KEY_BYTES random bytes. */
export const REFS_KEY = 364
/** Per id u32: what metadata was given to the host for it; and what makes it be given again. */
export const ID_METADATA = 368
export const METADATA_EPOCH = 372
/** What metadata was given to the host for which metric: METADATA_SEEN_SLOTS × u64. */
export const METADATA_SEEN = 376
/** Earliest time accepted, f64 ms. */
export const TIME_MIN = 384
/** What `countItems` found: samples and histograms; exemplars and metadata records. */
export const ITEM_SAMPLES = 392
export const ITEM_OTHERS = 396
/** Members of the ring that the tenant's series go to, a bit for each: u32[RING_MEMBER_WORDS]. */
export const RING_MEMBERS = 400
export const RING_MEMBER_WORDS = 4
/** Starts among the columns of the chunk (wire/frames/write.ts); what `scatter` refuses is taken off. */
export const STARTS = 424
/** What `snappyDecompressBoth` returned: i32[2]. */
export const UNPACKED = 444
/**
 * Rows of the chunk that are not plain: pointer, count. A plain one is of a series that was foretold and
 * that its shard knows, with one sample of a time accepted; their routes, or'ed.
 */
export const OTHERS = 452
export const OTHER_COUNT = 456
export const PLAIN_ROUTES = 460
/** The ring of shards: tokens u32, owners u16, how many (0: all belongs to shard 0). */
export const RING_TOKENS = 480
export const RING_OWNERS = 484
export const RING_COUNT = 488
/** Where a canonical label set stands before its shard is known. */
export const STAGE = 492
/** The state of the OTLP walk (otlp-layout.ts). */
export const OTLP = 496
export const CONTEXT_BYTES = 512

// A tenant's record.
/** Hash table: pointer, slots − 1, used. A slot is tag u32 | id u32, 0 when empty. */
export const TENANT_TABLE = 0
export const TENANT_MASK = 4
export const TENANT_COUNT = 8
/** The table before the last doubling, while it is being moved; slots moved so far. */
export const TENANT_OLD_TABLE = 12
export const TENANT_OLD_MASK = 16
export const TENANT_MOVED = 20
/** The series before, and how many were not as predicted since the last that was. */
export const TENANT_PREVIOUS = 24
export const TENANT_MISSES = 28
/** Ids to give out. */
export const TENANT_ID_NEXT = 32
export const TENANT_ID_END = 36
/** Its stamp (otlp-known.ts); 0: none yet. */
export const TENANT_STAMP = 52
export const TENANT_BYTES = 64

// A shard's record: open columns, how many samples they have, bitmap of ids defined on the link;
// open define records: where, their bytes, how many.
export const SHARD_IDS = 0
export const SHARD_TIMES = 4
export const SHARD_VALUES = 8
export const SHARD_COUNT = 12
export const SHARD_DEFINED = 16
export const SHARD_DEFINES = 20
export const SHARD_DEFINE_SIZE = 24
export const SHARD_DEFINE_COUNT = 28
export const SHARD_BYTES = 32

// A row: label bytes, first sample, samples.
export const ROW_LABELS = 0
export const ROW_LENGTH = 4
export const ROW_FIRST = 8
export const ROW_SAMPLES = 12
export const ROW_BYTES = 16

/** In ROW_LENGTH: the labels are references to symbols, the other bits their number. */
export const REFS_FLAG = 0x40000000
/** In ROW_LENGTH: labels that are hashed before they are looked up (REFS_FLAG, OTLP_FLAG). */
export const HASHED_FLAGS = 0x60000000

// An extra: index in the columns of a sample of its series (or of its mark), the series' fields.
export const EXTRA_COLUMN = 0
export const EXTRA_AT = 4
export const EXTRA_END = 8
/** What the fields are: otlp-layout.ts. */
export const EXTRA_KIND = 12
export const EXTRA_BYTES = 16
/** A chunk takes no further series when those with extras are as large as this. */
export const EXTRA_SIZE_MAX = 1 << 20

// A metadata record: its message; in 2.0 the series' labels.
export const METADATA_AT = 0
export const METADATA_LENGTH = 4
export const METADATA_LABELS = 8
export const METADATA_LABELS_LENGTH = 12
export const METADATA_BYTES = 16

/** A power of two. Metrics that fall to one slot are given to the host again now and then. */
export const METADATA_SEEN_SLOTS = 131_072

// A symbol: hash u64 × 2, pointer, length.
export const SYMBOL_HASH = 0
export const SYMBOL_AT = 16
export const SYMBOL_LENGTH = 20
export const SYMBOL_BYTES = 32

// What labels add to the hash of their series, kept by the number of the value's symbol for two names:
// hash u64 × 2 each, the symbol of the name each, bytes that the label takes in a label set each.
export const PAIR_HASH = 0
export const PAIR_NAME = 32
export const PAIR_LENGTH = 40
export const PAIR_BYTES = 64

// In the key at REFS_KEY: the first words are those of OTLP; those of symbols' lengths; the
// key of ChaCha20 that gives names their keys.
export const KEY_LENGTHS = 64
export const KEY_NAMES = 96
export const REFS_KEY_BYTES = 128

// The key of a label name, in the slot that its hash falls to: the hash u64 × 2, what every label of
// the name adds u64 × 2, the NH keys of both halves u32 × 4 each.
export const NAME_KEY_HASH = 0
export const NAME_KEY_SUM = 16
export const NAME_KEY_LOW = 32
export const NAME_KEY_HIGH = 48
export const NAME_KEY_BYTES = 64
/** A power of two. Names that fall to one slot take turns, and are given the same keys again. */
export const NAME_KEY_SLOTS = 1_024
// Where references are decoded: for each eight bits, set where a reference goes on after a byte, how
// those eight bytes are spread over eight words (i8x16.swizzle); then the words, u16 each.
export const REFS_DECODED = 4096
export const REFS_WORK_BYTES = 4096 + 256
/** References of one series that are looked at; a series with more is over any limit. */
export const REFS_MAX = 8192

// A pending series: hash u64 × 2, tag, row, id, zero.
export const PENDING_HASH = 0
export const PENDING_HASH2 = 8
export const PENDING_TAG = 16
export const PENDING_ROW = 20
export const PENDING_ID = 24
export const PENDING_BYTES = 32
/** Series looked up at once: their cache misses overlap. */
export const PENDING_MAX = 256

/** A define record: id, labels, bytes, zero; then the label set, padded to 8 (wire/frames). */
export const DEFINE_BYTES = 16
/** Room in a define record beside the label bytes: header, padding, at most. */
export const DEFINE_OVERHEAD = 32
/** Labels of one set that are looked at; a set with more is over any limit. */
export const LABELS_MAX = 4096
/** A hash takes its text in blocks of 64 bytes, and six vectors of the key beside those of the text. */
export const KEY_SLACK_BYTES = 160
/** Bytes that kernels may touch past the end of a buffer. */
export const SLACK_BYTES = 64

/** A route below this is a shard. */
export const ROUTE_REJECTED = 0x80
/** A series that the host has not looked at. */
export const ROUTE_NEW = 0xff

/** What `walk` returns. */
export const WALK_DONE = 0
/** The chunk is full: call again after it was scattered. */
export const WALK_MORE = 1
/** Ids, table or key bytes are used up: give more and call again. */
export const WALK_ROOM = 2
export const WALK_MALFORMED = -1

/** Reasons, as indexes of wire/frames DISCARD_REASONS; those that the kernel counts are below. */
export const REASONS_MAX = 32
export const REASON_MISSING_NAME = 6
export const REASON_NAME_INVALID = 7
export const REASON_LABEL_COUNT = 8
export const REASON_LABEL_INVALID = 9
export const REASON_LABEL_NAME_LONG = 10
export const REASON_VALUE_INVALID = 11
export const REASON_VALUE_LONG = 12
export const REASON_DUPLICATE_LABEL = 13
export const REASON_FUTURE = 14
export const REASON_INFO_LABEL_COUNT = 17
/** Dropped by the tenant's own relabel rules: counted, and no word to the sender. */
export const REASON_RELABEL = 29
export const REASON_PAST = 30
