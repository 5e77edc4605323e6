/**
 * What others may ask of a querier thread, and what it is given at start. A query is one task:
 * text and options in, the bytes of the HTTP answer out. The query-frontend is the only caller.
 *
 * Errors cross as AppError (id and details): `query-parse`, `query-execution`, `query-unsupported`,
 * `query-memory`, `query-canceled`, `query-timeout`, `bad-data`, and the retryable ones of a shard
 * that is down.
 */
import type { connect } from '../../shared/actor/index.js'
import type { LimitsData } from '../../shared/limits/index.js'

/** Queriers claim memory for queries by their seat, for caches from here on. */
export const CACHE_CLAIMANTS = 32

/** The part of the configuration that queriers run by. */
export interface QuerierConfig {
  /** `querier.lookback_delta`, ms. */
  readonly lookbackMs: number
  /** `querier.default_evaluation_interval`, ms: the step of subqueries without one. */
  readonly evaluationIntervalMs: number
  /** `querier.max_samples`: samples one query may hold at a time. */
  readonly samplesMax: number
  /** `tenant_federation.max_concurrent`: tenants of one query that are read at a time. */
  readonly federationConcurrency: number
  /** `querier.shuffle_sharding_ingesters_enabled`: ask only shards that may have the tenant. */
  readonly isShuffleSharding: boolean
  /** `ingester.active_series_metrics_idle_timeout`, ms: a series without a newer sample is idle. */
  readonly activeIdleMs: number
  /** Bytes of decoded columns that a thread keeps from query to query; 0: none. */
  readonly cacheBytes: number
  /** A thread runs made-up queries when it has started. */
  readonly isWarmedUp: boolean
}

/** What a querier thread boots with; all of the pool alike. */
export interface QuerierBoot {
  readonly config: QuerierConfig
  /** Limits of all tenants. */
  readonly limits: LimitsData
  /** Those of made-up queries; without it the same. */
  readonly practiceLimits?: LimitsData
  /** Shards of all zones. */
  readonly shardCount: number
  /** Each zone has all series; 1 when not given. */
  readonly zones?: number
  /** What threads share about tenants (createTenantCells); without it all shards are asked. */
  readonly tenantCells?: SharedArrayBuffer
  /** Claims of all threads (createBudget); without it there is no limit but the query's own. */
  readonly budget?: SharedArrayBuffer
  /** When limited queries ran last (createFrequencyCells); without it this thread is alone. */
  readonly queryRuns?: SharedArrayBuffer
  /** Without it there are no blocks. */
  readonly blocks?: {
    /** The version cell of the block list. */
    readonly list: SharedArrayBuffer
    /** Shards of the store-gateway. */
    readonly shardCount: number
  }
  /** The compiled head kernel, by which shards' memories are read. */
  readonly kernel: WebAssembly.Module
}

/** What a thread is sent: a shard that has (re)started, and limits that are in force from now on. */
export type QuerierMessage = ShardMessage | { readonly limits: LimitsData }

/** A shard, when the thread takes its seat and whenever the shard has (re)started. */
export interface ShardMessage {
  readonly shard: number
  /** Answers the shard's calls. */
  readonly port: Parameters<typeof connect>[0]
  /** The memory of this life of the shard; its head is initialised. */
  readonly memory: WebAssembly.Memory
}

/** Where the frontend says that an answer is not wanted any more; see CANCEL_*. */
export interface CancelCell {
  /** Int32 cells, shared by all queries in flight. */
  readonly cells: SharedArrayBuffer
  readonly index: number
}

/** Values of a cancel cell: the answer is still wanted. */
export const CANCEL_NONE = 0
/** The client went away, or an operator cancelled the query. */
export const CANCEL_CLIENT = 1
/** The query is past its deadline. */
export const CANCEL_TIMEOUT = 2

/** What the label APIs ask: about series in a time range that match a selector. */
export interface SeriesQuery {
  /** Selector texts, one per `match[]`; they are alternatives, none means all series. */
  readonly matchers: readonly string[]
  readonly mint: number
  readonly maxt: number
  /** Rows at most; 0 = all. */
  readonly limit: number
}

