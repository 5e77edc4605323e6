/**
 * The table of every error that leaves the process: id → HTTP status, Prometheus API error type,
 * whether a sender may retry, and what the message says. Ids are public: never renamed or reused,
 * and each has an entry in docs/runbook.md. Ids starting with `err-mimir-` are spelled as Mimir's.
 *
 * A message is a template: `{name}` is replaced by the detail of that name.
 */

/** Prometheus' `errorType` values (web/api/v1/api.go) plus Mimir's additions. */
export type ApiErrorType =
  | 'bad_data'
  | 'execution'
  | 'canceled'
  | 'timeout'
  | 'internal'
  | 'unavailable'
  | 'too_many_requests'
  | 'too_large_entry'
  | 'not_found'
  | 'not_acceptable'

/** One row: how an error is answered over HTTP and what its text is made from. */
export interface ErrorRow {
  readonly status: number
  readonly type: ApiErrorType
  readonly retryable: boolean
  readonly message: string
}

/** Every error, by its public id. */
export const ERRORS = {
  // Generic
  internal: { status: 500, type: 'internal', retryable: true, message: '{text}' },
  'bad-data': { status: 400, type: 'bad_data', retryable: false, message: '{text}' },
  'not-found': { status: 404, type: 'not_found', retryable: false, message: '{text}' },
  'method-not-allowed': {
    status: 405,
    type: 'bad_data',
    retryable: false,
    message: 'method {method} is not allowed for {path}',
  },
  'config-invalid': { status: 400, type: 'bad_data', retryable: false, message: '{text}' },
  // Requests
  'no-org-id': { status: 401, type: 'bad_data', retryable: false, message: 'no org id' },
  unauthorized: {
    status: 401,
    type: 'bad_data',
    retryable: false,
    message: 'unauthorized: a bearer token, a password or a client certificate is wanted',
  },
  forbidden: { status: 403, type: 'bad_data', retryable: false, message: 'forbidden: {text}' },
  'tenant-id-invalid': { status: 401, type: 'bad_data', retryable: false, message: '{text}' },
  'too-many-tenants': {
    status: 422,
    type: 'bad_data',
    retryable: false,
    message: 'too many tenant IDs: at most {max} in one request, got {count}',
  },
  'body-too-large': {
    status: 413,
    type: 'too_large_entry',
    retryable: false,
    message: 'the request body is larger than {max} bytes',
  },
  'answer-too-large': {
    status: 413,
    type: 'too_large_entry',
    retryable: false,
    message:
      'the answer has {bytes} bytes, at most {max} are allowed; ask with a narrower selector or a smaller limit',
  },
  'body-timeout': {
    status: 408,
    type: 'timeout',
    retryable: true,
    message: 'the request body did not arrive within {timeoutMs} ms',
  },
  'body-incomplete': {
    status: 400,
    type: 'bad_data',
    retryable: true,
    message: 'the connection ended before the whole request body had arrived',
  },
  'content-type-unsupported': {
    status: 415,
    type: 'bad_data',
    retryable: false,
    message: '{text}',
  },
  'err-mimir-distributor-max-write-message-size': {
    status: 400,
    type: 'bad_data',
    retryable: false,
    message:
      'the incoming push request is larger than {max} bytes (err-mimir-distributor-max-write-message-size). To adjust the related limit, configure -distributor.max-recv-msg-size',
  },
  'err-mimir-distributor-max-otlp-request-size': {
    status: 413,
    type: 'bad_data',
    retryable: false,
    message:
      'the incoming OTLP request is larger than {max} bytes (err-mimir-distributor-max-otlp-request-size). To adjust the related limit, configure -distributor.max-otlp-request-size',
  },
  'err-mimir-distributor-max-influx-request-size': {
    status: 413,
    type: 'bad_data',
    retryable: false,
    message:
      'the incoming request is larger than {max} bytes (err-mimir-distributor-max-influx-request-size). To adjust the related limit, configure -distributor.max-influx-request-size',
  },
  'err-mimir-distributor-max-inflight-push-requests': {
    status: 503,
    type: 'unavailable',
    retryable: true,
    message:
      'more than {max} push requests are in flight (err-mimir-distributor-max-inflight-push-requests). To adjust the related limit, configure -distributor.instance-limits.max-inflight-push-requests',
  },
  'err-mimir-distributor-max-inflight-push-requests-bytes': {
    status: 503,
    type: 'unavailable',
    retryable: true,
    message:
      'push requests in flight take more than {max} bytes (err-mimir-distributor-max-inflight-push-requests-bytes). To adjust the related limit, configure -distributor.instance-limits.max-inflight-push-requests-bytes',
  },
  'err-mimir-tenant-max-request-rate': {
    status: 429,
    type: 'too_many_requests',
    retryable: true,
    message:
      'the tenant exceeded its limit of {rate} push requests a second, with a burst of {burst} (err-mimir-tenant-max-request-rate). To adjust the related per-tenant limit, configure -distributor.request-rate-limit and -distributor.request-burst-size, or contact your service administrator.',
  },
  'err-mimir-distributor-max-ingestion-rate': {
    status: 503,
    type: 'unavailable',
    retryable: true,
    message:
      'more than {max} samples a second are coming in (err-mimir-distributor-max-ingestion-rate). To adjust the related limit, configure -distributor.instance-limits.max-ingestion-rate',
  },
  // Between actors
  'actor-down': {
    status: 503,
    type: 'unavailable',
    retryable: true,
    message: '{actor} is not running',
  },
  'actor-timeout': {
    status: 503,
    type: 'unavailable',
    retryable: true,
    message: '{actor} did not answer {call} within {deadlineMs} ms',
  },
  'shutting-down': {
    status: 503,
    type: 'unavailable',
    retryable: true,
    message: 'the server is shutting down',
  },
  'read-only': {
    status: 501,
    type: 'unavailable',
    retryable: true,
    message: 'the server takes no writes: it was switched to read-only',
  },
  overloaded: { status: 503, type: 'unavailable', retryable: true, message: '{text}' },
  // Queries
  'query-parse': { status: 400, type: 'bad_data', retryable: false, message: '{text}' },
  'query-execution': { status: 422, type: 'execution', retryable: false, message: '{text}' },
  'query-unsupported': { status: 422, type: 'execution', retryable: false, message: '{text}' },
  'query-canceled': {
    status: 499,
    type: 'canceled',
    retryable: false,
    message: 'query was canceled',
  },
  'query-timeout': {
    status: 503,
    type: 'timeout',
    retryable: false,
    message: 'query timed out in expression evaluation',
  },
  'query-memory': {
    status: 422,
    type: 'execution',
    retryable: false,
    message: 'query needs more than {limit} bytes of memory',
  },
  'err-mimir-max-series-per-query': {
    status: 422,
    type: 'execution',
    retryable: false,
    message:
      'the query selects more than {limit} series (err-mimir-max-series-per-query). Narrow it by further label matchers, or, to adjust the related per-tenant limit, configure -querier.max-fetched-series-per-query',
  },
  'err-mimir-max-chunks-per-query': {
    status: 422,
    type: 'execution',
    retryable: false,
    message:
      'the query reads more than {limit} chunks (err-mimir-max-chunks-per-query). Narrow it by further label matchers or a shorter time range, or, to adjust the related per-tenant limit, configure -querier.max-fetched-chunks-per-query',
  },
  'err-mimir-max-chunks-bytes-per-query': {
    status: 422,
    type: 'execution',
    retryable: false,
    message:
      'the query reads chunks of more than {limit} bytes in all (err-mimir-max-chunks-bytes-per-query). Narrow it by further label matchers or a shorter time range, or, to adjust the related per-tenant limit, configure -querier.max-fetched-chunk-bytes-per-query',
  },
  'err-mimir-max-estimated-memory-consumption-per-query': {
    status: 422,
    type: 'execution',
    retryable: false,
    message:
      'the query needs more than {limit} bytes of memory (err-mimir-max-estimated-memory-consumption-per-query). Narrow it by further label matchers, a shorter time range or a longer step, or, to adjust the related per-tenant limit, configure -querier.max-estimated-memory-consumption-per-query',
  },
  'err-mimir-max-query-expression-size-bytes': {
    status: 400,
    type: 'bad_data',
    retryable: false,
    message:
      'the query is {size} bytes long, the limit is {limit} (err-mimir-max-query-expression-size-bytes). To adjust the related per-tenant limit, configure -query-frontend.max-query-expression-size-bytes',
  },
  'err-mimir-max-total-query-length': {
    status: 400,
    type: 'bad_data',
    retryable: false,
    message:
      'the query spans {length}, the limit is {limit} (err-mimir-max-total-query-length). To adjust the related per-tenant limit, configure -query-frontend.max-total-query-length',
  },
  'err-mimir-max-query-length': {
    status: 422,
    type: 'execution',
    retryable: false,
    message:
      'a selector of the query spans {length}, the limit is {limit} (err-mimir-max-query-length). To adjust the related per-tenant limit, configure -querier.max-partial-query-length',
  },
  'err-mimir-query-blocked': {
    status: 400,
    type: 'bad_data',
    retryable: false,
    message:
      'the query has been blocked by the cluster administrator{why} (err-mimir-query-blocked)',
  },
  'err-mimir-request-blocked': {
    status: 400,
    type: 'bad_data',
    retryable: false,
    message:
      'the request has been blocked by the cluster administrator (err-mimir-request-blocked)',
  },
  'err-mimir-query-limited': {
    status: 429,
    type: 'too_many_requests',
    retryable: false,
    message:
      'the query may run once in {every}, as the cluster administrator has decided (err-mimir-query-limited)',
  },
  'query-queue-full': {
    status: 429,
    type: 'too_many_requests',
    retryable: true,
    message: 'too many outstanding requests',
  },
  // Storage
  'block-damaged': {
    status: 500,
    type: 'internal',
    retryable: false,
    message: 'block {block} is damaged in {section}: {text}',
  },
  'block-gone': {
    status: 503,
    type: 'unavailable',
    retryable: true,
    message: 'block {block} is not there any more',
  },
  'bucket-unread': {
    status: 503,
    type: 'unavailable',
    retryable: true,
    message: 'which blocks the bucket has is not known yet: {text}',
  },
  'chunk-corrupt': { status: 500, type: 'internal', retryable: false, message: '{text}' },
  'block-upload-complete': {
    status: 409,
    type: 'bad_data',
    retryable: false,
    message: 'block {block} exists already',
  },
  'block-upload-busy': {
    status: 429,
    type: 'too_many_requests',
    retryable: true,
    message: '{text}',
  },
  'block-past-retention': {
    status: 422,
    type: 'bad_data',
    retryable: false,
    message: 'block {block} ends at {maxTime}, before the retention period',
  },
  'bucket-not-found': {
    status: 404,
    type: 'not_found',
    retryable: false,
    message: '{bucket} has no object {key}',
  },
  'bucket-exists': {
    status: 409,
    type: 'bad_data',
    retryable: false,
    message: '{bucket} has an object {key} already',
  },
  'bucket-unavailable': {
    status: 503,
    type: 'unavailable',
    retryable: true,
    message: '{bucket}: {operation} {key}: {reason}',
  },
  'bucket-refused': {
    status: 500,
    type: 'internal',
    retryable: false,
    message: '{bucket}: {operation} {key}: {reason}',
  },
  'disk-failed': { status: 503, type: 'unavailable', retryable: true, message: '{text}' },
  'data-dir-locked': { status: 500, type: 'internal', retryable: false, message: '{text}' },
  'data-version': { status: 500, type: 'internal', retryable: false, message: '{text}' },
} as const satisfies Record<string, ErrorRow>

/** Id of an error in the table. */
export type ErrorId = keyof typeof ERRORS
