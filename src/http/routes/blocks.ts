/**
 * What tenants do with whole blocks: upload them (Mimir's block upload API), and delete all they
 * have. The compactor does it; bytes of a file pass through in pieces, each awaited.
 */
import type { CompactorDesk } from '../../actors/compactor/client.js'
import { transferring } from '../../shared/actor/index.js'
import { AppError, fail } from '../../shared/errors/index.js'
import { isUlid } from '../../shared/tsdb/index.js'
import { readBody } from '../bodies.js'
import { jsonReply } from '../errors.js'
import type { Front, HttpRequest, Reply } from '../handler.js'
import { MAX_TIME_MS, MIN_TIME_MS } from '../params.js'

const META_BYTES_MAX = 1024 * 1024
const PIECE_BYTES = 1024 * 1024
/** No matcher: every series. */
const ALL_SERIES = { selectors: [[]], mint: MIN_TIME_MS, maxt: MAX_TIME_MS }
/** The answer of a step that went well. */
const DONE: Reply = { status: 200 }

/**
 * POST /compactor/delete_tenant: what the tenant has is not seen any more when it is answered, that in
 * heads neither. What is pushed afterwards is, until it is in blocks.
 */
export function deleteTenant({ tenant }: HttpRequest, front: Front): Promise<Reply> {
  return withCompactor(front, async ({ calls }) => {
    await calls.deleteTenant({ tenant })
    await front.backend.cutSeries({ ...ALL_SERIES, tenant, isDry: false })
    await calls.forgetTenant({ tenant })
    return DONE
  })
}

/** GET /compactor/delete_tenant_status */
export function deleteTenantStatus({ tenant }: HttpRequest, front: Front): Promise<Reply> {
  return withCompactor(front, async ({ calls }) => {
    const { areBlocksDeleted } = await calls.tenantDeletionStatus({ tenant })
    return jsonReply(200, { tenant_id: tenant, blocks_deleted: areBlocksDeleted })
  })
}

/** POST /api/v1/upload/block/:block/start */
export function startUpload(request: HttpRequest, front: Front): Promise<Reply> {
  return withCompactor(front, async ({ calls }) => {
    const block = blockOf(request)
    const { pieces, length } = await readBody(request.incoming, {
      bytesMax: META_BYTES_MAX,
      timeoutMs: front.config.readTimeoutMs,
      timers: front.env.timers,
      tooLarge: () => fail('body-too-large', { max: META_BYTES_MAX }),
    })
    if (length === 0)
      throw fail('bad-data', { text: 'the body is to be the meta.json of the block' })
    await calls.startUpload(block, new Uint8Array(Buffer.concat(pieces)))
    return DONE
  })
}

/** POST /api/v1/upload/block/:block/files?path= */
export function uploadFile(request: HttpRequest, front: Front): Promise<Reply> {
  return withCompactor(front, async (desk) => {
    const block = blockOf(request)
    const path = request.search().get('path') ?? ''
    if (path === '') throw fail('bad-data', { text: 'missing or invalid file path' })
    const declared = request.incoming.headers['content-length']
    if (declared === undefined) throw fail('bad-data', { text: 'Content-Length is needed' })
    const file = await desk.calls.beginUploadFile(block, path, Number(declared))
    try {
      await sendParts(request, front, desk, file)
      await desk.calls.endUploadFile(file)
    } catch (error) {
      await desk.calls.abortUploadFile(file).catch((cause: unknown) => {
        front.env.log.debug('an upload could not be given up', { err: String(cause) })
      })
      throw error
    }
    return DONE
  })
}

/** POST /api/v1/upload/block/:block/finish */
export function finishUpload(request: HttpRequest, front: Front): Promise<Reply> {
  return withCompactor(front, async ({ calls }) => {
    await calls.finishUpload(blockOf(request))
    return DONE
  })
}

/** GET /api/v1/upload/block/:block/check */
export function checkUpload(request: HttpRequest, front: Front): Promise<Reply> {
  return withCompactor(front, async ({ calls }) => {
    return jsonReply(200, await calls.checkUpload(blockOf(request)))
  })
}

/** Gathers Node's chunks to pieces worth a message; the next is read when this one is on disk. */
async function sendParts(
  { incoming }: HttpRequest,
  { config, env }: Front,
  { calls }: CompactorDesk,
  file: number,
): Promise<void> {
  const cut = () => incoming.destroy(new Error('no byte in time'))
  let timer = env.timers.after(config.readTimeoutMs, cut)
  let parts: Uint8Array[] = []
  let length = 0
  const send = async () => {
    const piece = new Uint8Array(length)
    let at = 0
    for (const part of parts) {
      piece.set(part, at)
      at += part.length
    }
    parts = []
    length = 0
    await calls.putUploadPart(file, transferring(piece, [piece.buffer]))
  }
  try {
    for await (const part of incoming as AsyncIterable<Uint8Array>) {
      timer.cancel()
      parts.push(part)
      length += part.length
      if (length >= PIECE_BYTES) await send()
      timer = env.timers.after(config.readTimeoutMs, cut)
    }
  } catch (error) {
    if (error instanceof AppError) throw error
    throw fail('body-incomplete', {}, error)
  } finally {
    timer.cancel()
  }
  if (length > 0) await send()
}

function blockOf(request: HttpRequest): { tenant: string; ulid: string } {
  const ulid = request.param('block')
  if (!isUlid(ulid)) throw fail('bad-data', { text: `invalid block ID: ${ulid}` })
  return { tenant: request.tenant, ulid }
}

/** Runs a question to a compactor over a connection of its own. @throws AppError `actor-down` */
export async function withCompactor<T>(
  front: Front,
  run: (desk: CompactorDesk) => Promise<T>,
  index = 0,
): Promise<T> {
  const desk = front.backend.findCompactor(index)
  if (desk === undefined) throw fail('actor-down', { actor: `compactor/${index}` })
  try {
    return await run(desk)
  } finally {
    desk.close()
  }
}
