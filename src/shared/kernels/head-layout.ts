/**
 * Where things lie in a head's memory: one shared WebAssembly memory per ingester shard. Read by
 * the kernel (assembly/head*.ts) and by its TypeScript face, so there is only one list of offsets.
 * Plain numbers only: the file is compiled by tsc and by asc.
 *
 *   0       never handed out
 *   1024    header words (H_…), key of the hashes, free lists of chunk slots
 *   64 KiB  directories: series slabs, pair slabs, name slabs
 *   128 KiB on: regions in order of allocation. Fixed ones first (tenant rows, columns of a turn,
 *           define and log buffers, reader slots), then slabs, rows, postings and chunks as needed
 *   last 2 MiB: never handed out, so that decoders may read past a chunk's end
 *
 * Series slab, 4096 series, struct of arrays:
 *   sequence u32 per tile | published count u8 | 16 rows of times u32, ms since the lane's base
 *   | 16 rows of values u64 | records 4096 × 64 B | last time i64 | last value u64 | first time i64
 *   | lane base i64 | log ref u32 | fill u8 | limit u8 | out-of-order row u32 | histogram row u32
 * Tile: eight neighbouring series ("lanes"), which share a sequence number. Row k has the k-th sample of
 *   each lane's raw tail: what neighbours get at one time lies side by side.
 * Record of a series (changes only while the tile's sequence is odd):
 *   0 last encoded time i64 | 8 its value u64 | 16 time delta i64 | 24 first time of the open
 *   chunk i64 | 32 time at which it must be cut i64 | 40 open chunk u32 | 44 end of its slot u32
 *   | 48 bytes written u16 | 50 bits in the last byte u8 | 51 slot class u8 | 52 samples u16
 *   | 54 leading u8 | 55 trailing u8 | 56 newest closed chunk u32 | 60 label row u32
 * Closed chunk: 0 previous chunk u32 | 4 length u16 | 6 samples u16 | 8 mint i64 | 16 maxt i64 | 24 data
 * Spilled chunk: its header, C_SPILLED (HC_SPILLED) in the samples | chunk file u32 | offset in it
 *   u32. The file has the data (docs/formats/chunk-file.md).
 * Chunk file row, 8 B: 0 number in its name u32 | 4 chunks of it in lists u32
 * Out-of-order row (changes only while the tile's sequence is odd; 0 for a series without):
 *   0 newest closed chunk u32 | 4 buffer u32 | 8 samples in it u16 | 10 slot class of the buffer u8
 *   | 12 newest chunk that goes into a block u32 | 16 least time i64 | 24 greatest time i64, of buffer and chunks
 *   Buffer: time i64, value u64 by time; closed chunks are as those in order, but may overlap.
 * Histogram row (likewise): 0 open chunk u32 | 4 slot class u8 | 8 its bytes u32 | 12 encoding u32
 *   | 16 samples u32 | 20 newest closed chunk u32 | 24 its first time i64 | 32 newest time i64
 * Closed histogram chunk: 0 previous chunk u32 | 4 length u32 | 8 samples u32 | 12 encoding u32
 *   | 16 mint i64 | 24 maxt i64 | 32 data
 * Pair row, 32 B: 0 bytes u32 | 4 length u16 | 6 name length u16 | 8 name id u32 | 12 next pair of
 *   the name u32 | 16 postings count u32 | 20 the only ref, or first block u32 | 24 last block u32
 *   | 28 write position in it u32
 * Name row, 32 B: 0 bytes u32 | 4 length u32 | 8 tenant u32 | 12 next name of the tenant u32
 *   | 16 newest pair u32 | 20 pairs u32
 * Tenant row, 32 B: 0 bytes u32 | 4 length u32 | 8 pair of all series u32 | 12 newest name u32
 *   | 16 series u32 | of one that was taken out, without length: 20 its length u32 | 24 next free row, + 1, u32
 * Label row: count u32, pair ids u32[count]. Ids of pairs and names start at 1: 0 is none.
 * Postings block: next block u32, refs; of POSTINGS_FIRST words at first, doubling to POSTINGS_MAX.
 *   The count's top bit (POSTINGS_UNSORTED) says that a reused ref stands after a greater one.
 *
 * Closed chunks lie in extents of 1 MiB, spilled ones in extents of their own, filled one after the other: what was closed together is
 * dropped together. Extent row, 16 B: 0 chunks that are in use u32 | 4 next extent of its list u32
 *   | 8 epoch in which the last chunk was dropped u32. All else that comes and goes is kept in free
 *   lists by size. A dropped chunk, slot or row is used again when no reader has a lease (H_LEASES)
 *   of the epoch in which it was dropped, or of an older one.
 */
