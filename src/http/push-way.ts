/** What ways in for pushes have in common: a body goes to a distributor as it came, and its answer back. */
import type { IncomingHttpHeaders } from 'node:http'
import type { PushAnswer } from '../actors/distributor/contract.js'
import { type Body, type BodyBounds, readBody } from './bodies.js'
import type { Front, Handler, Reply } from './handler.js'

/** What differs between protocols. */
export interface PushWay {
  /** BODY flags of a request, by its head. @throws AppError when its type is not taken */
  flagsOf(headers: IncomingHttpHeaders): number
  /** How large a body may be, and how long it may take. */
  bounds(front: Front): BodyBounds
  /** The distributors' answer to a body of these flags. */
  replyOf(answer: PushAnswer, flags: number): Reply
  /** What is said of a failure, once it is known who sends; without it what is said of any other. */
  failed?(error: unknown, front: Front, headers: IncomingHttpHeaders): Reply
}

/** Hands a whole body to the distributors; their answer as a reply, once it is in the log. */
async function pushBody(
  way: PushWay,
  front: Front,
  { tenant, flags, body }: { readonly tenant: string; readonly flags: number; readonly body: Body },
): Promise<Reply> {
  return way.replyOf(await front.distributors.push(tenant, body.pieces, body.length, flags), flags)
}

/** The handler of a way, for requests that come through Node's server. */
export function pushHandler(way: PushWay): Handler {
  const store: Handler = async ({ incoming, tenant }, front) => {
    const flags = way.flagsOf(incoming.headers)
    const ticket = front.admission.enter(tenant)
    try {
      const body = await readBody(incoming, { ...way.bounds(front), admission: ticket })
      return await pushBody(way, front, { tenant, flags, body })
    } finally {
      ticket.leave()
    }
  }
  if (way.failed === undefined) return store
  return async (request, front) => {
    try {
      return await store(request, front)
    } catch (error) {
      return way.failed!(error, front, request.incoming.headers)
    }
  }
}
