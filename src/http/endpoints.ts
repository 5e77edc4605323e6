/**
 * The table of endpoints: method, path, whether it works for a tenant, handler, one line of
 * documentation. A new endpoint is a row here and a handler in `routes/`.
 */
import type { Endpoint } from './handler.js'
import * as admin from './routes/admin.js'
import * as blocks from './routes/blocks.js'
import * as cardinality from './routes/cardinality.js'
import * as compactor from './routes/compactor.js'
import { cleanTombstones, deleteSeries } from './routes/deletion.js'
import { haTracker } from './routes/ha-tracker.js'
import * as ingester from './routes/ingester.js'
import * as limits from './routes/limits.js'
import { importText, influxWrite } from './routes/lines.js'
import { otlpMetrics } from './routes/otlp.js'
import * as profiles from './routes/profiles.js'
import { push } from './routes/push.js'
import * as queries from './routes/queries.js'
import * as query from './routes/query.js'
import { allRejected, rejected } from './routes/rejected.js'
import { forgetMember, memberlist, RINGS_OF_PROCESS, ringPage } from './routes/rings.js'
import * as tenants from './routes/tenants.js'

/** A page without tenant. */
const PAGE = { method: 'GET', prefix: 'none', auth: false, errors: 'text' } as const
/** A row of the Prometheus API without tenant. */
const STATUS = { ...PAGE, errors: 'json' } as const
/** A row of the Prometheus API that reads, for a tenant or several. */
const GET_API = {
  method: 'GET',
  prefix: 'prometheus',
  auth: true,
  isFederated: true,
  errors: 'json',
} as const
const POST_API = { ...GET_API, method: 'POST' } as const

/** A row that works for a tenant and answers in plain text. */
const TENANT_TEXT = { method: 'POST', prefix: 'none', auth: true, errors: 'text' } as const

/** Pages under one path, by the method that they are asked with. */
function methods(
  names: readonly Endpoint['method'][],
  page: Pick<Endpoint, 'path' | 'handler' | 'doc'>,
): Endpoint[] {
  return names.map((method) => ({ ...PAGE, ...page, method }))
}

const INSTANT = { path: '/api/v1/query', handler: query.instantQuery, doc: 'Instant query.' }
const RANGE = { path: '/api/v1/query_range', handler: query.rangeQuery, doc: 'Range query.' }
const SERIES = { path: '/api/v1/series', handler: query.series, doc: 'Series by selector.' }
const LABELS = { path: '/api/v1/labels', handler: query.labelNames, doc: 'Label names.' }
const FORMAT = {
  path: '/api/v1/format_query',
  handler: query.formatQuery,
  doc: 'A PromQL expression, formatted.',
}
const PARSE = {
  path: '/api/v1/parse_query',
  handler: query.parseQuery,
  doc: 'A PromQL expression as a tree.',
}
const DELETE_SERIES = {
  prefix: 'prometheus',
  path: '/api/v1/admin/tsdb/delete_series',
  auth: true,
  errors: 'json',
  access: 'admin',
  handler: deleteSeries,
  doc: 'Deletes samples of series; `dry_run=true` only tells what would go.',
} as const
const CLEAN_TOMBSTONES = {
  ...DELETE_SERIES,
  path: '/api/v1/admin/tsdb/clean_tombstones',
  handler: cleanTombstones,
  doc: 'Writes blocks of the bucket anew without what is deleted of them.',
} as const
const EXEMPLARS = {
  path: '/api/v1/query_exemplars',
  handler: query.queryExemplars,
  doc: 'Exemplars of the selected series.',
}
const CARDINALITY = [
  {
    path: '/api/v1/cardinality/label_names',
    handler: cardinality.labelNames,
    doc: 'Label names with the most values in memory; `cardinality_analysis_enabled` switches these on.',
  },
  {
    path: '/api/v1/cardinality/label_values',
    handler: cardinality.labelValues,
    doc: 'Values of labels (`label_names[]`) with the most series in memory.',
  },
  {
    path: '/api/v1/cardinality/active_series',
    handler: cardinality.activeSeries,
    doc: 'Series that had samples within the idle timeout; as `x-snappy-framed` where the client takes that.',
  },
  {
    path: '/api/v1/cardinality/active_native_histogram_metrics',
    handler: cardinality.activeNativeHistograms,
    doc: 'Metrics of such series that are native histograms, and how many buckets they have.',
  },
]
const EXPLAIN = {
  path: '/api/v1/explain',
  handler: query.explain,
  doc: 'The plan of a query, as JSON or (`format=text`) text.',
}
const ANALYZE = {
  path: '/api/v1/analyze',
  handler: query.analyze,
  doc: 'Runs a query and tells what each node of its plan cost.',
}
const BUILD = {
  path: '/api/v1/status/buildinfo',
  handler: admin.buildInfo,
  doc: 'What this is, for Grafana.',
}
const STATUS_CONFIG = {
  path: '/api/v1/status/config',
  handler: admin.statusConfig,
  doc: "Shaped as Prometheus', empty.",
}
const STATUS_FLAGS = {
  path: '/api/v1/status/flags',
  handler: admin.statusFlags,
  doc: "Shaped as Prometheus', empty.",
}