export const HEAD_VERSION = 1
export const TAIL_SLACK = 2097152

// Header words: u32 unless a width is given.
export const H_VERSION = 1024
/** u64: next free byte. */
export const H_BUMP = 1032
/** u64: first byte that is never handed out. */
export const H_LIMIT = 1040
export const H_SPARE_AT = 1048
export const H_SPARE_END = 1052
export const H_SERIES_COUNT = 1056
export const H_PAIR_COUNT = 1060
export const H_NAME_COUNT = 1064
export const H_TENANT_COUNT = 1068
/** Tables: rows of their segments, which the uppermost bits of a tag tell apart. */
export const H_SERIES_TABLE = 1072
export const H_PAIR_TABLE = 1084
export const H_NAME_TABLE = 1096
export const H_TENANTS = 1108
export const TABLE_SEGMENT_BITS = 8
/** A segment's row: entries u32, their number less one u32, how many are there u32. */
export const TABLE_SEGMENT_BYTES = 12
/** Columns of a turn: refs u32, times f64, values u64, each [H_COLUMN_CAP]. */
export const H_REFS = 1112
export const H_TIMES = 1116
export const H_VALUES = 1120
export const H_COLUMN_CAP = 1124
/** Define sections and tenant names are copied here. */
export const H_DEFINES = 1128
export const H_DEFINE_BYTES = 1132
/** Log assembly buffer; also where replay reads segments to. */
export const H_LOG = 1136
export const H_LOG_BYTES = 1140
export const H_LOG_AT = 1144
/** Refs whose series record was written in this turn. */
export const H_NEW = 1148
export const H_NEW_COUNT = 1152
export const H_NEXT_LOG_REF = 1156
export const H_READERS = 1160
export const H_READER_SLOTS = 1164
/** Scratch of the writer: decoded open chunk, pair ids of the series being defined. */
export const H_SCRATCH = 1168
/** Of the last check: counts per outcome, index and outcome of the first rejection + 1. */
export const H_DUPLICATES = 1172
export const H_OUT_OF_ORDER = 1176
export const H_TOO_OLD = 1180
export const H_REPEATED = 1184
export const H_FIRST_CODE = 1188
export const H_FIRST_REF = 1192
/** f64: time of the first rejected sample; least and greatest time accepted. */
export const H_FIRST_TIME = 1200
export const H_MINT = 1208
export const H_MAXT = 1216
/** u32, atomic: batches published. */
export const H_PUBLISHED = 1280
export const H_FREE_SLOTS = 1344
/** Columns of a turn for samples out of order, as those above; how many `check` has put there. */
/** u32 per slot class of histograms: free slots. */
export const H_HISTOGRAM_SLOTS = 1536
export const H_OOO_REFS = 1408
export const H_OOO_TIMES = 1412
export const H_OOO_VALUES = 1416
export const H_OOO_COUNT = 1420
/** u32, atomic: odd while tenants, pairs, series or postings change. */
export const H_INDEX_SEQUENCE = 1984
/** u32, atomic: SERVING_YES once the log is replayed: readers may select for themselves, while its owner lives. */
export const H_SERVING = 1988
export const SERVING_YES = 1
/** Its owner is gone, and with it the chunk files. */
export const SERVING_NO_MORE = 2
/** u32, atomic: raised whenever something was unlinked that readers may still follow. */
export const H_EPOCH = 1992
/** u32, atomic: raised when refs and pair ids were given back, before they are used again. */
export const H_REUSES = 1996
/** u32 per reader slot, atomic: the epoch from which on it reads; 0: it does not. */
export const H_LEASES = 1664
export const LEASES_MAX = 64
/** The extent being filled: next free byte, end. Lists of extents, as index + 1: free, dropped. */
export const H_EXTENT_AT = 1432
export const H_EXTENT_END = 1436
export const H_EXTENTS_FREE = 1440
export const H_EXTENTS_FREE_COUNT = 1444
export const H_EXTENTS_DROPPED = 1448
export const H_EXTENT_ROWS = 1452
/** u64: bytes in the free lists, whose heads stand at H_SMALL_LISTS. */
export const H_SMALL_FREE = 1456
export const H_SMALL_LISTS = 1464
/** Tables that were outgrown: each starts with the next one u32 and its bytes u32. */
export const H_OUTGROWN = 1512
/** Pair ids of the series that was defined last, LABELS_MAX u32. */
export const H_LAST_PAIRS = 1516
/** Rows of the chunk files. The extent being filled with spilled chunks: next free byte, end. */
export const H_CHUNK_FILES = 1480
export const H_SPILLED_AT = 1484
export const H_SPILLED_END = 1488
/** Path of the folder of the chunk files: length u32, text. */
export const H_CHUNK_FOLDER = 1492
export const CHUNK_FOLDER_BYTES = 4096
/** Extents that have chunks, or are kept until nobody reads what they had. */
export const H_EXTENTS_USED = 1496
/** Free refs and pair ids, as list heads + 1, linked through their rows; how many refs are free. */
export const H_FREE_REFS = 1468
export const H_FREE_REF_COUNT = 1472
export const H_FREE_PAIRS = 1476
/** Free name ids, as the others. */
export const H_FREE_NAMES = 1500
/** Free tenant rows, as list head + 1. */
export const H_FREE_TENANTS = 1504
/** u32, atomic: raised when an index comes to stand for another tenant. */
export const H_TENANT_REUSES = 1508
/** u32: not 0 while no new series are to be made. */
export const H_NO_NEW_SERIES = 1424
export const H_KEY = 2048
export const KEY_BYTES = 1088

