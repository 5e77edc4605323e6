/**
 * What the front's parts share: the shape of an endpoint, of a request as handlers see it, of a
 * reply, and what stands behind the front. Handlers turn a request into a reply or throw an
 * AppError; `server.ts` does the rest.
 */
import type { IncomingMessage } from 'node:http'
import type { CompactorDesk } from '../actors/compactor/client.js'
import type { PushAnswer } from '../actors/distributor/contract.js'
import type { CutSeriesRequest } from '../actors/ingester/contract.js'
import type { QueryFrontend } from '../actors/query-frontend/query-frontend.js'
import type { RingView, SeriesDeletion } from '../actors/supervisor/contract.js'
import type { Profiles } from '../shared/actor/index.js'
import type { StopSignal } from '../shared/base/stop-signal.js'
import type { Env } from '../shared/env/index.js'
import type { HaEntry, Limits } from '../shared/limits/index.js'
import type { MetricName } from '../shared/telemetry/index.js'
import type { Permission } from './access/credentials.js'
import type { Gate } from './access/gate.js'
import type { TlsConfig } from './access/tls.js'
import type { Admission } from './bodies.js'
import type { Lifecycle } from './lifecycle.js'
import type { PushDesk } from './push-desk.js'
import type { QueryLog } from './query-log.js'

/** The part of the configuration that the front runs by. */
export interface HttpConfig {
  /** '' = all interfaces. */
  readonly listenAddress: string
  /** 0 = a free one. */
  readonly listenPort: number
  /** `server.http_path_prefix`, '' or `/x`. */
  readonly pathPrefix: string
  /** `api.prometheus_http_prefix`: `/prometheus`. */
  readonly prometheusPrefix: string
  readonly multitenancyEnabled: boolean
  /** The tenant of requests that need not name one. */
  readonly noAuthTenant: string
  /** `tenant_federation`: whether reads take several tenants, and how many; 0 = any. */
  readonly federation: { readonly isEnabled: boolean; readonly tenantsMax: number }
  /** A missing X-Scope-OrgID is 401, as in Mimir; otherwise it means `noAuthTenant`. */
  readonly tenantHeaderRequired: boolean
  /** `distributor.max_recv_msg_size`. */
  readonly pushBytesMax: number
  /** `distributor.max_otlp_request_size`. */
  readonly otlpBytesMax: number
  /** `distributor.max_influx_request_size`. */
  readonly influxBytesMax: number
  /** `distributor.influx_endpoint_enabled`. */
  readonly influxEnabled: boolean
  /** `distributor.instance_limits.max_inflight_push_requests`; 0 = no bound. */
  readonly inflightPushesMax: number
  /** `…max_inflight_push_requests_bytes`; 0 = no bound. */
  readonly inflightPushBytesMax: number
  /** Zones that ingesters are spread over; for ring pages. */
  readonly zones: number
  /** `distributor.instance_limits.max_ingestion_rate`, samples a second; 0 = any. */
  readonly ingestionRateMax: number
  /** `ingester.rate_update_period`, ms. */
  readonly ratePeriodMs: number
  /** `frontend.max_body_size`: forms of the query API. */
  readonly formBytesMax: number
  /** `frontend.query_stats_enabled`: a log line and a Server-Timing header for each query. */
  readonly queryStatsEnabled: boolean
  /** `frontend.log_queries_longer_than`, ms; 0 = none, below = all. */
  readonly logSlowerThanMs: number
  /** Heed X-Filter-Queryables. */
  readonly filterQueryables: boolean
  /** Milliseconds for a whole request body to arrive. */
  readonly readTimeoutMs: number
  /** Milliseconds after which a client that takes nothing of its answer is cut off. */
  readonly stallTimeoutMs: number
  readonly idleTimeoutMs: number
  /** Bytes of request line and headers. */
  readonly headerBytesMax: number
  /** Connections at once; 0 = any. */
  readonly connectionsMax: number
  /** TLS of the listeners; undefined = none. */
  readonly tls: TlsConfig | undefined
  /** The file of credentials; '' = everybody may do everything. */
  readonly accessFile: string
  readonly accessReloadMs: number
  /** Where the operator's pages are served alone; undefined = with the rest. */
  readonly adminListener: { readonly address: string; readonly port: number } | undefined
  /** Bounds of Retry-After (`distributor.retry_after_header`), seconds; undefined = not sent. */
  readonly retryAfter: RetryAfterBounds | undefined
  /** Milliseconds that draining waits for requests in flight before it cuts them off. */
  readonly gracefulTimeoutMs: number
}

/** Least and greatest Retry-After, in seconds. */
export interface RetryAfterBounds {
  readonly minS: number
  readonly maxS: number
}

/** Where push bodies go: the distributors' client. */
export interface PushSink {
  /**
   * Takes one complete remote write body, snappy-compressed as it came.
   *
   * @param pieces the body in order, `length` bytes in all
   * @param ownership `kept`: they are not changed until the promise settles; `lent`: until this returns
   * @throws AppError `overloaded`, `actor-down`, `shutting-down`
   */
  push(
    tenant: string,
    pieces: readonly Uint8Array[],
    length: number,
    flags?: number,
    ownership?: 'kept' | 'lent',
  ): Promise<PushAnswer>
}

