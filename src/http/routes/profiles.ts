/**
 * Profiles of the process, in place of Go's: what runs or allocates on a thread for a while, and what the
 * threads' heaps hold. For operators.
 */
import type { ProfileKind } from '../../shared/actor/index.js'
import { fail } from '../../shared/errors/index.js'
import { jsonReply, textReply } from '../errors.js'
import type { Front, HttpRequest, Reply } from '../handler.js'
import { parseInteger } from '../params.js'

/** As Go's. */
const SECONDS_DEFAULT = 30
const SECONDS_MAX = 60

/** GET /debug/pprof/: what can be asked of which threads. */
export function pprofIndex(_request: HttpRequest, front: Front): Reply {
  return textReply(
    200,
    [
      'profile?thread=T&seconds=N  what runs on a thread, a .cpuprofile for Chrome or VS Code',
      'allocs?thread=T&seconds=N   what is allocated on it meanwhile, a .heapprofile',
      'heap                        what the process and the heaps of its threads hold, JSON',
      '',
      `threads: ${front.backend.profiles.names().join(' ')}`,
      '',
    ].join('\n'),
  )
}

/** GET /debug/pprof/profile */
export function cpuProfile(request: HttpRequest, front: Front): Promise<Reply> {
  return profile(request, front, 'cpu', 'cpuprofile')
}

/** GET /debug/pprof/allocs */
export function allocations(request: HttpRequest, front: Front): Promise<Reply> {
  return profile(request, front, 'allocations', 'heapprofile')
}

/** GET /debug/pprof/heap */
export async function heap(_request: HttpRequest, front: Front): Promise<Reply> {
  return jsonReply(200, await front.backend.profiles.heap())
}

async function profile(
  request: HttpRequest,
  front: Front,
  kind: ProfileKind,
  suffix: string,
): Promise<Reply> {
  const search = request.search()
  const text = search.get('seconds')
  const seconds = text === null ? SECONDS_DEFAULT : parseInteger(text)
  if (seconds === undefined || seconds < 1 || seconds > SECONDS_MAX) {
    throw fail('bad-data', { text: `seconds is to be a whole number from 1 to ${SECONDS_MAX}` })
  }
  const thread = search.get('thread') ?? 'main'
  const options = { kind, thread, ms: seconds * 1_000, signal: request.signal() }
  const body = await front.backend.profiles.take(options)
  const headers = {
    'content-type': 'application/json',
    'content-disposition': `attachment; filename="${thread.replace('/', '-')}.${suffix}"`,
  }
  return { status: 200, headers, body, compress: true }
}
