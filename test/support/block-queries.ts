/**
 * The same questions to a Prometheus and to us, both over the same blocks: selectors, functions,
 * histograms, the label APIs.
 */
import { type ApiParams, callApi, differenceOf, labelKey } from './prom-api.js'

/** A server and how it is asked. */
export interface Side {
  /** What stands before `/api/v1`. */
  readonly url: string
  readonly tenant?: string
}

/** A time range, unix seconds. */
export interface Span {
  readonly start: number
  readonly end: number
}

const QUERIES = [
  '{__name__=~".+"}',
  'last_over_time({__name__=~".+", instance=~"(a|b|.*1.*)"}[5m] offset 17m)',
  'topk(3, {__name__=~".+"})',
  'absent({__name__="nobody_has_this"})',
  'count by (__name__) ({__name__=~".+"} unless {__name__=~".+_total"})',
]

/** Asked of each metric. */
const OF_METRIC = [
  'rate(METRIC[7m])',
  'sum without (instance) (increase(METRIC[30m]))',
  'count_over_time(METRIC[11m])',
  'max_over_time(METRIC[23m]) - min_over_time(METRIC[23m])',
  'resets(METRIC[50m]) + changes(METRIC[50m])',
  'histogram_quantile(0.9, rate(METRIC[9m]))',
  'histogram_count(METRIC)',
]

const METADATA: readonly { path: string; params: ApiParams }[] = [
  { path: 'labels', params: {} },
  { path: 'label/__name__/values', params: {} },
  { path: 'label/instance/values', params: {} },
  { path: 'label/nobody/values', params: {} },
  { path: 'label/__name__/values', params: { 'match[]': '{instance!=""}' } },
  { path: 'labels', params: { 'match[]': ['{__name__=~".+_total"}', '{__name__=~"f.+"}'] } },
  { path: 'series', params: { 'match[]': '{__name__=~".+"}' } },
]

/** What differs, one line a question; `asked` counts what was not empty. */
export async function blockDifferences(
  wanted: Side,
  got: Side,
  span: Span,
): Promise<{ differences: string[]; nonEmpty: number }> {
  const differences: string[] = []
  let nonEmpty = 0
  const middle = (span.start + span.end) / 2
  const names = await callApi(wanted.url, 'label/__name__/values', {}, { tenant: wanted.tenant })
  const ofMetrics = (names.data as string[]).flatMap((name) =>
    OF_METRIC.map((text) => text.replaceAll('METRIC', `{__name__="${name}"}`)),
  )
  const asked: [string, ApiParams][] = [...QUERIES, ...ofMetrics].flatMap(
    (query): [string, ApiParams][] => [
      ['query_range', { query, start: span.start, end: span.end, step: 60 }],
      ['query_range', { query, start: middle - 1000, end: middle + 1333, step: 15 }],
      ['query', { query, time: middle + 0.5 }],
    ],
  )
  asked.push([
    'query',
    { query: `{__name__=~".+"}[${Math.ceil(span.end - span.start)}s]`, time: span.end },
  ])
  for (const [path, params] of asked) {
    const left = await callApi(wanted.url, path, params, { tenant: wanted.tenant })
    const right = await callApi(got.url, path, params, { tenant: got.tenant })
    const name = `${path} ${JSON.stringify(params)}`
    if (left.status !== 'success' || right.status !== 'success') {
      differences.push(`${name}: ${left.status} ${left.error}, ${right.status} ${right.error}`)
      continue
    }
    const { result } = left.data as { result: readonly unknown[] }
    if (result.length > 0) nonEmpty++
    const difference =
      differenceOf(left.data, right.data) || histogramDifference(left.data, right.data)
    if (difference !== '') differences.push(`${name}: ${difference}`)
  }
  for (const { path, params } of METADATA) {
    const ranged = { ...params, start: span.start, end: span.end }
    const left = await callApi(wanted.url, path, ranged, { tenant: wanted.tenant })
    const right = await callApi(got.url, path, ranged, { tenant: got.tenant })
    const texts = [left, right].map(({ data }) => (data as unknown[]).map((one) => textOf(one)))
    if (path === 'series') for (const list of texts) list.sort()
    if (texts[0]!.length > 0) nonEmpty++
    if (texts[0]!.join('\n') !== texts[1]!.join('\n')) {
      differences.push(`${path} ${JSON.stringify(params)}: ${texts[1]}, not ${texts[0]}`)
    }
  }
  return { differences, nonEmpty }
}

function textOf(one: unknown): string {
  return typeof one === 'string' ? one : labelKey(one as Record<string, string>)
}

interface HistogramSeries {
  readonly metric: Record<string, string>
  readonly histogram?: unknown
  readonly histograms?: unknown
}

/** Histograms as the API writes them, equal in every character. */
function histogramDifference(wanted: unknown, got: unknown): string {
  const texts = [wanted, got].map((data) => {
    const { result } = data as { result: readonly HistogramSeries[] }
    if (!Array.isArray(result)) return new Map<string, string>()
    return new Map(
      result.map((one) => [
        labelKey(one.metric ?? {}),
        JSON.stringify(one.histogram ?? one.histograms ?? null),
      ]),
    )
  })
  for (const [key, text] of texts[0]!) {
    const other = texts[1]!.get(key)
    if (other !== text)
      return `${key}: histograms ${other?.slice(0, 300)}, not ${text.slice(0, 300)}`
  }
  return ''
}
