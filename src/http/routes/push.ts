/**
 * Remote write: POST /api/v1/push. Hot: the body is read from the Node request under bounds and
 * handed to a distributor as it came; nothing here looks inside it.
 */
import { fail } from '../../shared/errors/index.js'
import { readBody } from '../bodies.js'
import { textReply } from '../errors.js'
import type { Front, HttpRequest, Reply } from '../handler.js'

const PROTO_V1 = 'prometheus.WriteRequest'
const PROTO_V2 = 'io.prometheus.write.v2.Request'
const STORED: Reply = { status: 200 }

/** Stores one remote write 1.0 body; answers once it is in the log. */
export async function push(request: HttpRequest, front: Front): Promise<Reply> {
  const { incoming, tenant } = request
  checkContent(incoming.headers['content-type'], incoming.headers['content-encoding'])
  const { config, env } = front
  const ticket = front.admission.enter()
  try {
    const body = await readBody(incoming, {
      bytesMax: config.pushBytesMax,
      timeoutMs: config.readTimeoutMs,
      timers: env.timers,
      tooLarge: () =>
        fail('err-mimir-distributor-max-write-message-size', { max: config.pushBytesMax }),
      admission: ticket,
    })
    const answer = await front.backend.distributors.push(tenant, body.pieces, body.length)
    if (answer.status === 200) return STORED
    return textReply(answer.status, answer.text === '' ? '' : `${answer.text}\n`)
  } finally {
    ticket.leave()
  }
}

/**
 * Which protocol a push speaks: no type or any other media type is remote write 1.0, as in Mimir;
 * a `proto` parameter must name it.
 */
function checkContent(type: string | undefined, encoding: string | undefined): void {
  if (encoding !== undefined && encoding !== 'snappy' && !/^\s*(snappy\s*)?$/i.test(encoding)) {
    const text = `remote write bodies are snappy-compressed, got content encoding ${encoding}`
    throw fail('bad-data', { text })
  }
  // The two usual ones first.
  if (type === undefined || type === 'application/x-protobuf') return
  const [media, ...params] = type.split(';')
  if (media?.trim().toLowerCase() !== 'application/x-protobuf') return
  for (const param of params) {
    const match = /^\s*([\w-]+)\s*=\s*"?([^"]*?)"?\s*$/.exec(param)
    if (match === null) throw fail('bad-data', { text: `malformed content type ${type}` })
    if (match[1]!.toLowerCase() !== 'proto' || match[2] === PROTO_V1) continue
    if (match[2] === PROTO_V2) {
      const text = `remote write 2.0 (proto=${PROTO_V2}) is not supported; send ${PROTO_V1}`
      throw fail('content-type-unsupported', { text })
    }
    throw fail('bad-data', { text: `unknown remote write message type ${match[2]}` })
  }
}
