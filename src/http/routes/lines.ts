/**
 * Bodies of lines: Influx line protocol (POST /api/v1/push/influx/write, as Mimir) and Prometheus'
 * text format (POST /api/v1/import/prometheus, as VictoriaMetrics). They go to a distributor as
 * they came, behind the parameters of the URL.
 */
import type { LinesParameters } from '../../actors/distributor/contract.js'
import { fail } from '../../shared/errors/index.js'
import { BODY_INFLUX, BODY_TEXT } from '../../shared/wire/frames/index.js'
import { precisionOf } from '../../shared/wire/influx/index.js'
import { readBody } from '../bodies.js'
import { textReply } from '../errors.js'
import type { Front, HttpRequest, Reply } from '../handler.js'
import { compressionOf } from './compression.js'

const STORED: Reply = { status: 204 }

/** Stores Influx lines; 204, which Telegraf insists on. */
export async function influxWrite(request: HttpRequest, front: Front): Promise<Reply> {
  if (!front.config.influxEnabled) throw fail('not-found', { text: '404 page not found' })
  const text = request.search().get('precision') ?? ''
  const precision = precisionOf(text)
  if (precision === undefined) throw fail('bad-data', { text: `unknown precision ${text}` })
  return await store(request, front, BODY_INFLUX, { precision })
}

/** Stores samples in the text format. `timestamp` (ms) and `extra_label` (name=value) as parameters. */
export async function importText(request: HttpRequest, front: Front): Promise<Reply> {
  const search = request.search()
  const timestamp = search.get('timestamp')
  if (timestamp !== null && !/^-?\d{1,16}$/.test(timestamp)) {
    throw fail('bad-data', { text: `not a time in milliseconds: timestamp=${timestamp}` })
  }
  const extraLabels = search.getAll('extra_label').flatMap((label) => {
    const at = label.indexOf('=')
    if (at < 1) throw fail('bad-data', { text: `not name=value: extra_label=${label}` })
    return [label.slice(0, at), label.slice(at + 1)]
  })
  return await store(request, front, BODY_TEXT, {
    ...(timestamp === null ? {} : { now: Number(timestamp) }),
    ...(extraLabels.length === 0 ? {} : { extraLabels }),
  })
}

async function store(
  { incoming, tenant }: HttpRequest,
  front: Front,
  format: number,
  parameters: LinesParameters,
): Promise<Reply> {
  const { config, env } = front
  const flags = format | compressionOf(incoming.headers['content-encoding'])
  const ticket = front.admission.enter(tenant)
  try {
    const body = await readBody(incoming, {
      bytesMax: config.influxBytesMax,
      timeoutMs: config.readTimeoutMs,
      timers: env.timers,
      tooLarge: () =>
        fail('err-mimir-distributor-max-influx-request-size', { max: config.influxBytesMax }),
      admission: ticket,
    })
    const ahead = headOf(parameters)
    const pieces = [ahead, ...body.pieces]
    const length = ahead.length + body.length
    const answer = await front.distributors.push(tenant, pieces, length, flags)
    return answer.status === 200 ? STORED : textReply(answer.status, `${answer.text}\n`)
  } finally {
    ticket.leave()
  }
}

/** Parameters ahead of the lines: their length, u32, and they as JSON. */
function headOf(parameters: LinesParameters): Uint8Array {
  const json = Buffer.from(JSON.stringify(parameters))
  const head = Buffer.alloc(4 + json.length)
  head.writeUInt32LE(json.length)
  head.set(json, 4)
  return head
}
