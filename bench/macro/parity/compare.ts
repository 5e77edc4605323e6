/** Compares what two servers with the Prometheus API hold and answer of a span of time. */
import { type ApiParams, callApi } from '../../../test/support/prom-api.js'

/** A server: what stands before `/api/v1`, and as whom to ask. */
export interface Asked {
  readonly base: string
  readonly tenant: string | undefined
}

/** Unix seconds, whole. */
export interface Span {
  readonly from: number
  readonly to: number
  /** Series that leave the head take their exemplars along: those since then are compared. */
  readonly exemplarsFrom: number
}

/** What was compared, in words, and what differs. */
export interface Compared {
  readonly checked: string
  readonly differences: string[]
}

/** Instant and range queries; floats, native histograms, exact and computed. */
const QUERIES = [
  'sum by (route) (rate(app_requests_total[30s]))',
  'histogram_quantile(0.9, rate(app_latency_seconds[30s]))',
  'histogram_quantile(0.5, sum by (le) (rate(app_latency_seconds_bucket[30s])))',
  'sum(app_latency_seconds)',
  'histogram_count(increase(app_latency_seconds[20s]))',
  'histogram_avg(app_latency_seconds)',
  'histogram_fraction(0, 0.1, sum(rate(app_latency_seconds[1m])))',
  'resets(app_latency_seconds[2m])',
  'changes(app_requests_total[1m])',
  'count(app_pod_info) by (node)',
  'absent_over_time(app_pod_info{pod="pod-3"}[10s])',
  'last_over_time(app_load[10s])',
  'max_over_time(app_load{n="2"}[30s]) - min_over_time(app_load{n="2"}[30s])',
  'sum by (job) (up)',
  'count({__name__=~".+", job="self"})',
  'quantile by (route) (0.5, avg_over_time(app_requests_total[30s]))',
  'stddev_over_time(prometheus_tsdb_head_series[1m])',
  'timestamp(app_load)',
]

/** Compares samples one by one, exemplars, metadata and queries. */
export async function compareAll(wanted: Asked, got: Asked, span: Span): Promise<Compared> {
  const differences: string[] = []
  let samples = 0
  for (const job of ['app', 'self']) {
    const range = span.to - span.from
    const query = `{job="${job}"}[${range}s]`
    const [left, right] = await Promise.all(
      [wanted, got].map(async (server) =>
        rawSeries(await ask(server, 'query', { query, time: span.to })),
      ),
    )
    samples += count(left!)
    differences.push(...seriesDifferences(query, left!, right!))
  }
  const exemplars = await bothOf(wanted, got, 'query_exemplars', {
    query: '{__name__=~"app_.+"}',
    start: span.exemplarsFrom,
    end: span.to,
  })
  const [known, found] = exemplars.map(exemplarsOf) as [string[], string[]]
  const has = new Set(found)
  const lacking = known.filter((one) => !has.has(one))
  if (lacking.length > 0) {
    differences.push(`${lacking.length} of ${known.length} exemplars are missing: ${lacking[0]}`)
  }
  for (const query of QUERIES) {
    const instant = await bothOf(wanted, got, 'query', { query, time: span.to - 2.5 })
    const params = { query, start: span.from + 60, end: span.to, step: 7 }
    const ranged = await bothOf(wanted, got, 'query_range', params)
    for (const [left, right] of [instant, ranged]) {
      const difference = answerDifference(left, right)
      if (difference !== '') differences.push(`${query}: ${difference}`)
    }
  }
  for (const path of ['labels', 'label/__name__/values', 'label/node/values', 'label/le/values']) {
    const [left, right] = await bothOf(wanted, got, path, { start: span.from, end: span.to })
    const [known, own] = [left, right] as [string[], string[]]
    const lacking = known.filter((value) => !own.includes(value))
    const extra = own.filter((value) => !known.includes(value))
    if (lacking.length + extra.length > 0) {
      differences.push(
        `${path} lacks ${lacking.join(' ')}, has ${extra.join(' ') || 'nothing'} more`,
      )
    }
  }
  const checked = `${samples} samples, ${known.length} exemplars, ${QUERIES.length * 2} answers`
  return { checked, differences }
}

