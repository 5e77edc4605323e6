/**
 * OpenStack Swift by its own API. A token that has run out is fetched anew by the next try.
 * Source: OpenStack Object Storage API v1.
 */
import type { Disk, Env } from '../env/index.js'
import { fail } from '../errors/index.js'
import {
  type BucketBackend,
  type BucketPage,
  type ByteRange,
  collect,
  deleteEach,
  errorOfStatus,
  type FailedTry,
  type ListQuery,
  refused,
  unavailable,
} from './backend.js'
import type { BucketAttributes, BucketBody, BucketEntry } from './bucket.js'
import { sizeOf } from './filesystem.js'
import {
  announcedSize,
  closeHttp,
  drained,
  type HttpAnswer,
  type HttpRequest,
  sendHttp,
} from './http-client.js'
import { bytesOf, checkUpload, rangeHeaders, uploadOf } from './http-object.js'
import { BlockReader, type HttpOptions, readHttpBlock } from './http-options.js'
import { logIn, readLogin, type SwiftLogin, type SwiftSession } from './swift-auth.js'

/** Mimir's block `swift`, as the configuration has it. */
export interface SwiftConfig {
  readonly swift: unknown
}

/** Largest object that is not made of segments: Swift's own default limit. */
const PUT_SIZE_MAX = 5 * 1024 ** 3

/** @throws AppError `config-invalid` */
export function swiftBackend(
  config: SwiftConfig,
  env: Pick<Env, 'disk'>,
): { backend: BucketBackend; retriesMax: number } {
  const reader = new BlockReader(config.swift ?? {}, 'swift')
  const container = reader.text('container_name')
  const login = readLogin(reader)
  const retriesMax = reader.number('max_retries', 3)
  reader.duration('connect_timeout', 0)
  reader.duration('request_timeout', 0)
  const http = readHttpBlock(reader.block('http'), 'swift.http', env.disk)
  reader.end()
  if (container === '')
    throw fail('config-invalid', { text: 'swift.container_name: it is missing' })
  if (login.authUrl === '') throw fail('config-invalid', { text: 'swift.auth_url: it is missing' })
  return { backend: new SwiftBackend(container, login, http, env.disk), retriesMax }
}

class SwiftBackend implements BucketBackend {
  readonly name: string
  private readonly container: string
  private readonly login: SwiftLogin
  private readonly http: HttpOptions
  private readonly disk: Disk
  private session: Promise<SwiftSession> | undefined

  constructor(container: string, login: SwiftLogin, http: HttpOptions, disk: Disk) {
    this.name = `swift ${container}`
    this.container = encodeURIComponent(container)
    this.login = login
    this.http = http
    this.disk = disk
  }

  async get(key: string, range: ByteRange | undefined, signal: AbortSignal): Promise<Uint8Array> {
    const tried = this.tried('get', key)
    const headers = rangeHeaders(range)
    const answer = await this.send(tried, { method: 'GET', url: pathOf(key), headers, signal })
    return bytesOf(tried, answer, range, check)
  }

  async put(key: string, body: BucketBody, ifAbsent: boolean, signal: AbortSignal): Promise<void> {
    const tried = this.tried('put', key)
    const size = sizeOf(this.disk, body)
    if (size > PUT_SIZE_MAX) throw refused(tried, `${size} bytes are over ${PUT_SIZE_MAX}`)
    const upload = uploadOf(this.disk, body)
    const headers = { ...upload.headers, ...(ifAbsent ? { 'if-none-match': '*' } : {}) }
    const request: HttpRequest = { method: 'PUT', url: pathOf(key), ...upload, headers, signal }
    const answer = await this.send(tried, request)
    if (answer.status === 404)
      throw refused(tried, `there is no container: ${await drained(answer)}`)
    await checkUpload(tried, answer, ifAbsent, check)
  }

  delete(keys: readonly string[], signal: AbortSignal): Promise<void> {
    return deleteEach(keys, async (key) => {
      const tried = this.tried('delete', key)
      const answer = await this.send(tried, { method: 'DELETE', url: pathOf(key), signal })
      if (answer.status !== 404) await check(tried, answer)
      await drained(answer)
    })
  }

  async listPage(query: ListQuery, signal: AbortSignal): Promise<BucketPage> {
    const tried = this.tried('list', query.prefix)
    const parameters = new URLSearchParams({
      format: 'json',
      prefix: query.prefix,
      limit: String(query.limit),
      ...(query.delimiter === '' ? {} : { delimiter: query.delimiter }),
      ...(query.from === undefined ? {} : { marker: query.from }),
    })
    const answer = await this.send(tried, { method: 'GET', url: `?${parameters}`, signal })
    if (answer.status === 404)
      throw refused(tried, `there is no container: ${await drained(answer)}`)
    await check(tried, answer)
    if (answer.status === 204) {
      await drained(answer)
      return { entries: [] }
    }
    const bytes = await collect(tried, answer.body, announcedSize(answer))
    const entries = entriesOf(tried, Buffer.from(bytes).toString())
    // A full page may be the last: the one after it is then empty.
    if (entries.length < query.limit) return { entries }
    return { entries, next: entries.at(-1)!.key }
  }

  async attributes(key: string, signal: AbortSignal): Promise<BucketAttributes> {
    const tried = this.tried('attributes', key)
    const answer = await this.send(tried, { method: 'HEAD', url: pathOf(key), signal })
    await check(tried, answer)
    await drained(answer)
    return {
      size: announcedSize(answer) ?? 0,
      mtime: Date.parse(answer.headers['last-modified'] ?? '') || 0,
    }
  }

  close(): void {
    closeHttp(this.http)
  }

  private tried(operation: string, key: string): FailedTry {
    return { bucket: this.name, operation, key }
  }

  /** @param request.url below the container */
  private async send(tried: FailedTry, request: HttpRequest): Promise<HttpAnswer> {
    const pending = this.session ?? logIn(this.login, this.http, tried, request.signal)
    this.session = pending
    let session: SwiftSession
    try {
      session = await pending
    } catch (error) {
      if (this.session === pending) this.session = undefined
      throw error
    }
    const url = `${session.storageUrl}/${this.container}${request.url}`
    const headers = { ...request.headers, 'x-auth-token': session.token }
    const answer = await sendHttp(this.http, { ...request, url, headers })
    if (answer.status !== 401) return answer
    if (this.session === pending) this.session = undefined
    throw unavailable(tried, `the token has run out: ${await drained(answer)}`)
  }
}

function pathOf(key: string): string {
  return `/${key.split('/').map(encodeURIComponent).join('/')}`
}

async function check(tried: FailedTry, answer: HttpAnswer): Promise<void> {
  if (answer.status < 300) return
  throw errorOfStatus(tried, answer.status, await drained(answer))
}

function entriesOf(tried: FailedTry, text: string): BucketEntry[] {
  let found: { name?: string; subdir?: string; bytes?: number; last_modified?: string }[]
  try {
    found = JSON.parse(text)
  } catch (error) {
    throw unavailable(tried, 'the answer is no JSON', error)
  }
  return found.map(({ name, subdir, bytes, last_modified }) =>
    subdir === undefined
      ? { key: name ?? '', size: bytes ?? 0, mtime: Date.parse(`${last_modified}Z`) || 0 }
      : { key: subdir },
  )
}
