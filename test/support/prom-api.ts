/** The Prometheus HTTP API as a client sees it: calls, and whether two answers say the same. */

/** A decoded answer of the API. */
export interface ApiAnswer {
  readonly httpStatus: number
  readonly status: string
  readonly data?: unknown
  readonly errorType?: string
  readonly error?: string
  readonly warnings?: readonly string[]
  readonly infos?: readonly string[]
}

/** Parameters; a list is sent as a repeated one. */
export type ApiParams = Readonly<Record<string, string | number | readonly string[]>>

/** How to call. */
export interface CallOptions {
  readonly tenant?: string | undefined
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
}

/** @param base what stands before `/api/v1` */
export async function callApi(
  base: string,
  path: string,
  params: ApiParams = {},
  options: CallOptions = {},
): Promise<ApiAnswer> {
  const form = new URLSearchParams()
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) form.append(name, String(one))
  }
  const isPost = options.method === 'POST'
  const headers: Record<string, string> = { ...options.headers }
  if (options.tenant !== undefined) headers['X-Scope-OrgID'] = options.tenant
  if (isPost) headers['Content-Type'] = 'application/x-www-form-urlencoded'
  const query = isPost || form.size === 0 ? '' : `?${form}`
  const response = await fetch(`${base}/api/v1/${path}${query}`, {
    method: options.method ?? 'GET',
    headers,
    ...(isPost ? { body: form.toString() } : {}),
  })
  const text = await response.text()
  try {
    return { httpStatus: response.status, ...(JSON.parse(text) as Omit<ApiAnswer, 'httpStatus'>) }
  } catch {
    return { httpStatus: response.status, status: 'error', error: text.slice(0, 500) }
  }
}

/** A series of an answer, instant or range, as `time → text of the value`. */
export type Points = ReadonlyMap<number, string>

/** Label set (canonical JSON) → points, of a vector, matrix or scalar. */
export function seriesOf(data: unknown): Map<string, Points> {
  const { resultType, result } = data as { resultType: string; result: unknown }
  if (resultType === 'scalar' || resultType === 'string') {
    return new Map([[resultType, new Map([result as [number, string]])]])
  }
  const found = new Map<string, Points>()
  for (const series of result as RawSeries[]) {
    const key = labelKey(series.metric)
    if (found.has(key)) throw new Error(`the label set ${key} comes twice`)
    found.set(key, new Map(series.values ?? (series.value ? [series.value] : [])))
  }
  return found
}

interface RawSeries {
  readonly metric: Readonly<Record<string, string>>
  readonly value?: [number, string]
  readonly values?: [number, string][]
}

/** Canonical text of a label set. */
export function labelKey(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** '' when two query results have equal labels, times and values (relative 1e-9). */
export function differenceOf(wanted: unknown, got: unknown): string {
  const types = [wanted, got].map(
    (data) => (data as { resultType?: string } | undefined)?.resultType,
  )
  if (types[0] !== types[1]) return `result type ${types[1]}, not ${types[0]}`
  const left = seriesOf(wanted)
  const right = seriesOf(got)
  for (const key of right.keys()) if (!left.has(key)) return `a series too many: ${key}`
  for (const [key, points] of left) {
    const others = right.get(key)
    if (others === undefined) return `a series is missing: ${key}`
    for (const time of others.keys())
      if (!points.has(time)) return `${key}: a point too many at ${time}`
    for (const [time, value] of points) {
      const other = others.get(time)
      if (other === undefined) return `${key}: no point at ${time}`
      if (!isClose(parseValue(value), parseValue(other))) {
        return `${key} at ${time}: ${other}, not ${value}`
      }
    }
  }
  return ''
}

/** Values as the API writes them. */
export function parseValue(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY
  return text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text)
}

function isClose(a: number, b: number): boolean {
  if (Object.is(a, b) || a === b) return true
  return Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b))
}
