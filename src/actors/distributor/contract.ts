/**
 * What others may know of a distributor: what it boots with, its link ends, its control calls.
 * Bodies come through a ring buffer from main (client.ts), frames go to ingesters through one ring
 * buffer per shard, acks come back through another (shared/wire/frames).
 */
import type { LimitsData } from '../../shared/limits/index.js'
import type { RingReader, RingWriter } from '../../shared/ringbuf/index.js'
import type { WrittenCounts } from '../../shared/wire/frames/index.js'

/** Both directions of a link as this thread holds them. */
export interface LinkEnds {
  readonly writer: RingWriter
  readonly reader: RingReader
}

/** The distributor's slice of the configuration. Names are Mimir's; the units are in them. */
export interface DistributorConfig {
  /** `distributor.max_recv_msg_size`: largest body after decompression, in bytes. */
  readonly maxRecvMsgSize: number
  /** `distributor.max_otlp_request_size`: the same for OTLP. */
  readonly maxOtlpRequestSize: number
  /** `distributor.max_influx_request_size`: the same for Influx and text. */
  readonly maxInfluxRequestSize: number
  /** How long a body may wait for its acks (`distributor.remote_timeout`), in ms. */
  readonly remoteTimeoutMs: number
  /** `distributor.ha_tracker.enable_ha_tracker`. */
  readonly isHaTrackerOn: boolean
  /** Room for templates of OTLP bodies, in bytes, all tenants; what has none is walked. */
  readonly templateBytesMax: number
  /** Series ids at once, all tenants; beyond it the least recently used tenant starts anew. */
  readonly seriesIdsMax: number
}

/** Mimir's defaults but for the timeout (decision 0025), and ours where Mimir has no such key. */
export const DISTRIBUTOR_DEFAULTS: DistributorConfig = {
  maxRecvMsgSize: 100 << 20,
  maxOtlpRequestSize: 100 << 20,
  maxInfluxRequestSize: 100 << 20,
  remoteTimeoutMs: 10_000,
  isHaTrackerOn: false,
  templateBytesMax: 32 << 20,
  seriesIdsMax: 4 << 20,
}

/** What a distributor's thread is started with; plain data. */
export interface DistributorBootData {
  readonly index: number
  /** Ingester shards of all zones. */
  readonly shardCount: number
  /** Each series goes to one shard in each zone: a divisor of `shardCount`; 1 when not given. */
  readonly zones?: number
  readonly config: DistributorConfig
  /** Limits of all tenants. */
  readonly limits: LimitsData
  /** What threads share about tenants (createTenantCells); without it this one is alone. */
  readonly tenantCells?: SharedArrayBuffer
  /** Which replicas are believed (createHaCells). */
  readonly haCells?: SharedArrayBuffer
  /** The compiled kernel: `compileKernel('write-request')` of shared/kernels/load.ts. */
  readonly kernel: WebAssembly.Module
}

/** What a distributor is built from; worker.ts adds what reaches its surroundings. */
export interface DistributorBoot extends DistributorBootData {
  /** Asks the supervisor for a new generation of the link to a shard. */
  readonly onRelink: (shard: number) => void
  /** Makes the loop take a turn soon. */
  readonly poke: () => void
}

/** What a distributor says of itself. */
export interface DistributorStatus {
  readonly linkedShards: number
  readonly isServing: boolean
  readonly inFlight: number
  readonly tenants: number
  readonly limitsVersion: number
}

/** A body too large for the ring buffer: posted on the link's port, `body` transferred. */
export interface OversizeBody {
  readonly requestId: number
  readonly tenant: string
  readonly flags: number
  readonly body: ArrayBuffer
}

/** What goes ahead of a body of lines (Influx, text exposition), as JSON. */
export interface LinesParameters {
  /** ms, the time of lines that have none; the present when undefined. */
  readonly now?: number
  /** Milliseconds of a unit of time, Influx. */
  readonly precision?: number
  /** Labels of every series, names and values by turns; text exposition. */
  readonly extraLabels?: readonly string[]
}

/** What a push is answered with. `text` is empty on success. */
export interface PushAnswer {
  readonly status: number
  readonly text: string
  /** Whether the sender may send the same again with hope: 5xx and 429. */
  readonly retryable: boolean
  /** What of it was stored; nothing when undefined. */
  readonly written?: WrittenCounts
  /** Samples and histograms of it that were refused; 0 when undefined. */
  readonly rejected?: number
}