const FLUSH = {
  path: '/ingester/flush',
  handler: admin.flush,
  doc: 'Cuts blocks of whole heads: `tenant` (several, or all), `wait=true`.',
}

const STATUS_RUNTIME = {
  path: '/api/v1/status/runtimeinfo',
  handler: admin.runtimeInfo,
  doc: 'When the process started, where, and how much of its data it could not read.',
}

/** Every endpoint; docs/reference/endpoints.md follows from it. */
export const ENDPOINTS: readonly Endpoint[] = [
  // Write
  {
    method: 'POST',
    path: '/api/v1/push',
    prefix: 'none',
    auth: true,
    errors: 'text',
    handler: push,
    access: 'write',
    doc: 'Remote write 1.0 and 2.0.',
  },
  {
    method: 'POST',
    path: '/otlp/v1/metrics',
    prefix: 'none',
    auth: true,
    errors: 'text',
    handler: otlpMetrics,
    access: 'write',
    doc: 'OTLP metrics, protobuf or JSON.',
  },
  {
    ...STATUS,
    path: '/api/v1/rejected',
    auth: true,
    handler: rejected,
    doc: "What was refused of the tenant's pushes, and why.",
  },
  {
    method: 'POST',
    path: '/api/v1/push/influx/write',
    prefix: 'none',
    auth: true,
    errors: 'text',
    handler: influxWrite,
    access: 'write',
    doc: 'Influx line protocol; off unless distributor.influx_endpoint_enabled.',
  },
  {
    method: 'POST',
    path: '/api/v1/import/prometheus',
    prefix: 'none',
    auth: true,
    errors: 'text',
    handler: importText,
    access: 'write',
    doc: "Prometheus' text format, as scripts and curl push it; malformed lines are left out and told.",
  },
  // Query
  { ...GET_API, ...INSTANT },
  { ...POST_API, ...INSTANT },
  { ...GET_API, ...RANGE },
  { ...POST_API, ...RANGE },
  { ...GET_API, ...SERIES },
  { ...POST_API, ...SERIES },
  { ...GET_API, ...LABELS },
  { ...POST_API, ...LABELS },
  {
    ...GET_API,
    path: '/api/v1/label/:name/values',
    handler: query.labelValues,
    doc: 'Values of a label.',
  },
  {
    ...GET_API,
    path: '/api/v1/metadata',
    handler: query.metadata,
    doc: 'Type, help and unit of metrics.',
  },
  { ...GET_API, ...FORMAT },
  { ...POST_API, ...FORMAT },
  { ...GET_API, ...PARSE },
  { ...POST_API, ...PARSE },
  { ...GET_API, ...EXEMPLARS },
  { ...POST_API, ...EXEMPLARS },
  ...CARDINALITY.flatMap((row) => [
    { ...GET_API, ...row },
    { ...POST_API, ...row },
  ]),
  {
    ...POST_API,
    path: '/api/v1/read',
    handler: query.remoteRead,
    doc: 'Remote read, as samples or as a stream of chunks.',
  },
  {
    ...GET_API,
    path: '/federate',
    errors: 'text',
    handler: query.federate,
    doc: 'The newest sample of each selected series, in the text format.',
  },
  {
    ...GET_API,
    path: '/api/v1/status/tsdb',
    handler: query.tsdbStatus,
    doc: 'What the heads hold of the tenant, and of which labels most.',
  },
  { ...GET_API, ...EXPLAIN },
  { ...POST_API, ...EXPLAIN },
  { ...GET_API, ...ANALYZE },
  { ...POST_API, ...ANALYZE },
  { ...POST_API, prefix: 'none', ...ANALYZE },
  {
    ...GET_API,
    path: '/api/v1/queries',
    handler: queries.ownQueries,
    doc: 'Queries of the tenant that wait or run.',
  },
  {
    ...POST_API,
    path: '/api/v1/queries/:id/cancel',
    handler: queries.cancelQuery,
    doc: 'Ends one of them.',
  },
  { ...STATUS, prefix: 'prometheus', ...BUILD },
  { ...STATUS, prefix: 'prometheus', ...STATUS_CONFIG },
  { ...STATUS, prefix: 'prometheus', ...STATUS_FLAGS },
  { ...STATUS, prefix: 'prometheus', ...STATUS_RUNTIME },
  // Administration
  { ...PAGE, path: '/', handler: admin.index, doc: 'This page.' },
  {
    ...PAGE,
    path: '/ready',
    handler: admin.ready,
    access: 'open',
    whileDraining: true,
    doc: '200 when all is up, else 503 and why.',
  },
  {
    ...PAGE,
    path: '/metrics',
    handler: admin.metrics,
    whileDraining: true,
    doc: "The process' own metrics.",
  },
  {
    ...PAGE,
    path: '/config',
    handler: admin.config,
    doc: 'The configuration in effect, YAML; `mode=diff`, `mode=defaults`.',
  },
  {
    ...STATUS,
    path: '/api/v1/user_stats',
    auth: true,
    handler: tenants.userStats,
    doc: 'Series in memory and samples a second of the tenant.',
  },
  {
    ...PAGE,
    path: '/distributor/all_user_stats',
    handler: tenants.allUserStats,
    doc: 'The same of all tenants; JSON where asked for.',
  },
  {
    ...PAGE,
    path: '/ingester/tenants',
    handler: tenants.ingesterTenants,
    doc: 'Tenants with series in memory; JSON where asked for.',
  },
  {
    ...PAGE,
    path: '/distributor/usage',
    handler: tenants.usage,
    doc: 'What each tenant sends, stores, asks and is refused; JSON where asked for.',
  },
  ...methods(['GET', 'POST', 'DELETE'], {
    path: '/ingester/prepare-shutdown',
    handler: ingester.prepareShutdown('ingester'),
    doc: 'Whether heads are cut when the process stops: `set` or `unset`; POST sets it.',
  }),
  ...methods(['GET', 'POST', 'DELETE'], {
    path: '/store-gateway/prepare-shutdown',
    handler: ingester.prepareShutdown('store-gateway'),
    doc: 'Whether store-gateways are to leave for good: `set` or `unset`; kept for what asks it of Mimir, their ring is not kept.',
  }),
  {
    ...PAGE,
    method: 'POST',
    path: '/ingester/shutdown',
    handler: ingester.shutdown,
    doc: 'Cuts all heads, then stops the process.',
  },
  ...methods(['GET', 'PUT', 'DELETE'], {
    path: '/ingester/unregister-on-shutdown',
    handler: ingester.unregisterOnShutdown,
    doc: 'Whether members leave their rings at a stop; without effect: rings are of this process, and new at each start.',
  }),
  ...methods(['GET', 'POST', 'DELETE'], {
    path: '/ingester/prepare-instance-ring-downscale',
    handler: ingester.ringDownscale,
    doc: 'Since when no writes are taken, 0: they are; POST switches them off, DELETE on.',
  }),
  {
    ...PAGE,
    path: '/ingester/tsdb/:tenant',
    handler: ingester.tenantTsdb,
    doc: 'What the heads hold of a tenant; JSON where asked for.',
  },
  {
    ...TENANT_TEXT,
    method: 'GET',
    path: '/ingester/tsdb_metrics',
    handler: ingester.tsdbMetrics,
    doc: "The tenant's head by the metrics of Prometheus' TSDB.",
  },
  ...['distributor', 'ingester', 'compactor', 'store-gateway'].flatMap((kind): Endpoint[] => [
    {
      ...PAGE,
      path: `/${kind}/ring`,
      handler: ringPage(kind),
      doc: `Members of the ring of ${kind}s; JSON where asked for.`,
    },
    {
      ...PAGE,
      method: 'POST',
      path: `/${kind}/ring`,
      handler: forgetMember(kind),
      doc: 'Takes the member `forget` out of that ring, until its next heartbeat.',
    },
  ]),
  ...RINGS_OF_PROCESS.flatMap((kind): Endpoint[] => [
    {
      ...PAGE,
      path: `/${kind}/ring`,
      handler: ringPage(kind),
      doc: 'The process is its one member; JSON where asked for.',
    },
    {
      ...PAGE,
      method: 'POST',
      path: `/${kind}/ring`,
      handler: forgetMember(kind),
      doc: 'Without effect: the process registers again at once.',
    },
  ]),
  {
    ...PAGE,
    path: '/memberlist',
    handler: memberlist,
    doc: 'There is no gossip in one process: which rings there are.',
  },
  {
    ...PAGE,
    path: '/distributor/ha_tracker',
    handler: haTracker,
    doc: 'Which replica of each pair of Prometheus is believed; JSON where asked for.',
  },
  {
    ...PAGE,
    path: '/distributor/rejected',
    handler: allRejected,
    doc: "What was refused of all tenants' pushes, and why; JSON where asked for.",
  },
  {
    ...PAGE,
    path: '/runtime_config',
    handler: limits.runtimeConfig,
    doc: 'What the runtime files say and whether they are in force, YAML; `mode=diff`.',
  },
  {
    ...STATUS,
    path: '/api/v1/user_limits',
    auth: true,
    handler: limits.userLimits,
    doc: 'Limits of the tenant.',
  },
  // Blocks
  { ...DELETE_SERIES, method: 'POST' },
  { ...DELETE_SERIES, method: 'PUT' },
  { ...CLEAN_TOMBSTONES, method: 'POST' },
  { ...CLEAN_TOMBSTONES, method: 'PUT' },
  {
    ...TENANT_TEXT,
    path: '/compactor/delete_tenant',
    handler: blocks.deleteTenant,
    doc: 'Marks all blocks of the tenant for deletion.',
  },
  {
    ...TENANT_TEXT,
    method: 'GET',
    path: '/compactor/delete_tenant_status',
    handler: blocks.deleteTenantStatus,
    doc: 'Whether blocks of a deleted tenant are left.',
  },
  {
    ...TENANT_TEXT,
    path: '/api/v1/upload/block/:block/start',
    handler: blocks.startUpload,
    doc: 'Begins the upload of a block; the body is its meta.json.',
  },
  {
    ...TENANT_TEXT,
    path: '/api/v1/upload/block/:block/files',
    handler: blocks.uploadFile,
    doc: 'Uploads a file of the block, `path=index` or `path=chunks/000001`.',
  },
  {
    ...TENANT_TEXT,
    path: '/api/v1/upload/block/:block/finish',
    handler: blocks.finishUpload,
    doc: 'Checks the uploaded block, and makes it visible to queries.',
  },
  {
    ...TENANT_TEXT,
    method: 'GET',
    path: '/api/v1/upload/block/:block/check',
    handler: blocks.checkUpload,
    doc: 'Where the upload of a block is.',
  },
  { ...PAGE, ...FLUSH },
  { ...PAGE, ...FLUSH, method: 'POST' },
  { ...PAGE, path: '/services', handler: admin.services, doc: 'Parts of the server, their state.' },
  { ...PAGE, path: '/debug/actors', handler: admin.debugActors, doc: 'Threads and restarts.' },
  {
    ...PAGE,
    path: '/debug/damage',
    handler: admin.debugDamage,
    doc: 'What of the data could not be read: at the last start, and chunk files and blocks since.',
  },
  {
    ...PAGE,
    path: '/debug/compactions',
    handler: compactor.compactions,
    doc: 'Compactions with their progress, and damaged blocks that are kept out of them.',
  },
  ...['store-gateway', 'compactor'].map(
    (kind): Endpoint => ({
      ...PAGE,
      path: `/${kind}/tenants`,
      handler: compactor.blockTenants,
      doc: 'Tenants with blocks; JSON where asked for.',
    }),
  ),
  {
    ...PAGE,
    path: '/store-gateway/tenant/:tenant/blocks',
    handler: compactor.tenantBlocks,
    doc: 'Blocks of a tenant in the bucket; `show_deleted=on`, `show_sources=on`, `show_parents=on`, `split_count=N`; JSON where asked for.',
  },
  {
    ...PAGE,
    path: '/compactor/tenant/:tenant/planned_jobs',
    handler: compactor.plannedJobs,
    doc: 'Compactions of a tenant that can be done now.',
  },
  {
    ...PAGE,
    path: '/debug/pprof/',
    handler: profiles.pprofIndex,
    doc: 'Which profiles there are, and of which threads.',
  },
  {
    ...PAGE,
    path: '/debug/pprof/profile',
    handler: profiles.cpuProfile,
    doc: 'What runs on a thread (`thread=ingester/0`, the main one without) for `seconds`, as a `.cpuprofile`.',
  },
  {
    ...PAGE,
    path: '/debug/pprof/allocs',
    handler: profiles.allocations,
    doc: 'What is allocated on a thread for `seconds`, as a `.heapprofile`.',
  },
  {
    ...PAGE,
    path: '/debug/pprof/heap',
    handler: profiles.heap,
    doc: "What the process and its threads' heaps hold, as JSON.",
  },
  { ...PAGE, path: '/debug/queries', handler: queries.debugQueries, doc: 'Queries in hand.' },
  {
    ...PAGE,
    method: 'POST',
    path: '/debug/queries/:id/cancel',
    handler: queries.debugCancel,
    doc: 'Ends a query.',
  },
  {
    ...PAGE,
    path: '/debug/slow-queries',
    handler: queries.slowQueries,
    doc: 'The last queries that took long.',
  },
  { ...STATUS, ...BUILD },
  { ...STATUS, ...STATUS_CONFIG },
  { ...STATUS, ...STATUS_FLAGS },
  { ...STATUS, ...STATUS_RUNTIME },
]
