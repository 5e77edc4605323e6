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
