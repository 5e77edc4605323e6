/**
 * The block `http` that Mimir's remote buckets have in common: TLS, idle connections, how long a
 * server may think. Read into what Node's agents take.
 */
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { parseGoDuration } from '../base/go-duration.js'
import type { Disk } from '../env/index.js'
import { fail } from '../errors/index.js'

/** The block as the configuration has it, whatever YAML that is. */
export type HttpBlock = unknown

/** The block, read. */
export interface HttpOptions {
  /** How long a server may take to begin its answer. */
  readonly headerTimeoutMs: number
  readonly agents: { readonly http: HttpAgent; readonly https: HttpsAgent }
}

const HEADER_TIMEOUT_MS = 120_000
const IDLE_MS = 90_000
const IDLE_CONNECTIONS_MAX = 100
/** Connections of one thread to one bucket; requests over that wait for one. */
const CONNECTIONS_MAX = 64

/** Keys that say how Go's transport behaves in ways that Node's has no counterpart for. */
const WITHOUT_EFFECT = new Set(['tls_handshake_timeout', 'expect_continue_timeout'])

/**
 * Reads the block.
 *
 * @param key named in errors: `blocks_storage.s3.http`
 * @throws AppError `config-invalid` for keys and values that are not known
 */
export function readHttpBlock(block: HttpBlock, key: string, disk: Disk): HttpOptions {
  const reader = new BlockReader(block ?? {}, key)
  const headerTimeoutMs = reader.duration('response_header_timeout', HEADER_TIMEOUT_MS)
  const timeout = reader.duration('idle_conn_timeout', IDLE_MS)
  const maxFreeSockets = reader.number('max_idle_connections_per_host', 0) || IDLE_CONNECTIONS_MAX
  reader.number('max_idle_connections', 0)
  const maxSockets = reader.number('max_connections_per_host', 0) || CONNECTIONS_MAX
  const isSkipping = reader.flag('insecure_skip_verify')
  const tls: Record<string, unknown> = { rejectUnauthorized: !isSkipping }
  const files = { tls_ca_path: 'ca', tls_cert_path: 'cert', tls_key_path: 'key' }
  for (const [name, option] of Object.entries(files)) {
    const path = reader.text(name)
    if (path !== '') tls[option] = Buffer.from(disk.readFile(path))
  }
  const serverName = reader.text('tls_server_name')
  if (serverName !== '') tls['servername'] = serverName
  reader.end()
  const options = { keepAlive: true, maxSockets, maxFreeSockets, timeout }
  const agents = { http: new HttpAgent(options), https: new HttpsAgent({ ...options, ...tls }) }
  return { headerTimeoutMs: headerTimeoutMs === 0 ? HEADER_TIMEOUT_MS : headerTimeoutMs, agents }
}

/** Reads a free-form block key by key, and complains about what was not asked for. */
export class BlockReader {
  private readonly values: Map<string, unknown>
  private readonly key: string

  constructor(block: unknown, key: string) {
    if (typeof block !== 'object' || block === null || Array.isArray(block)) {
      throw fail('config-invalid', { text: `${key}: expected a block of keys` })
    }
    this.values = new Map(Object.entries(block))
    this.key = key
  }

  text(name: string, otherwise = ''): string {
    const value = this.take(name)
    if (value === undefined || value === null) return otherwise
    if (typeof value === 'string' || typeof value === 'number') return String(value)
    throw this.wrong(name, value, 'a text')
  }

  number(name: string, otherwise: number): number {
    const value = this.take(name)
    if (value === undefined) return otherwise
    const number = Number(value)
    if (typeof value !== 'boolean' && Number.isSafeInteger(number) && number >= 0) return number
    throw this.wrong(name, value, 'a whole number')
  }

  flag(name: string): boolean {
    const value = this.take(name)
    if (value === undefined || value === false || value === 'false') return false
    if (value === true || value === 'true') return true
    throw this.wrong(name, value, 'true or false')
  }

  /** Milliseconds. */
  duration(name: string, otherwise: number): number {
    const value = this.take(name)
    if (value === undefined) return otherwise
    const ms = parseGoDuration(String(value))
    if (ms !== undefined && ms >= 0) return ms
    throw this.wrong(name, value, 'a duration such as 30s')
  }

  /** A block below, taken as it is. */
  block(name: string): unknown {
    return this.take(name)
  }

  /** All keys must have been read. */
  end(): void {
    for (const name of this.values.keys()) {
      if (WITHOUT_EFFECT.has(name)) continue
      throw fail('config-invalid', { text: `${this.key}.${name}: there is no such key` })
    }
  }

  private take(name: string): unknown {
    const value = this.values.get(name)
    this.values.delete(name)
    return value
  }

  private wrong(name: string, value: unknown, expected: string): Error {
    const text = `${this.key}.${name}: expected ${expected}, got ${JSON.stringify(value)}`
    return fail('config-invalid', { text })
  }
}
