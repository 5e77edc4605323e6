/**
 * What a sender is told about a refused series, sample or metadata record, in Mimir's words
 * (pkg/distributor/validate.go's texts and ids). The checks themselves run in the kernel, by code;
 * a text is made for the first offender of a request only.
 */
import type { BucketSize, TenantLimits } from '../../shared/limits/index.js'
import { type Label, type Labels, METRIC_NAME } from '../../shared/model/labels.js'
import {
  cutText,
  DISCARD_REASONS,
  METADATA_TYPES,
  type MetadataRecord,
} from '../../shared/wire/frames/index.js'

/** Series, names and values in texts are cut to so many characters. */
const TEXT_CHARACTERS_MAX = 200

/** The first offender of a request. */
export interface Offender {
  /** Index of DISCARD_REASONS. */
  readonly reason: number
  /** Of the series, sorted, without empty values. */
  readonly labels: Labels
  /** The label that failed its check, for reasons about one label. */
  readonly label: Label
  readonly timeMs: number
}

/** The text of an offender. */
export function describeOffender(offender: Offender, limits: TenantLimits): string {
  const { labels, label } = offender
  const series = `series: '${cut(printSeries(labels))}'`
  switch (DISCARD_REASONS[offender.reason]) {
    case 'missing_metric_name':
      return tag('received series has no metric name', 'missing-metric-name')
    case 'metric_name_invalid':
      return tag(
        `received a series with invalid metric name: '${cut(label.value)}'`,
        'metric-name-invalid',
      )
    case 'max_label_names_per_series':
      return tooManyLabels(labels, limits.max_label_names_per_series, '')
    case 'max_label_names_per_info_series':
      return tooManyLabels(labels, limits.max_label_names_per_info_series, 'info-')
    case 'label_invalid':
      return tag(
        `received a series with an invalid label: '${cut(label.name)}' ${series}`,
        'label-invalid',
      )
    case 'label_name_too_long':
      return limit(
        `received a series whose label name length exceeds the limit, label: '${cut(label.name)}' ${series}`,
        'label-name-too-long',
        'validation.max-length-label-name',
      )
    case 'label_value_invalid':
      return tag(
        `received a series with an invalid value (not UTF-8) of label '${cut(label.name)}' ${series}`,
        'label-value-invalid',
      )
    case 'label_value_too_long':
      return limit(
        `received a series whose label value length of ${Buffer.byteLength(label.value)} exceeds the limit of ${limits.max_label_value_length}, label: '${cut(label.name)}', value: '${cut(label.value)}' (truncated) ${series}`,
        'label-value-too-long',
        'validation.max-length-label-value',
      )
    case 'duplicate_label_names':
      return tag(
        `received a series with duplicate label name, label: '${cut(label.name)}' ${series}`,
        'duplicate-label-names',
      )
    case 'too_far_in_past':
      return limit(
        `received a sample whose timestamp is too far in the past, timestamp: ${offender.timeMs} ${series}`,
        'too-far-in-past',
        'validation.past-grace-period',
      )
    case 'too_far_in_future':
      return limit(
        `received a sample whose timestamp is too far in the future, timestamp: ${offender.timeMs} ${series}`,
        'too-far-in-future',
        'validation.create-grace-period',
      )
    default:
      return `received a series that was refused, ${series}`
  }
}

function tooManyLabels(labels: Labels, most: number, kind: '' | 'info-'): string {
  const text = printSeries(labels)
  const more = [...text].length > TEXT_CHARACTERS_MAX ? '…' : ''
  return limit(
    `received a series whose number of labels exceeds the limit (actual: ${labels.length}, limit: ${most}) series: '${cut(text)}${more}'`,
    `max-label-names-per-${kind}series`,
    `validation.max-label-names-per-${kind}series`,
  )
}

/** The times, ms, that a tenant's samples may have now. */
export function timeRangeOf(limits: TenantLimits, now: number): { min: number; max: number } {
  const window = limits.out_of_order_time_window
  const past = limits.past_grace_period
  const graceMin = past > 0 ? now - window - past : Number.NEGATIVE_INFINITY
  const isAtTheDoor = limits.enforce_out_of_order_window_on_distributor && window > 0
  const windowMin = isAtTheDoor ? now - window : Number.NEGATIVE_INFINITY
  return { min: Math.max(graceMin, windowMin), max: now + limits.creation_grace_period }
}