export const SERIES_DIRECTORY = 65536
export const SERIES_SLABS_MAX = 2048
export const PAIR_DIRECTORY = 73728
export const PAIR_SLABS_MAX = 8192
export const NAME_DIRECTORY = 106496
export const NAME_SLABS_MAX = 1024
export const FIRST_REGION = 131072

export const TENANTS_MAX = 65536
export const TENANT_ROW_BYTES = 32
export const NAME_SLAB_SHIFT = 8
export const NAME_ROW_BYTES = 32
export const PAIR_SLAB_SHIFT = 11
export const PAIR_ROW_BYTES = 32

export const LANE_SAMPLES = 16
export const SERIES_SLAB_SHIFT = 12
export const SERIES_SLAB_MASK = 4095
/** Sequence numbers of the tiles come first, at 0. */
export const COUNTS = 2048
export const TAIL_TIMES = 6144
export const TAIL_VALUES = 269312
/** A row, and a cache line more: a lane's samples, a row apart, would all want the same few places of a cache. */
export const TAIL_TIMES_ROW = 16448
export const TAIL_VALUES_ROW = 32832
export const RECORDS = 819200
export const RECORD_BYTES = 64
export const LAST_TIMES = 1081344
export const LAST_VALUES = 1114112
export const FIRST_TIMES = 1146880
export const LANE_BASES = 1179648
export const LOG_REFS = 1212416
export const FILLS = 1228800
/** Samples at which a lane is encoded: spread over the lanes at first, then LANE_SAMPLES. */
export const LIMITS = 1232896
export const OOO_ROWS = 1236992
export const HISTOGRAM_ROWS = 1253376
export const SERIES_SLAB_BYTES = 1269760