type Row = Readonly<{
  metric: Readonly<Record<string, string>>
  value?: unknown
  values?: readonly unknown[]
  histogram?: unknown
  histograms?: readonly unknown[]
}>
/** Labels → its samples as text, in order. */
type Raw = ReadonlyMap<string, readonly string[]>

async function bothOf(wanted: Asked, got: Asked, path: string, params: ApiParams) {
  return (await Promise.all([ask(wanted, path, params), ask(got, path, params)])) as [
    unknown,
    unknown,
  ]
}

async function ask(server: Asked, path: string, params: ApiParams): Promise<unknown> {
  const answer = await callApi(server.base, path, params, { tenant: server.tenant })
  if (answer.status === 'success') return answer.data
  throw new Error(`${server.base} ${path} ${JSON.stringify(params)}: ${answer.error}`)
}

function rawSeries(data: unknown): Raw {
  const { result } = data as { result: readonly Row[] }
  return new Map(
    result.map(({ metric, values = [], histograms = [] }) => {
      const samples = [...values, ...histograms].map((sample) => JSON.stringify(sample))
      return [keyOf(metric), samples]
    }),
  )
}

function seriesDifferences(what: string, wanted: Raw, got: Raw): string[] {
  const found: string[] = []
  for (const [key, samples] of wanted) {
    const own = got.get(key)
    if (own === undefined) {
      found.push(`${what}: ${key} is missing with ${samples.length} samples`)
      continue
    }
    const has = new Set(own)
    const had = new Set(samples)
    const lacking = samples.filter((sample) => !has.has(sample))
    const extra = own.filter((sample) => !had.has(sample))
    if (lacking.length > 0) {
      found.push(`${what}: ${key} lacks ${lacking.length} of ${samples.length}: ${lacking[0]}`)
    }
    if (extra.length > 0) {
      found.push(`${what}: ${key} has ${extra.length} more: ${extra[0]}`)
    }
  }
  for (const [key, samples] of got) {
    if (!wanted.has(key)) found.push(`${what}: ${key} is too many, with ${samples.length} samples`)
  }
  return found
}

/** Vectors and matrices row by row, numbers to nine digits. */
function answerDifference(wanted: unknown, got: unknown): string {
  const [left, right] = [rowsOf(wanted), rowsOf(got)]
  for (const [key, row] of left) {
    const own = right.get(key)
    if (own === undefined) return `${key} is missing`
    if (own !== row) return `${key}: ${firstDifference(row, own)}`
  }
  for (const key of right.keys()) if (!left.has(key)) return `${key} is too many`
  return ''
}

function rowsOf(data: unknown): Map<string, string> {
  const { result } = data as { result: readonly Row[] }
  return new Map(
    result.map(({ metric, ...rest }) => [keyOf(metric), JSON.stringify(rest, rounded)]),
  )
}

/** Sums differ in their last digits by the order of their parts. */
function rounded(_: string, value: unknown): unknown {
  if (typeof value !== 'string' || value === '' || !Number.isFinite(Number(value))) return value
  return Number(value).toPrecision(9)
}

function firstDifference(wanted: string, got: string): string {
  let at = 0
  while (wanted[at] === got[at]) at++
  const from = Math.max(0, at - 40)
  return `…${got.slice(from, at + 60)}… instead of …${wanted.slice(from, at + 60)}…`
}

function exemplarsOf(data: unknown): string[] {
  const series = data as readonly {
    seriesLabels: Readonly<Record<string, string>>
    exemplars: readonly unknown[]
  }[]
  return series.flatMap(({ seriesLabels, exemplars }) =>
    exemplars.map((one) => `${keyOf(seriesLabels)} ${JSON.stringify(one)}`),
  )
}

function count(raw: Raw): number {
  return [...raw.values()].reduce((sum, samples) => sum + samples.length, 0)
}

function keyOf(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
}
