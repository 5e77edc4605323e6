/**
 * Where the OTLP walk of the write-request kernel and its TypeScript face find each other's
 * numbers: one state record, and tables of metrics, of what they belong to (resources and scopes),
 * and of the data points of the chunk at hand. Plain constants, for AssemblyScript and TypeScript.
 *
 * Words are u32 unless noted; "pointer" is an address in the kernel's memory.
 */

// The state: one per kernel instance, at the context's OTLP.
/** Metrics of the body, METRIC_BYTES each: pointer, capacity, count. */
export const OTLP_METRICS = 0
export const OTLP_METRIC_CAP = 4
export const OTLP_METRIC_COUNT = 8
/** Resources and scopes, PART_BYTES each: pointer, capacity, count. */
export const OTLP_PARTS = 12
export const OTLP_PART_CAP = 16
export const OTLP_PART_COUNT = 20
/** Data points of the chunk, POINT_BYTES each: pointer, capacity, count. */
export const OTLP_POINTS = 24
export const OTLP_POINT_CAP = 28
export const OTLP_POINT_COUNT = 32
/** Where the walk stands: phase, metric (or part), field of its data, series of that point. */
export const OTLP_PHASE = 36
export const OTLP_METRIC_AT = 40
export const OTLP_FIELD_AT = 44
export const OTLP_SUB_AT = 48
/** What the tenant wants: OPTION flags. */
export const OTLP_OPTIONS = 52
/** Whether some metric is of MODE_DELTA; how many are of MODE_REFUSED. */
export const OTLP_HAS_DELTA = 56
export const OTLP_REFUSED = 60
/** The chunk at hand holds increments, not totals. */
export const OTLP_IS_DELTA = 72
/** Templates (otlp-known.ts): room for them, and what of it is taken; KNOWN_SLOTS pointers to them. */
export const OTLP_ARENA = 76
export const OTLP_ARENA_END = 80
export const OTLP_ARENA_AT = 84
export const OTLP_TABLE = 88
/** When templates were last made (METADATA_EPOCH), whether all were dropped since, bytes that may be learnt. */
export const OTLP_EPOCH = 92
export const OTLP_WIPED = 96
export const OTLP_BUDGET = 100
/** The last stamp of a tenant. */
export const OTLP_STAMP = 104
/** The body's samples do not lie in one chunk; where in it those of its metrics end. */
export const OTLP_IS_CUT = 108
export const OTLP_PLAIN_END = 112
/** Samples of the body that templates have given. */
export const OTLP_KNOWN_SAMPLES = 116
/** Where hashes are put side by side to be hashed. */
export const OTLP_STAGE = 128
export const OTLP_STATE_BYTES = 256

/** Explicit histograms become native ones with custom buckets. */
export const OPTION_NHCB = 1
/** Increments are stored as they are. */
export const OPTION_DELTA_RAW = 2
/** Increments are added up. */
export const OPTION_DELTA_SUM = 4
/** A zero is stored where counting began. */
export const OPTION_STARTS = 8
/** What was read before is known by its template. */
export const OPTION_KNOWS = 16

// A metric: its resource and scope (parts), kind, mode; name, unit, description; the message with
// its data points; the first half of every hash of its series, u64 × 2; what its metadata is known by, u64.
export const METRIC_RESOURCE = 0
export const METRIC_SCOPE = 4
export const METRIC_KIND = 8
export const METRIC_MODE = 12
export const METRIC_NAME_AT = 16
export const METRIC_NAME_LENGTH = 20
export const METRIC_UNIT_AT = 24
export const METRIC_UNIT_LENGTH = 28
export const METRIC_HELP_AT = 32
export const METRIC_HELP_LENGTH = 36
export const METRIC_DATA_AT = 40
export const METRIC_DATA_END = 44
export const METRIC_HASH = 48
export const METRIC_MARK = 64
/** Whether its metadata was looked at in this body. */
export const METRIC_NOTED = 72
/** Whether its points count from their start times on. */
export const METRIC_COUNTS = 76
export const METRIC_BYTES = 80
/**
 * Of KIND_HEAD and KIND_KNOWN, whose data are all of the ResourceMetrics: first sample in the columns,
 * template, and one more than the place in the columns that its samples stand at already (0: none).
 */