export const HISTOGRAM_ROW_BYTES = 48
export const HR_OPEN = 0
export const HR_CLASS = 4
export const HR_BYTES = 8
export const HR_ENCODING = 12
export const HR_COUNT = 16
export const HR_CLOSED = 20
export const HR_MINT = 24
export const HR_MAXT = 32
/** Chunks of histograms that came out of order, the one that came last first; one sample each. */
export const HR_LATE = 40
/** The newest of those that goes into a block. */
export const HR_FROZEN = 44
/** Slots of open chunks have 2^class bytes. */
export const HISTOGRAM_CLASS_MIN = 8
export const HISTOGRAM_CLASS_MAX = 19

export const HC_PREVIOUS = 0
export const HC_LENGTH = 4
export const HC_COUNT = 8
export const HC_ENCODING = 12
export const HC_MINT = 16
export const HC_MAXT = 24
export const HISTOGRAM_CHUNK_HEADER_BYTES = 32
/** In HC_COUNT: the data are in a chunk file. */
export const HC_SPILLED = 0x40000000

export const R_TIME = 0
export const R_VALUE = 8
export const R_DELTA = 16
export const R_MINT = 24
export const R_CUT_AT = 32
export const R_OPEN = 40
export const R_SLOT_END = 44
export const R_BYTES = 48
export const R_BITS = 50
export const R_CLASS = 51
export const R_COUNT = 52
export const R_LEADING = 54
export const R_TRAILING = 55
export const R_CLOSED = 56
export const R_LABELS = 60

export const EXTENT_SHIFT = 20
export const EXTENT_BYTES = 1048576
export const EXTENT_ROW_BYTES = 16
/** Classes of small pieces: by 8 bytes up to 512, then eight steps per doubling. */
export const SMALL_CLASSES = 160

export const C_PREVIOUS = 0
export const C_LENGTH = 4
export const C_COUNT = 6
export const C_MINT = 8
export const C_MAXT = 16
export const CHUNK_HEADER_BYTES = 24
/** In C_COUNT: the data are in a chunk file. */
export const C_SPILLED = 0x8000
/** After the header of a spilled chunk, of either kind: where its data are. */
export const S_FILE = 0
export const S_OFFSET = 4
export const SPILLED_PLACE_BYTES = 8
export const CHUNK_FILES_MAX = 256
export const CHUNK_FILE_ROW_BYTES = 8
/** A chunk in a chunk file: crc u32 of what follows, length u32, samples u32, data. */
export const FILED_HEADER_BYTES = 12
export const FILED_LENGTH = 4
export const FILED_COUNT = 8

export const O_CLOSED = 0
export const O_BUFFER = 4
export const O_COUNT = 8
export const O_CLASS = 10
export const O_FROZEN = 12
export const O_MINT = 16
export const O_MAXT = 24
export const OOO_ROW_BYTES = 32
/** Samples of an out-of-order buffer, most: then it becomes a chunk. */
export const OOO_SAMPLES_MAX = 32

export const POSTINGS_UNSORTED = 0x80000000
export const POSTINGS_FIRST = 3
export const POSTINGS_MAX = 1023
export const LABELS_MAX = 2048

/** Prometheus' limits of a float chunk: samples, bytes, and the range it may not cross (ms). */
export const CHUNK_SAMPLES_MAX = 240
/** So many samples in, a quarter of what a chunk is to have, it is known where it had best end. */
export const CHUNK_SAMPLES_QUARTER = 30
export const CHUNK_BYTES_FULL = 1005
export const CHUNK_RANGE_MS = 7200000
/** Largest slot of an open chunk. */
export const SLOT_BYTES_MAX = 1088