/** The running system at a moment, as the supervisor tells it. */
export interface SystemView {
  readonly readiness: {
    readonly isReady: boolean
    /** Why not, and how far: `ingester/0 replays its log (43 %)`. */
    readonly reason: string
    /** 0–100. */
    readonly percent: number
  }
  readonly children: readonly {
    readonly actor: string
    readonly state: string
    readonly status?:
      | { readonly damage?: readonly Readonly<Record<string, string | number>>[] }
      | undefined
  }[]
}

/** The limits in force, and the runtime files that they come from. */
export interface RuntimeView {
  readonly limits: Limits
  hasFiles(): boolean
  /** As YAML: whole rows, or what differs from the defaults. */
  print(mode: 'all' | 'diff'): string
}

/** What stands behind the front. */
export interface HttpBackend {
  /** Starts the compactor when it does not run; undefined while it cannot be reached. */
  findCompactor(index?: number): CompactorDesk | undefined
  readonly compactorCount: number
  /** Tenants that have blocks, sorted. */
  blockTenants(): Promise<readonly string[]>
  readonly distributors: PushSink
  readonly frontend: QueryFrontend
  /** Asks every actor; `/debug/actors` shows all of it, also what the type here leaves out. */
  status(): Promise<SystemView>
  /** Of this process' threads. */
  readonly profiles: Pick<Profiles, 'names' | 'take' | 'heap'>
  /** Cuts blocks of the heads of some tenants, of all without any; failures are in the log. */
  flushHeads(tenants: readonly string[], isAwaited: boolean): Promise<void>
  /** Has all samples of some series in blocks; how many series heads have of them. */
  cutSeries(request: CutSeriesRequest): Promise<number>
  /** From now on compactions that go on know of a deletion; until the end is told. */
  beginDeletion(deletion: SeriesDeletion): () => void
  /** Claims bytes for the bodies of requests in flight; false when the memory limit forbids it. */
  claimBodies?(bytes: number): boolean
  /** The text of `/metrics`. */
  metricsText(): string
  /** The effective configuration, secrets masked: all of it, what differs from the defaults, or those. */
  configYaml(mode: 'all' | 'diff' | 'defaults'): string
  readonly runtime: RuntimeView
  readonly rings: RingView
  readonly lifecycle: Lifecycle
  /** Tenants that have, or had, series in memory, sorted; and how many. */
  tenants(): readonly string[]
  seriesOf(tenant: string): number
  /** Which replica of each pair is believed. */
  haEntries(): readonly HaEntry[]
  /** Of a counter or gauge the sum of a tenant, over all its other labels. */
  totalOf(metric: MetricName, tenant: string): number
  /** Samples of a tenant that were discarded, by reason. */
  discarded(tenant: string): Readonly<Record<string, number>>
  /** Of nilometer itself: `0.1.0`. */
  readonly version: string
}

/** What every handler may use. */
export interface Front {
  readonly backend: Omit<HttpBackend, 'distributors'>
  /** Where pushes go, with an eye on the answers; what stands behind is not to be had past it. */
  readonly distributors: PushSink
  /** Where queries go. */
  readonly frontend: QueryFrontend
  readonly config: HttpConfig
  readonly env: Env
  readonly gate: Gate
  readonly admission: Admission
  readonly desk: PushDesk
  readonly queryLog: QueryLog
  /** The whole table, for the index page; paths with their prefixes. */
  readonly endpoints: readonly MountedEndpoint[]
}

/** What of a request is looked at before its body. */
export type RequestHead = Pick<IncomingMessage, 'headers' | 'socket'>

/** A request as handlers see it. */
export interface HttpRequest {
  readonly incoming: IncomingMessage
  /** Checked; '' where the endpoint needs none; `a|b`, sorted, where several are read. */
  readonly tenant: string
  /** Mimir's name of the endpoint. */
  readonly route: string
  /** A path parameter, decoded. */
  param(name: string): string
  /** Parameters of the URL. */
  search(): URLSearchParams
  /** Aborted when the client goes away before it has the answer. */
  signal(): StopSignal
}

/** An answer. */
export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** Pieces are sent in order under back-pressure. */
  readonly body?: string | readonly Uint8Array[]
  /** In place of the body: a character for each of its bytes. */
  readonly bytesText?: string | undefined
  /** May be gzipped when the client takes that. */
  readonly compress?: boolean
}

/** Turns a request into a reply; what it throws is answered as an error. */
export type Handler = (request: HttpRequest, front: Front) => Reply | Promise<Reply>

/** A row of the endpoint table. */
export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Hono's notation, without prefixes. */
  readonly path: string
  /** Which configured prefix stands before the path. */
  readonly prefix: 'none' | 'prometheus'
  /** Whether it works for a tenant. */
  readonly auth: boolean
  /** It reads, and so may work for several tenants at once (`a|b`). */
  readonly isFederated?: true
  /** How its errors look: the envelope of the Prometheus API or plain text. */
  readonly errors: 'json' | 'text'
  /** Answers while the server drains, too. */
  readonly whileDraining?: true
  /** What a credential must allow; see `permissionOf` for rows that do not say. */
  readonly access?: Permission | 'open'
  readonly handler: Handler
  readonly doc: string
}

/** An endpoint under its configured path. */
export interface MountedEndpoint extends Endpoint {
  readonly fullPath: string
  /** Mimir's `route` label: `prometheus_api_v1_query`. */
  readonly route: string
}
