/**
 * Prometheus' deletion of series, for a tenant: what is in heads is cut to blocks, then the blocks get
 * tombstones. With `dry_run=true` nothing is done, and the answer says what would go.
 */
import { fail } from '../../shared/errors/index.js'
import { jsonReply } from '../errors.js'
import { readForm } from '../form.js'
import type { Front, HttpRequest, Reply } from '../handler.js'
import { MAX_TIME_MS, MIN_TIME_MS, timeParam } from '../params.js'
import { withCompactor } from './blocks.js'

/** POST, PUT /api/v1/admin/tsdb/delete_series */
export async function deleteSeries(request: HttpRequest, front: Front): Promise<Reply> {
  const { tenant } = request
  const { backend } = front
  const params = await readForm(request, front)
  const texts = params.all('match[]')
  if (texts.length === 0) throw fail('bad-data', { text: 'no match[] parameter provided' })
  const mint = timeParam(params, 'start', MIN_TIME_MS)
  const maxt = timeParam(params, 'end', MAX_TIME_MS)
  const isDry = isTrue(params.get('dry_run'))
  return await withCompactor(front, async ({ calls }) => {
    const selectors = await calls.parseSelectors(texts)
    const deletion = { tenant, selectors, mint, maxt }
    if (isDry) {
      const seriesInHeads = await backend.cutSeries({ ...deletion, isDry })
      const blocks = await calls.previewDeletion(deletion)
      const rows = blocks.map(({ ulid, minTime, maxTime, series, chunks }) => {
        return { block: ulid, min_time: minTime, max_time: maxTime, series, chunks }
      })
      return jsonReply(200, {
        status: 'success',
        data: { series_in_heads: seriesInHeads, blocks: rows },
      })
    }
    const end = backend.beginDeletion(deletion)
    try {
      await backend.cutSeries({ ...deletion, isDry })
      await calls.deleteSeries(deletion)
    } finally {
      end()
    }
    return { status: 204 }
  })
}

/** POST, PUT /api/v1/admin/tsdb/clean_tombstones */
export function cleanTombstones({ tenant }: HttpRequest, front: Front): Promise<Reply> {
  return withCompactor(front, async ({ calls }) => {
    await calls.cleanTombstones({ tenant })
    return { status: 204 }
  })
}

function isTrue(text: string): boolean {
  if (text === '' || text === 'false') return false
  if (text === 'true') return true
  throw fail('bad-data', { text: 'invalid parameter "dry_run": it is true or false' })
}
