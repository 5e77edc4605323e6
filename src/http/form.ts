/** Small bodies of requests: forms, and what the query API is posted. */
import { fail } from '../shared/errors/index.js'
import { readBody } from './bodies.js'
import type { Front, HttpRequest } from './handler.js'
import { Params } from './params.js'

/** URL parameters, at once, and, of a POST or PUT, the form in its body. */
export function readForm(request: HttpRequest, front: Front): Params | Promise<Params> {
  const { method } = request.incoming
  if (method === 'POST' || method === 'PUT') return readPosted(request, front)
  return new Params(request.search())
}

async function readPosted(request: HttpRequest, front: Front): Promise<Params> {
  const { incoming } = request
  const body = await readSmallBody(request, front)
  const type = incoming.headers['content-type'] ?? ''
  if (!/^\s*application\/x-www-form-urlencoded\s*(;|$)/i.test(type)) {
    return new Params(request.search())
  }
  const form = new URLSearchParams(Buffer.concat(body.pieces).toString('utf8'))
  return new Params(form, request.search())
}

/** A body of the size that queries may have. */
export function readSmallBody(
  { incoming }: HttpRequest,
  { config, env }: Front,
): ReturnType<typeof readBody> {
  return readBody(incoming, {
    bytesMax: config.formBytesMax,
    timeoutMs: config.readTimeoutMs,
    timers: env.timers,
    tooLarge: () => fail('body-too-large', { max: config.formBytesMax }),
  })
}