/** Times are ms since the epoch, ranges inclusive. A limit of 0 means none. */
export type QuerierQuery =
  | {
      readonly kind: 'query'
      readonly text: string
      readonly atMs: number
      /** 0 = the configured one. */
      readonly lookbackMs: number
      readonly limit: number
      /** Whether statistics stand in the answer, with samples by step or without. */
      readonly stats?: 'sum' | 'steps'
    }
  | {
      readonly kind: 'query-range'
      readonly text: string
      readonly startMs: number
      readonly endMs: number
      readonly stepMs: number
      readonly lookbackMs: number
      readonly limit: number
      readonly stats?: 'sum' | 'steps'
    }
  | {
      /** The newest samples of the series of any selector, as text. */
      readonly kind: 'federate'
      readonly matchers: readonly string[]
      readonly atMs: number
    }
  | {
      /** A prometheus.ReadRequest in snappy, as it came. */
      readonly kind: 'remote-read'
      readonly body: Uint8Array
    }
  | {
      /** What the heads hold of the tenant, by names and pairs. */
      readonly kind: 'tsdb-status'
      /** Rows of each list at most. */
      readonly limit: number
    }
  | {
      /** How many values and series labels have in the heads, or which series (of histograms) are active. */
      readonly kind: 'cardinality'
      readonly of: 'label-names' | 'label-values' | 'active-series' | 'active-native-histograms'
      /** '' = all series. */
      readonly selector: string
      /** Of active series alone. */
      readonly isActive: boolean
      /** The answer is to be a framed snappy stream. */
      readonly isFramed: boolean
      /** The labels whose values are asked for. */
      readonly names: readonly string[]
      /** Rows of each list at most; undefined = as many as are usual. */
      readonly limit: number | undefined
    }
  | {
      /** The plan of a query; `isRun`: and what its nodes cost. */
      readonly kind: 'explain'
      readonly of: QueryOf<'query' | 'query-range'>
      readonly isRun: boolean
      readonly asText: boolean
    }
  | ({ readonly kind: 'series' } & SeriesQuery)
  | ({ readonly kind: 'label-names' } & SeriesQuery)
  | ({ readonly kind: 'label-values'; readonly name: string } & SeriesQuery)
  | {
      readonly kind: 'metadata'
      /** '' = all metrics. */
      readonly metric: string
      /** Metrics at most; negative = all. */
      readonly limit: number
      /** Entries of one metric at most; 0 or less = all. */
      readonly limitPerMetric: number
    }
  | { readonly kind: 'format-query'; readonly text: string }
  | { readonly kind: 'parse-query'; readonly text: string }
  | {
      readonly kind: 'exemplars'
      readonly text: string
      readonly mint: number
      readonly maxt: number
    }

/** The queries of one kind. */
export type QueryOf<Kind extends QuerierQuery['kind']> = Extract<QuerierQuery, { kind: Kind }>

/** One task of the pool. */
export interface QuerierTask {
  readonly tenant: string
  readonly query: QuerierQuery
  readonly cancel: CancelCell
  /** How long it has waited for this thread, ms. */
  readonly waitedMs?: number
  /** What alone is to be read (read-filter.ts); everything when left out. */
  readonly queryables?: readonly string[] | undefined
  /** Of a rehearsal: answered from what the thread has practised on (warm-up.ts). */
  readonly isRehearsed?: true | undefined
}

/** What the answer of an instant or range query cost. */
export interface AnswerStats {
  /** Chunks read and decoded, and their bytes; those of cached columns are not read. */
  readonly chunks: number
  readonly chunkBytes: number
  readonly cacheHits: number
  readonly cacheMisses: number
  readonly samplesPeak: number
  readonly bytesPeak: number
  readonly prepareMs: number
  readonly evalMs: number
  readonly encodeMs: number
  readonly responseSeries: number
  readonly responseSamples: number
}

/** The body of a successful answer (envelope included), in pieces of about 1 MiB to send in order. */
export interface QuerierAnswer {
  /** Each owns its ArrayBuffer, which is transferred. */
  readonly pieces: readonly Uint8Array[]
  /** Of a small answer that has crossed threads: a character for each byte, in place of the pieces. */
  readonly text?: string | undefined
  readonly samplesRead: number
  readonly seriesRead: number
  /** Milliseconds that the thread spent on the query. */
  readonly tookMs: number
  /** JSON when left out. */
  readonly contentType?: string | undefined
  /** What it is encoded with already. */
  readonly contentEncoding?: string | undefined
  readonly stats?: AnswerStats | undefined
}
