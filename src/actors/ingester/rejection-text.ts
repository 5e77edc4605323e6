/** The text that a sender reads when an ingester refuses a sample (reference §5.4, Mimir's error ids). */
import { quoteGo } from '../../shared/base/go-string.js'
import { CHECK_DUPLICATE, CHECK_OUT_OF_ORDER } from '../../shared/kernels/head-layout.js'
import type { Labels } from '../../shared/model/labels.js'

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
