/** Pages of the compactor: what it has to do, does, has done, and could not do. */
import { jsonReply } from '../errors.js'
import type { Front, HttpRequest, Reply } from '../handler.js'
import { withCompactor } from './blocks.js'

/** GET /compactor/tenant/:tenant/planned_jobs */
export function plannedJobs(request: HttpRequest, front: Front): Promise<Reply> {
  const tenant = request.param('tenant')
  return withCompactor(front, async ({ calls }) => {
    return jsonReply(200, { tenant, jobs: await calls.plannedJobs({ tenant }) })
  })
}

/** GET /debug/compactions: jobs that run or have run, blocks that cannot be compacted. */
export function compactions(_request: HttpRequest, front: Front): Promise<Reply> {
  return withCompactor(front, async ({ calls }) => jsonReply(200, await calls.compactions()))
}
