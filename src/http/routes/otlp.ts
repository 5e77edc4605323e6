/**
 * OTLP metrics: POST /otlp/v1/metrics. As with remote write the body goes to a distributor as it
 * came; answers are what OTLP senders expect: a response message that may tell of points refused,
 * or a google.rpc.Status, in the request's own content type.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { PushAnswer } from '../../actors/distributor/contract.js'
import { fail } from '../../shared/errors/index.js'
import { BODY_FORMAT, BODY_OTLP, BODY_OTLP_JSON } from '../../shared/wire/frames/index.js'
import { encodeFailure, encodeSuccess } from '../../shared/wire/otlp/index.js'
import { appErrorOf } from '../errors.js'
import type { Reply } from '../handler.js'
import { type PushWay, pushHandler } from '../push-way.js'
import { compressionOf } from './compression.js'

const PROTOBUF = 'application/x-protobuf'
const JSON_TYPE = 'application/json'

/** OTLP requests, protobuf or JSON. */
export const OTLP: PushWay = {
  flagsOf: (headers) => {
    const media = mediaOf(headers)
    const isJson = media === JSON_TYPE
    if (!isJson && media !== PROTOBUF) {
      const text = `OTLP bodies are ${PROTOBUF} or ${JSON_TYPE}, got content type ${media ?? '(none)'}`
      throw fail('content-type-unsupported', { text })
    }
    return (isJson ? BODY_OTLP_JSON : BODY_OTLP) | compressionOf(headers['content-encoding'])
  },
  bounds: ({ config, env }) => ({
    bytesMax: config.otlpBytesMax,
    timeoutMs: config.readTimeoutMs,
    timers: env.timers,
    tooLarge: () =>
      fail('err-mimir-distributor-max-otlp-request-size', { max: config.otlpBytesMax }),
  }),
  replyOf: (answer, flags) => replyOf(answer, (flags & BODY_FORMAT) === BODY_OTLP_JSON),
  failed: (cause, { env }, headers) => {
    const error = appErrorOf(cause, env)
    return failure(error.row().status, error.message, mediaOf(headers) === JSON_TYPE)
  },
}

/** Stores one OTLP request; answers once it is in the log. */
export const otlpMetrics = pushHandler(OTLP)

function mediaOf(headers: IncomingHttpHeaders): string | undefined {
  return headers['content-type']?.split(';')[0]?.trim().toLowerCase()
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
