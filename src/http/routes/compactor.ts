/** Pages of the compactor: whose blocks there are, what it has to do, does, has done, could not do. */
import type { BlocksReport, ListedBlock } from '../../actors/compactor/contract.js'
import { fnv1 } from '../../shared/base/fnv.js'
import { ulidBytes } from '../../shared/base/ulid.js'
import { jsonReply } from '../errors.js'
import type { Front, HttpRequest, Reply } from '../handler.js'
import { escapeHtml, pageReply } from '../html.js'
import { tenantInPath } from '../tenant.js'
import { withCompactor } from './blocks.js'

/** GET /compactor/tenant/:tenant/planned_jobs */
export function plannedJobs(request: HttpRequest, front: Front): Promise<Reply> {
  const tenant = tenantInPath(request)
  return withCompactor(front, async ({ calls }) => {
    return jsonReply(200, { tenant, jobs: await calls.plannedJobs({ tenant }) })
  })
}

/** GET /debug/compactions: jobs that run or have run, blocks that cannot be compacted; of all compactors. */
export async function compactions(_request: HttpRequest, front: Front): Promise<Reply> {
  const indexes = Array.from({ length: front.backend.compactorCount }, (_, index) => index)
  const all = await Promise.all(
    indexes.map((index) => withCompactor(front, ({ calls }) => calls.compactions(), index)),
  )
  const jobs = all.flatMap((one, compactor) => one.jobs.map((job) => ({ ...job, compactor })))
  jobs.sort((a, b) => b.started - a.started)
  return jsonReply(200, { jobs, damaged: all.flatMap(({ damaged }) => damaged) })
}

/** GET /store-gateway/tenants, /compactor/tenants: tenants with blocks. */
export async function blockTenants(request: HttpRequest, front: Front): Promise<Reply> {
  const tenants = await front.backend.blockTenants()
  if (isJsonWanted(request)) return jsonReply(200, { tenants })
  const rows = tenants.map((tenant) => {
    const name = encodeURIComponent(tenant)
    const link = `${front.config.pathPrefix}/store-gateway/tenant/${name}/blocks`
    return `<li><a href="${escapeHtml(link)}">${escapeHtml(tenant)}</a></li>`
  })
  return pageReply('Tenants with blocks', ['<ul>', ...rows, '</ul>'])
}

/** GET /store-gateway/tenant/:tenant/blocks; `show_deleted`, `show_sources`, `show_parents`, `split_count`. */
export async function tenantBlocks(request: HttpRequest, front: Front): Promise<Reply> {
  const tenant = tenantInPath(request)
  const search = request.search()
  const report = await withCompactor(front, ({ calls }) => calls.tenantBlocks({ tenant }))
  const shows = (name: string): boolean => search.get(name) === 'on'
  const splits = Math.max(0, Number.parseInt(search.get('split_count') ?? '0', 10) || 0)
  const blocks = report.blocks
    .filter(({ deletion_time }) => deletion_time === undefined || shows('show_deleted'))
    .map(({ sources, parents, ...block }) => ({
      ...block,
      ...(splits > 0 ? { split: splitOf(block, splits) } : {}),
      ...(shows('show_sources') ? { sources } : {}),
      ...(shows('show_parents') ? { parents } : {}),
    }))
  if (isJsonWanted(request)) return jsonReply(200, { ...report, blocks })
  return blocksPage(report, blocks)
}

/** The group of a split into so many that a block is in. */
function splitOf({ block_id }: Pick<ListedBlock, 'block_id'>, count: number): string {
  return `${(fnv1(ulidBytes(block_id)) % count) + 1}_of_${count}`
}

type ShownBlock = Omit<ListedBlock, 'sources' | 'parents'> &
  Partial<Pick<ListedBlock, 'sources' | 'parents'>> & { readonly split?: string }

function blocksPage(report: BlocksReport, blocks: readonly ShownBlock[]): Reply {
  const cells = (block: ShownBlock): readonly (string | number)[] => [
    block.block_id,
    block.split ?? '',
    block.uploaded_at,
    block.min_time,
    block.max_time,
    `${block.duration_ms / 3_600_000} h`,
    block.level,
    block.shard,
    block.source,
    block.stats?.numSeries ?? '',
    block.stats?.numSamples ?? '',
    block.stats?.numChunks ?? '',
    marksOf(block),
    (block.sources ?? []).join(' '),
    (block.parents ?? []).join(' '),
  ]
  const head =
    'block,split,uploaded,from,to,duration,level,shard,source,series,samples,chunks,marks,sources,parents'
  const row = (tag: string, texts: readonly (string | number)[]): string =>
    `<tr>${texts.map((text) => `<${tag}>${escapeHtml(String(text))}</${tag}>`).join('')}</tr>`
  const partial = report.partial_blocks.map((ulid) => `<li>${escapeHtml(ulid)}</li>`)
  const lines = [
    `<p>${report.count} blocks${report.is_tenant_deleted ? '; the tenant is being deleted' : ''}</p>`,
    '<table>',
    row('th', head.split(',')),
    ...blocks.map((block) => row('td', cells(block))),
    '</table>',
    ...(partial.length === 0 ? [] : ['<h2>Without a description</h2><ul>', ...partial, '</ul>']),
  ]
  return pageReply(`Blocks of ${report.tenant}`, lines)
}

function marksOf({ deletion_time, no_compact, out_of_order }: ShownBlock): string {
  return [
    ...(deletion_time === undefined ? [] : [`deleted ${deletion_time}`]),
    ...(no_compact ? ['no compaction'] : []),
    ...(out_of_order ? ['out of order'] : []),
  ].join(', ')
}

function isJsonWanted({ incoming }: HttpRequest): boolean {
  return /json/.test(incoming.headers.accept ?? '')
}
