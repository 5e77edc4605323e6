/** Sends the requests of `nilo bench` over connections that are kept. */
import { Agent, request } from 'node:http'
import type { WriteProtocol } from '../shared/wire/remote-write/index.js'

/** Where to push, and which message. */
export interface PushTarget {
  readonly url: URL
  readonly protocol: WriteProtocol
}

const CONTENT_TYPES: Record<WriteProtocol, string> = {
  '1.0': 'application/x-protobuf',
  '2.0': 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
}
const VERSIONS: Record<WriteProtocol, string> = { '1.0': '0.1.0', '2.0': '2.0.0' }
const TIMEOUT_MS = 30_000

/** A client of one server. */
export class Sender {
  private readonly target: PushTarget
  private readonly agent: Agent

  constructor(target: PushTarget, connections: number) {
    this.target = target
    this.agent = new Agent({ keepAlive: true, maxSockets: connections })
  }

  /** Sends one body; its status, 0 when no answer came. */
  send(tenant: string, body: Uint8Array): Promise<number> {
    const { url, protocol } = this.target
    const headers: Record<string, string | number> = {
      'content-type': CONTENT_TYPES[protocol],
      'content-encoding': 'snappy',
      'content-length': body.length,
      'x-prometheus-remote-write-version': VERSIONS[protocol],
      'user-agent': 'nilo-bench',
    }
    if (tenant !== '') headers['x-scope-orgid'] = tenant
    return new Promise((resolve) => {
      const call = request(
        url,
        { method: 'POST', agent: this.agent, headers, timeout: TIMEOUT_MS },
        (response) => {
          response.resume()
          response.on('end', () => resolve(response.statusCode ?? 0))
          response.on('error', () => resolve(0))
        },
      )
      call.on('timeout', () => call.destroy())
      call.on('error', () => resolve(0))
      call.end(body)
    })
  }

  close(): void {
    this.agent.destroy()
  }
}
