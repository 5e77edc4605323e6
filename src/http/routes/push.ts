/**
 * Remote write: POST /api/v1/push. Hot: the body is read under bounds and handed to a distributor as it
 * came; nothing here looks inside it.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { fail } from '../../shared/errors/index.js'
import { BODY_V2, type WrittenCounts } from '../../shared/wire/frames/index.js'
import { textReply } from '../errors.js'
import type { Reply } from '../handler.js'
import { type PushWay, pushHandler } from '../push-way.js'

const PROTOBUF = 'application/x-protobuf'
const PROTO_V1 = 'prometheus.WriteRequest'
const PROTO_V2 = 'io.prometheus.write.v2.Request'
const STORED: Reply = { status: 200 }

/** Bodies of remote write, 1.0 or 2.0. */
export const REMOTE_WRITE: PushWay = {
  flagsOf: (headers) => (isVersion2(headers) ? BODY_V2 : 0),
  bounds: ({ config, env }) => ({
    bytesMax: config.pushBytesMax,
    timeoutMs: config.readTimeoutMs,
    timers: env.timers,
    tooLarge: () =>
      fail('err-mimir-distributor-max-write-message-size', { max: config.pushBytesMax }),
  }),
  replyOf: ({ status, text, written }, flags) => {
    const isV2 = flags === BODY_V2
    if (!isV2 && status === 200) return STORED
    const reply = status === 200 ? STORED : textReply(status, text === '' ? '' : `${text}\n`)
    return isV2 ? withWritten(reply, written) : reply
  },
}

/** Stores one remote write body; answers once it is in the log. */
export const push = pushHandler(REMOTE_WRITE)

/** Remote write 2.0 tells the sender what was stored, whatever the answer. */
function withWritten(reply: Reply, written: WrittenCounts | undefined): Reply {
  return {
    ...reply,
    headers: {
      ...reply.headers,
      'X-Prometheus-Remote-Write-Samples-Written': String(written?.samples ?? 0),
      'X-Prometheus-Remote-Write-Histograms-Written': String(written?.histograms ?? 0),
      'X-Prometheus-Remote-Write-Exemplars-Written': String(written?.exemplars ?? 0),
    },
  }
}

/**
 * Whether a push speaks remote write 2.0. No type, or one without a `proto` parameter, is 1.0;
 * everything else is refused with 415, as the specification asks (Mimir answers 400, or takes it).
 */
function isVersion2(headers: IncomingHttpHeaders): boolean {
  const { 'content-type': type, 'content-encoding': encoding } = headers
  if (encoding !== undefined && encoding !== 'snappy' && !/^\s*(snappy\s*)?$/i.test(encoding)) {
    const text = `remote write bodies are snappy-compressed, got content encoding ${encoding}`
    throw fail('content-type-unsupported', { text })
  }
  // The usual one first.
  if (type === undefined || type === PROTOBUF) return false
  const [media, ...params] = type.split(';')
  if (media?.trim().toLowerCase() !== PROTOBUF) {
    const text = `remote write bodies are ${PROTOBUF}, got content type ${type}`
    throw fail('content-type-unsupported', { text })
  }
  let isV2 = false
  for (const param of params) {
    const match = /^\s*([\w-]+)\s*=\s*"?([^"]*?)"?\s*$/.exec(param)
    if (match === null) throw fail('bad-data', { text: `malformed content type ${type}` })
    if (match[1]!.toLowerCase() !== 'proto' || match[2] === PROTO_V1) continue
    if (match[2] !== PROTO_V2) {
      const text = `unknown remote write message type ${match[2]}`
      throw fail('content-type-unsupported', { text })
    }
    isV2 = true
  }
  return isV2
}