export const METRIC_FIRST = 16
export const METRIC_TEMPLATE = 20
export const METRIC_READ = 24

// A resource or a scope: hash u64 × 2, its message, the schema URL beside it; for a resource the
// times of its points (f64 ms), whether it has a target_info, whether it is a resource.
export const PART_HASH = 0
export const PART_AT = 16
export const PART_LENGTH = 20
export const PART_URL_AT = 24
export const PART_URL_LENGTH = 28
export const PART_TIME_MIN = 32
export const PART_TIME_MAX = 40
export const PART_HAS_INFO = 48
export const PART_IS_RESOURCE = 52
export const PART_BYTES = 64

// A data point: its metric (0: the resource's target_info), attributes, and bounds or quantile.
export const POINT_METRIC = 0
export const POINT_ATTRS_AT = 4
export const POINT_ATTRS_LENGTH = 8
export const POINT_BOUNDS_AT = 12
export const POINT_BOUNDS_COUNT = 16
/** The resource. */
export const POINT_RESOURCE = 20
export const POINT_BYTES = 24

// Kinds of metrics.
export const KIND_NONE = 0
export const KIND_GAUGE = 1
export const KIND_COUNTER = 2
/** A sum that may fall. */
export const KIND_SUM = 3
export const KIND_HISTOGRAM = 4
export const KIND_EXPONENTIAL = 5
export const KIND_SUMMARY = 6
/** No metric: where a ResourceMetrics begins, or the whole of a known one. */
export const KIND_HEAD = 7
export const KIND_KNOWN = 8

// A template: what it is found by u64, the tenant's stamp, OTLP_OPTIONS, bytes and samples of its
// ResourceMetrics, METADATA_EPOCH; addresses of its runs (fixed bytes, bytes that may change, what those
// are, its id or record, u32 each) and of the fixed bytes, which follow; hash of the resource u64 × 2,
// where its message and schema URL lie, whether it has a target_info.
export const KNOWN_KEY = 0
export const KNOWN_STAMP = 8
export const KNOWN_OPTIONS = 12
export const KNOWN_LENGTH = 16
export const KNOWN_SAMPLES = 20
export const KNOWN_EPOCH = 24
export const KNOWN_RUNS = 28
export const KNOWN_STATIC = 32
export const KNOWN_HASH = 48
export const KNOWN_OWN_AT = 64
export const KNOWN_OWN_LENGTH = 68
export const KNOWN_URL_AT = 72
export const KNOWN_URL_LENGTH = 76
export const KNOWN_HAS_INFO = 80
export const KNOWN_BYTES = 96
/** A power of two. */
export const KNOWN_SLOTS = 65_536
/** How often the room for templates may be read to make some, until metadata are told again. */
export const EPOCH_BUDGET = 2

// What is done with a metric's points.
export const MODE_PLAIN = 0
/** Increments, to be added up. */
export const MODE_DELTA = 1
/** Neither cumulative nor, with the tenant's leave, delta. */
export const MODE_REFUSED = 2

/** Series of one histogram or summary point; a bucket or quantile i is SUB_FIRST + i. */
export const SUB_SUM = 0
export const SUB_COUNT = 1
export const SUB_FIRST = 2

/** In ROW_LENGTH: the labels are those of a data point (ROW_LABELS), the other bits which series. */
export const OTLP_FLAG = 0x20000000

// In EXTRA_KIND: what the fields of an extra are.
export const EXTRA_SERIES = 0
export const EXTRA_EXEMPLAR = 1
export const EXTRA_EXPONENTIAL = 2
export const EXTRA_CUSTOM = 3
/** Added to the last two: its start time counts. */
export const EXTRA_COUNTS = 8

/** target_info is repeated so often over the time of its resource's points, ms; so often at most. */
export const INFO_INTERVAL_MS = 150_000
export const INFO_SAMPLES_MAX = 1_024

/** From `otlpIndex`: more metrics or resources than there is room for, or one of absurd size. */
export const WALK_TOO_MUCH = -2