/** The text about a request beyond the tenant's rate; another one when it can never pass. */
export function describeRate(items: number, { rate, burst }: BucketSize): string {
  const what =
    items > burst
      ? `the request has ${items} samples, exemplars and metadata records, more than the ingestion burst size of ${burst} that can pass at once`
      : `the tenant exceeded its ingestion rate of ${rate} samples, exemplars and metadata records a second, with a burst of ${burst}`
  return limit(
    what,
    'tenant-max-ingestion-rate',
    'distributor.ingestion-rate-limit and -distributor.ingestion-burst-size',
  )
}

/** The text about a body over `distributor.max_recv_msg_size`. */
export function describeTooLarge(bytes: number, bytesMax: number): string {
  return (
    `the incoming push request has been rejected because its message size of ${bytes} bytes is larger than the allowed limit of ${bytesMax} bytes` +
    ' (err-mimir-distributor-max-write-message-size). To adjust the related limit, configure -distributor.max-recv-msg-size, or contact your service administrator.'
  )
}

/** The text about a body over `distributor.max_otlp_request_size` or `max_influx_request_size`. */
export function describeTooLargeFor(kind: 'otlp' | 'influx', bytesMax: number): string {
  return (
    `the incoming ${kind === 'otlp' ? 'OTLP' : 'Influx or text'} request has been rejected because its message size is larger than the allowed limit of ${bytesMax} bytes` +
    ` (err-mimir-distributor-max-${kind}-request-size). To adjust the related limit, configure -distributor.max-${kind}-request-size, or contact your service administrator.`
  )
}

/** The text about malformed lines, of which the first is told. */
export function describeBadLines(first: string, count: number): string {
  return `${first}; ${count === 1 ? '1 line is' : `${count} lines are`} left out (text_parse_error), the others are taken`
}

/** What a metadata record comes to: the record to keep, or why it is refused. */
export type MetadataVerdict =
  | { readonly record: MetadataRecord }
  | { readonly reason: string; readonly text: string }

/** Checks a metadata record in Mimir's order; a long help is cut at a character. */
export function checkMetadata(record: MetadataRecord, limits: TenantLimits): MetadataVerdict {
  const most = limits.max_metadata_length
  const said = `metric_name: '${cut(record.metric)}'`
  if (record.metric === '' && limits.enforce_metadata_metric_name) {
    return {
      reason: 'metadata_missing_metric_name',
      text: tag('received a metric metadata with no metric name', 'metadata-missing-metric-name'),
    }
  }
  if (Buffer.byteLength(record.metric) > most) {
    return {
      reason: 'metric_name_too_long',
      text: limit(
        `received a metric metadata whose metric name length exceeds the limit, ${said}`,
        'metric-name-too-long',
        'validation.max-metadata-length',
      ),
    }
  }
  if (Buffer.byteLength(record.unit) > most) {
    return {
      reason: 'unit_too_long',
      text: limit(
        `received a metric metadata whose unit name length exceeds the limit, unit: '${cut(record.unit)}' ${said}`,
        'unit-too-long',
        'validation.max-metadata-length',
      ),
    }
  }
  const type = record.type < METADATA_TYPES.length ? record.type : 0
  return { record: { ...record, type, help: new TextDecoder().decode(cutText(record.help, most)) } }
}

/** A series as PromQL writes it: `name{a="b", c="d"}`. */
export function printSeries(labels: Labels): string {
  const name = labels.find((label) => label.name === METRIC_NAME)?.value ?? ''
  const rest = labels
    .filter((label) => label.name !== METRIC_NAME)
    .map((label) => `${label.name}=${JSON.stringify(label.value)}`)
  return rest.length === 0 && name !== '' ? name : `${name}{${rest.join(', ')}}`
}

function tag(text: string, id: string): string {
  return `${text} (err-mimir-${id})`
}

function limit(text: string, id: string, flag: string): string {
  return `${tag(text, id)}. To adjust the related per-tenant limit, configure -${flag}, or contact your service administrator.`
}

function cut(text: string): string {
  return text.length <= TEXT_CHARACTERS_MAX
    ? text
    : [...text].slice(0, TEXT_CHARACTERS_MAX).join('')
}
