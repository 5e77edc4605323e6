/**
 * Mimir's cardinality API: how many values and series labels have, and which series are active.
 * What a tenant may ask of it the querier knows; here parameters are read.
 */
import type { QueryOf } from '../../actors/querier/contract.js'
import { quoteGo } from '../../shared/base/go-string.js'
import { fail } from '../../shared/errors/index.js'
import { readParams } from '../blocked.js'
import type { Front, HttpRequest, Reply } from '../handler.js'
import { invalidParam, type Params, parseInteger } from '../params.js'
import { runQuery } from './query.js'

/** Mimir's name for framed snappy, and not with q=0. */
const FRAMED = /(?:^|,)\s*x-snappy-framed\s*(?:;(?!\s*q=0(?:\.0*)?\s*(?:,|$))|,|$)/i

/** GET, POST /api/v1/cardinality/label_names: names with the most values. */
export async function labelNames(request: HttpRequest, front: Front): Promise<Reply> {
  const params = await readParams(request, front)
  return runQuery(request, front, { ...questionOf(params), of: 'label-names' })
}

/** GET, POST /api/v1/cardinality/label_values: values with the most series. */
export async function labelValues(request: HttpRequest, front: Front): Promise<Reply> {
  const params = await readParams(request, front)
  const names = [...new Set(params.all('label_names[]'))]
  if (names.length === 0) throw fail('bad-data', { text: 'no label_names[] parameter provided' })
  const empty = names.find((name) => name === '')
  if (empty !== undefined) throw invalidParam('label_names[]', 'a label name is not empty')
  return runQuery(request, front, { ...questionOf(params), of: 'label-values', names })
}

/** GET, POST /api/v1/cardinality/active_series: series that had samples of late; framed snappy where that is taken. */
export function activeSeries(request: HttpRequest, front: Front): Promise<Reply> {
  const accepted = request.incoming.headers['accept-encoding'] ?? ''
  return active(request, front, 'active-series', FRAMED.test(`${accepted}`))
}

/** GET, POST /api/v1/cardinality/active_native_histogram_metrics: of those series' histograms. */
export function activeNativeHistograms(request: HttpRequest, front: Front): Promise<Reply> {
  return active(request, front, 'active-native-histograms')
}

async function active(
  request: HttpRequest,
  front: Front,
  of: QueryOf<'cardinality'>['of'],
  isFramed = false,
): Promise<Reply> {
  const question = { ...questionOf(await readParams(request, front)), of, isFramed }
  if (question.selector === '') throw fail('bad-data', { text: 'no selector parameter provided' })
  return runQuery(request, front, question)
}

function questionOf(params: Params): Omit<QueryOf<'cardinality'>, 'of'> {
  const selectors = params.all('selector')
  if (selectors.length > 1) throw invalidParam('selector', 'there may be one')
  const selector = selectors[0] ?? ''
  const method = params.get('count_method')
  if (method !== '' && method !== 'inmemory' && method !== 'active') {
    throw invalidParam('count_method', `${quoteGo(method)} is neither inmemory nor active`)
  }
  const text = params.get('limit')
  const limit = text === '' ? undefined : parseInteger(text)
  if (text !== '' && limit === undefined) {
    throw invalidParam('limit', `${quoteGo(text)} is not a whole number`)
  }
  const isActive = method === 'active'
  return { kind: 'cardinality', selector, isActive, isFramed: false, names: [], limit }
}
