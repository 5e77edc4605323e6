/**
 * Google Cloud Storage by its JSON API: media uploads, `alt=media` reads, listings with prefix and
 * delimiter, put-if-absent as generation 0. Tokens come from google-auth-library: the configured
 * service account, else what the environment offers (file of GOOGLE_APPLICATION_CREDENTIALS,
 * workload identity, metadata server). Loaded when the first such bucket opens.
 */
import { GoogleAuth } from 'google-auth-library'
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
import {
  announcedSize,
  closeHttp,
  drained,
  type HttpAnswer,
  type HttpRequest,
  sendHttp,
} from './http-client.js'
import { bytesOf, checkUpload, rangeHeaders, uploadOf } from './http-object.js'
import { type HttpOptions, readHttpBlock } from './http-options.js'

/** Mimir's keys of the block `gcs`, and one of ours for the address. */
export interface GcsConfig {
  readonly 'gcs.bucket_name': string
  readonly 'gcs.service_account': string
  readonly 'gcs.endpoint': string
  readonly 'gcs.http': unknown
}

const ENDPOINT = 'https://storage.googleapis.com'
const SCOPE = 'https://www.googleapis.com/auth/devstorage.read_write'

/** @throws AppError `config-invalid` */
export function gcsBackend(config: GcsConfig, env: Pick<Env, 'disk'>): BucketBackend {
  const bucket = config['gcs.bucket_name']
  const http = readHttpBlock(config['gcs.http'], 'gcs.http', env.disk)
  return new GcsBackend(config, bucket, http, env.disk)
}

/** Where a token comes from; undefined where none is needed. */
type TokenSource = (() => Promise<string>) | undefined

function tokenSource(config: GcsConfig): TokenSource {
  const account = config['gcs.service_account']
  if (account === '' && config['gcs.endpoint'] !== '') return undefined
  let auth: GoogleAuth
  try {
    const credentials = account === '' ? {} : { credentials: JSON.parse(account) }
    auth = new GoogleAuth({ scopes: [SCOPE], ...credentials })
  } catch (error) {
    const text = 'gcs.service_account: expected the JSON of a service account key'
    throw fail('config-invalid', { text }, error)
  }
  return async () => (await auth.getAccessToken()) ?? ''
}

class GcsBackend implements BucketBackend {
  readonly name: string
  private readonly base: string
  private readonly path: string
  private readonly token: TokenSource
  private readonly http: HttpOptions
  private readonly disk: Disk

  constructor(config: GcsConfig, bucket: string, http: HttpOptions, disk: Disk) {
    this.name = `gcs ${bucket}`
    this.base = config['gcs.endpoint'].replace(/\/+$/, '') || ENDPOINT
    this.path = `/storage/v1/b/${encodeURIComponent(bucket)}/o`
    this.token = tokenSource(config)
    this.http = http
    this.disk = disk
  }

  async get(key: string, range: ByteRange | undefined, signal: AbortSignal): Promise<Uint8Array> {
    const tried = this.tried('get', key)
    const url = `${this.urlOf(key)}?alt=media`
    const headers = rangeHeaders(range)
    const answer = await this.send(tried, { method: 'GET', url, headers, signal })
    return bytesOf(tried, answer, range, check)
  }

  async put(key: string, body: BucketBody, ifAbsent: boolean, signal: AbortSignal): Promise<void> {
    const tried = this.tried('put', key)
    const name = encodeURIComponent(key)
    const condition = ifAbsent ? '&ifGenerationMatch=0' : ''
    const url = `${this.base}/upload${this.path}?uploadType=media&name=${name}${condition}`
    const upload = uploadOf(this.disk, body)
    const answer = await this.send(tried, { method: 'POST', url, ...upload, signal })
    await checkUpload(tried, answer, ifAbsent, check)
  }

  delete(keys: readonly string[], signal: AbortSignal): Promise<void> {
    return deleteEach(keys, async (key) => {
      const tried = this.tried('delete', key)
      const answer = await this.send(tried, { method: 'DELETE', url: this.urlOf(key), signal })
      if (answer.status !== 404) await check(tried, answer)
      await drained(answer)
    })
  }

  async listPage(query: ListQuery, signal: AbortSignal): Promise<BucketPage> {
    const tried = this.tried('list', query.prefix)
    const parameters = new URLSearchParams({
      prefix: query.prefix,
      maxResults: String(query.limit),
      fields: 'items(name,size,updated),prefixes,nextPageToken',
      ...(query.delimiter === '' ? {} : { delimiter: query.delimiter }),
      ...(query.from === undefined ? {} : { pageToken: query.from }),
    })
    const url = `${this.base}${this.path}?${parameters}`
    const answer = await this.send(tried, { method: 'GET', url, signal })
    if (answer.status === 404) throw refused(tried, `there is no bucket: ${await drained(answer)}`)
    const page = await readJson<ListAnswer>(tried, answer)
    const entries: BucketEntry[] = (page.items ?? []).map(({ name, size, updated }) => ({
      key: name,
      size: Number(size),
      mtime: Date.parse(updated),
    }))
    for (const key of page.prefixes ?? []) entries.push({ key })
    entries.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)))
    return page.nextPageToken === undefined ? { entries } : { entries, next: page.nextPageToken }
  }

  async attributes(key: string, signal: AbortSignal): Promise<BucketAttributes> {
    const tried = this.tried('attributes', key)
    const url = `${this.urlOf(key)}?fields=size,updated`
    const answer = await this.send(tried, { method: 'GET', url, signal })
    const { size, updated } = await readJson<{ size: string; updated: string }>(tried, answer)
    return { size: Number(size), mtime: Date.parse(updated) }
  }

  close(): void {
    closeHttp(this.http)
  }

  private urlOf(key: string): string {
    return `${this.base}${this.path}/${encodeURIComponent(key)}`
  }

  private tried(operation: string, key: string): FailedTry {
    return { bucket: this.name, operation, key }
  }

  private async send(tried: FailedTry, request: HttpRequest): Promise<HttpAnswer> {
    const headers: Record<string, string> = { ...request.headers }
    if (this.token !== undefined) {
      headers['authorization'] = `Bearer ${await this.tokenFor(tried, this.token)}`
    }
    return sendHttp(this.http, { ...request, headers })
  }

  private async tokenFor(tried: FailedTry, token: () => Promise<string>): Promise<string> {
    try {
      return await token()
    } catch (error) {
      const { code, message } = error as { code?: unknown; message?: string }
      const text = `no token: ${message}`
      const mayPass = typeof code === 'string' || (typeof code === 'number' && code >= 500)
      throw mayPass ? unavailable(tried, text, error) : refused(tried, text, error)
    }
  }
}

/** @throws for every status that is none of success, with the server's words */
async function check(tried: FailedTry, answer: HttpAnswer): Promise<void> {
  if (answer.status < 300) return
  const text = await drained(answer)
  const isBucketMissing = answer.status === 404 && text.includes('bucket does not exist')
  throw isBucketMissing ? refused(tried, text) : errorOfStatus(tried, answer.status, text)
}

async function readJson<T>(tried: FailedTry, answer: HttpAnswer): Promise<T> {
  await check(tried, answer)
  const bytes = await collect(tried, answer.body, announcedSize(answer))
  try {
    return JSON.parse(Buffer.from(bytes).toString()) as T
  } catch (error) {
    throw unavailable(tried, 'the answer is no JSON', error)
  }
}

interface ListAnswer {
  readonly items?: readonly { name: string; size: string; updated: string }[]
  readonly prefixes?: readonly string[]
  readonly nextPageToken?: string
}
