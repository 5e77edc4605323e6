/**
 * OTLP metrics: POST /otlp/v1/metrics. As with remote write the body goes to a distributor as it
 * came; answers are what OTLP senders expect: a response message that may tell of points refused,
 * or a google.rpc.Status, in the request's own content type.
 */
import type { PushAnswer } from '../../actors/distributor/contract.js'
import { type AppError, fail } from '../../shared/errors/index.js'
import { BODY_OTLP, BODY_OTLP_JSON } from '../../shared/wire/frames/index.js'
import { encodeFailure, encodeSuccess } from '../../shared/wire/otlp/index.js'
import { readBody } from '../bodies.js'
import { appErrorOf } from '../errors.js'
import type { Front, HttpRequest, Reply } from '../handler.js'
import { compressionOf } from './compression.js'

const PROTOBUF = 'application/x-protobuf'
const JSON_TYPE = 'application/json'

/** Stores one OTLP request; answers once it is in the log. */
export async function otlpMetrics(request: HttpRequest, front: Front): Promise<Reply> {
  const { headers } = request.incoming
  const media = headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  const isJson = media === JSON_TYPE
  try {
    if (!isJson && media !== PROTOBUF) {
      const text = `OTLP bodies are ${PROTOBUF} or ${JSON_TYPE}, got content type ${media ?? '(none)'}`
      throw fail('content-type-unsupported', { text })
    }
    const flags = (isJson ? BODY_OTLP_JSON : BODY_OTLP) | compressionOf(headers['content-encoding'])
    return replyOf(await store(request, front, flags), isJson)
  } catch (cause) {
    const error: AppError = appErrorOf(cause, front.env)
    return failure(error.row().status, error.message, isJson)
  }
}

async function store(request: HttpRequest, front: Front, flags: number): Promise<PushAnswer> {
  const { incoming, tenant } = request
  const { config, env } = front
  const ticket = front.admission.enter(tenant)
  try {
    const body = await readBody(incoming, {
      bytesMax: config.otlpBytesMax,
      timeoutMs: config.readTimeoutMs,
      timers: env.timers,
      tooLarge: () =>
        fail('err-mimir-distributor-max-otlp-request-size', { max: config.otlpBytesMax }),
      admission: ticket,
    })
    return await front.backend.distributors.push(tenant, body.pieces, body.length, flags)
  } finally {
    ticket.leave()
  }
}

function replyOf(answer: PushAnswer, isJson: boolean): Reply {
  if (answer.status >= 300) return failure(answer.status, answer.text, isJson)
  const { text, rejected = 0 } = answer
  const body = encodeSuccess(isJson, text === '' ? undefined : { rejected, text })
  return reply(answer.status, body, isJson)
}

/** OTLP senders come again on 502, 503 and 504 only, so every other 5xx is a 503. */
function failure(status: number, text: string, isJson: boolean): Reply {
  const told = status >= 500 ? 503 : status
  return reply(told, encodeFailure(isJson, told, text), isJson)
}

function reply(status: number, body: Uint8Array, isJson: boolean): Reply {
  const headers = {
    'content-type': isJson ? JSON_TYPE : PROTOBUF,
    'x-content-type-options': 'nosniff',
  }
  return { status, headers, body: [body] }
}