/** A reader slot: state, copy of the tail and of the open chunk, then columns f64, u64. */
export const READER_CLOSED = 0
export const READER_STAGE = 4
export const READER_TAIL = 8
export const READER_OPEN_BYTES = 12
export const READER_OPEN_COUNT = 16
export const READER_MORE = 20
export const READER_MINT = 24
export const READER_MAXT = 32
/** Out of order: next closed chunk, samples of the copied buffer, most samples in all. */
export const READER_OOO_CLOSED = 40
export const READER_OOO_COUNT = 44
export const READER_OOO_TOTAL = 48
/** u32: chunks that the last read looks at, and their bytes. */
export const READER_CHUNKS = 52
export const READER_CHUNK_BYTES = 56
/** The spilled chunk whose data are to stand at READER_OPEN before the next block; 0: none. */
export const READER_SPILLED = 60
export const READER_TAIL_TIMES = 64
export const READER_TAIL_VALUES = 192
export const READER_OPEN = 320
export const READER_OOO = 1408
/**
 * The spilled chunk that this reader found damaged last (tsdb/spill/damage-notes.ts): sequence u32,
 * odd while it is written, tenant u32, number of the file u32, offset, bytes, samples u32, mint and
 * maxt f64.
 */
export const READER_DAMAGE = 1920
export const READER_COLUMNS = 2048
export const READER_SAMPLES = 32768
export const READER_BYTES = 526336

/** What `readOutOfOrder` answers when READER_SPILLED is to be brought first. */
export const READ_SPILLED = -2

/** What `define` answers instead of a ref. */
export const DEFINE_MALFORMED = -1
export const DEFINE_FULL = -2

/** Outcome of a check, as in H_FIRST_CODE. */
export const CHECK_OUT_OF_ORDER = 1
export const CHECK_DUPLICATE = 2
export const CHECK_TOO_OLD = 3

/** Log batch header and record headers; see docs/formats/wal.md. */
/** Header of a define in a WRITE frame (wire/frames/write.ts): id, label count, length, zero. */
export const DEFINE_HEADER_BYTES = 16

export const BATCH_HEADER_BYTES = 32
export const RECORD_HEADER_BYTES = 8
export const RECORD_SERIES = 1
export const RECORD_SAMPLES = 2
export const RECORD_METADATA = 3
export const RECORD_HISTOGRAMS = 4
export const RECORD_EXEMPLARS = 5
/** As RECORD_SAMPLES, of samples that went to the out-of-order buffers. */
export const RECORD_OUT_OF_ORDER = 8

/** Records of a snapshot; see docs/formats/snapshot.md. Kinds below 16 are the log's. */
export const RECORD_TENANTS = 16
export const RECORD_PAIRS = 17
export const RECORD_STATES = 18
export const RECORD_SNAPSHOT_END = 19
export const RECORD_HISTOGRAM_CHUNKS = 20
/** A saved pair: id u32, tenant u32, length u16, name length u16, bytes. */
export const SAVED_PAIR_HEADER_BYTES = 12
/**
 * A saved series: these fields, pair ids, tail (time u32, value u64 each), open chunk, closed ones;
 * then what came out of order, if anything did: SAVED_OOO… fields, buffer, closed chunks.
 */
export const SAVED_BYTES = 0
export const SAVED_NUMBER = 4
export const SAVED_TENANT = 8
export const SAVED_PAIR_COUNT = 12
export const SAVED_FILL = 14
export const SAVED_LIMIT = 15
/** Added to the limit of a series with samples out of order. */
export const SAVED_HAS_OOO = 128
export const SAVED_OPEN_BYTES = 16
export const SAVED_CLOSED = 20
export const SAVED_FIRST_TIME = 24
export const SAVED_LAST_TIME = 32
export const SAVED_LAST_VALUE = 40
export const SAVED_BASE = 48
/** Bytes 0..40 and 48..56 of the series' record. */
export const SAVED_RECORD = 56
export const SAVED_RECORD_END = 96
export const SAVED_HEADER_BYTES = 104
export const SAVED_OOO_CLOSED = 0
export const SAVED_OOO_COUNT = 4
export const SAVED_OOO_CLASS = 6
export const SAVED_OOO_MINT = 8
export const SAVED_OOO_MAXT = 16
export const SAVED_OOO_HEADER_BYTES = 24
