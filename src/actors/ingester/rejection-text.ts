/** The text that a sender reads when an ingester refuses a sample (reference §5.4, Mimir's error ids). */
import { quoteGo } from '../../shared/base/go-string.js'
import { CHECK_DUPLICATE, CHECK_OUT_OF_ORDER } from '../../shared/kernels/head-layout.js'
import type { TenantLimits } from '../../shared/limits/index.js'
import type { Labels } from '../../shared/model/labels.js'
import { DISCARD_REASONS } from '../../shared/wire/frames/index.js'
import { REF_FULL, REF_INSTANCE_LIMIT, REF_METRIC_LIMIT, REF_USER_LIMIT } from './links.js'
import type { MetadataRefusal } from './metadata.js'

/** Characters of a series in a message. */
const SERIES_TEXT_MAX = 200

/** What was refused. */
export interface RefusedSample {
  /** CHECK_… of the head. */
  readonly code: number
  readonly t: number
  readonly labels: Labels
}

/** One line: which ingester and tenant, what is wrong, which sample. */
export function printRejection(shard: number, tenant: string, sample: RefusedSample): string {
  return (
    `ingester-${shard}: user=${tenant}: ${reasonText(sample.code)}. ` +
    `The sample has timestamp ${printTime(sample.t)} and belongs to series ${printSeries(sample.labels)}`
  )
}

function reasonText(code: number): string {
  if (code === CHECK_OUT_OF_ORDER) {
    return 'sample is older than the newest one of its series, and out-of-order samples are not taken (err-mimir-sample-out-of-order)'
  }
  if (code === CHECK_DUPLICATE) {
    return 'the series has another value at the timestamp of the sample (err-mimir-sample-duplicate-timestamp)'
  }
  return 'sample is too far behind the newest one of the tenant (err-mimir-sample-timestamp-too-old)'
}

/** RFC 3339 in UTC with as many digits of the second as there are; plain ms where no date can be. */
function printTime(ms: number): string {
  const date = new Date(ms)
  if (Number.isNaN(date.getTime())) return String(ms)
  return date.toISOString().replace(/\.?0*Z$/, 'Z')
}

function printSeries(labels: Labels): string {
  const text = `{${labels.map(({ name, value }) => `${name}=${quoteGo(value)}`).join(', ')}}`
  return text.length <= SERIES_TEXT_MAX ? text : text.slice(0, SERIES_TEXT_MAX)
}

/** What is said and counted of samples whose series could not be made. */
export interface NotMade {
  /** Index of DISCARD_REASONS. */
  readonly reason: number
  readonly text: string
  /** The sender is to send it all again. */
  readonly isRetried: boolean
}

const NO_NEW_SERIES =
  'no new series are taken, since the memory limit of this server is reached; series that are known go on (memory_limit)'

/** @param code REF_… that stands for the series */
export function notMade(code: number, limits: TenantLimits, instanceMax: number): NotMade {
  switch (code) {
    case REF_FULL:
      return refusal('memory_limit', NO_NEW_SERIES)
    case REF_USER_LIMIT:
      return refusal(
        'per_user_series_limit',
        limitText(
          `per-user series limit of ${limits.max_global_series_per_user} exceeded`,
          'max-series-per-user',
          'ingester.max-global-series-per-user',
        ),
      )
    case REF_METRIC_LIMIT:
      return refusal(
        'per_metric_series_limit',
        limitText(
          `per-metric series limit of ${limits.max_global_series_per_metric} exceeded`,
          'max-series-per-metric',
          'ingester.max-global-series-per-metric',
        ),
      )
    case REF_INSTANCE_LIMIT: {
      const text = `the limit of ${instanceMax} series in this server is reached (err-mimir-ingester-max-series). To adjust the related limit, configure -ingester.instance-limits.max-series`
      return { ...refusal('memory_limit', text), isRetried: true }
    }
    default:
      return refusal('label_invalid', '')
  }
}

/** One line of metadata over a limit. */
export function printMetadataRefusal(
  shard: number,
  { name, limits }: { readonly name: string; readonly limits: TenantLimits },
  reason: MetadataRefusal,
): string {
  const text =
    reason === 'per_user_metadata_limit'
      ? limitText(
          `per-user metric metadata limit of ${limits.max_global_metadata_per_user} exceeded`,
          'max-metadata-per-user',
          'ingester.max-global-metadata-per-user',
        )
      : limitText(
          `per-metric metadata limit of ${limits.max_global_metadata_per_metric} exceeded`,
          'max-metadata-per-metric',
          'ingester.max-global-metadata-per-metric',
        )
  return `ingester-${shard}: user=${name}: ${text}`
}

function refusal(reason: (typeof DISCARD_REASONS)[number], text: string): NotMade {
  return { reason: DISCARD_REASONS.indexOf(reason), text, isRetried: false }
}

function limitText(what: string, id: string, flag: string): string {
  return `${what} (err-mimir-${id}). To adjust the related per-tenant limit, configure -${flag}, or contact your service administrator.`
}
