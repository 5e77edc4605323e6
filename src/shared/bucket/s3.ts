/**
 * Amazon S3 and what speaks its protocol, by the SDK's client: list, get, put and delete are all that
 * a policy must allow (parts of large objects are puts; giving parts up is a permission of its own,
 * without which they stay), nothing conditional but put-if-absent. The SDK's own retries are off: `retrying.ts` does that for all backends alike.
 * Loaded when the first S3 bucket opens (about 200 ms and 13 MB a thread).
 */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import {
  type _Object,
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  type DeleteObjectsCommandOutput,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { Disk, Env } from '../env/index.js'
import { AppError, fail } from '../errors/index.js'
import {
  type BucketBackend,
  type BucketPage,
  type ByteRange,
  collect,
  errorOfStatus,
  type FailedTry,
  type ListQuery,
  refused,
  unavailable,
} from './backend.js'
import type { BucketAttributes, BucketBody, BucketEntry } from './bucket.js'
import { partsOf, sizeOf } from './filesystem.js'
import { readHttpBlock } from './http-options.js'
import type { FilePart, PartsBackend, PartsPlace } from './multipart.js'
import { encryptionOf, partSizeOf, placeOf, type S3Config, staticKeysOf } from './s3-config.js'

/** Largest object of one PutObject: S3's own limit. */
const PUT_SIZE_MAX = 5 * 1024 ** 3
const CONNECT_TIMEOUT_MS = 10_000

/** Errors that pass, whatever their status says. */
const PASSING = new Set([
  'RequestTimeTooSkewed',
  'RequestTimeout',
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'ExpiredToken',
  'InternalError',
  'ServiceUnavailable',
])

/** @param config checked (check.ts) */
export function s3Backend(config: S3Config, env: Pick<Env, 'disk'>): BucketBackend {
  const bucket = config['s3.bucket_name']
  return new S3Backend(config, bucket, createClient(config, bucket, env.disk), env.disk)
}

class S3Backend implements BucketBackend {
  readonly name: string
  private readonly bucket: string
  private readonly client: S3Client
  private readonly disk: Disk
  private readonly isListV1: boolean
  private readonly isMd5Wanted: boolean
  private readonly putOptions: Partial<PutObjectCommandInput & CreateMultipartUploadCommandInput>
  readonly parts: PartsBackend

  constructor(config: S3Config, bucket: string, client: S3Client, disk: Disk) {
    this.name = `s3 ${bucket}`
    this.bucket = bucket
    this.client = client
    this.disk = disk
    this.isListV1 = config['s3.list_objects_version'] === 'v1'
    this.isMd5Wanted = config['s3.send_content_md5']
    this.putOptions = { ...encryptionOf(config), ...classOf(config) }
    this.parts = {
      partSize: partSizeOf(config),
      begin: (key, signal) => this.beginParts(key, signal),
      putPart: (at, number, part, signal) => this.putPart(at, number, part, signal),
      end: (at, tags, ifAbsent, signal) => this.endParts(at, { tags, ifAbsent }, signal),
      abort: (at, signal) => this.abortParts(at, signal),
    }
  }

  async get(
    key: string,
    range: ByteRange | undefined,
    abortSignal: AbortSignal,
  ): Promise<Uint8Array> {
    const tried = this.tried('get', key)
    const { Bucket, Key } = this.at(key)
    const Range =
      range === undefined
        ? {}
        : { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` }
    try {
      const command = new GetObjectCommand({ Bucket, Key, ...Range })
      const answer = await this.client.send(command, { abortSignal })
      const body = answer.Body as Readable | undefined
      if (body === undefined) return new Uint8Array(0)
      const found = await collect(tried, endedBy(body, abortSignal), answer.ContentLength)
      return range === undefined ? found : cutTo(range, found, answer.ContentRange !== undefined)
    } catch (error) {
      if (range !== undefined && statusOf(error) === 416) return new Uint8Array(0)
      throw this.failed(tried, error)
    }
  }

  async put(
    key: string,
    body: BucketBody,
    ifAbsent: boolean,
    abortSignal: AbortSignal,
  ): Promise<void> {
    const tried = this.tried('put', key)
    const size = sizeOf(this.disk, body)
    if (size > PUT_SIZE_MAX) throw refused(tried, `${size} bytes are over ${PUT_SIZE_MAX}`)
    const command = new PutObjectCommand({
      ...this.at(key),
      Body: 'path' in body ? Readable.from(partsOf(this.disk, body)) : body,
      ContentLength: size,
      ...(this.isMd5Wanted ? { ContentMD5: md5Of(partsOf(this.disk, body)) } : {}),
      ...(ifAbsent ? { IfNoneMatch: '*' } : {}),
      ...this.putOptions,
    })
    try {
      await this.client.send(command, { abortSignal })
    } catch (error) {
      if (ifAbsent && statusOf(error) === 412) throw fail('bucket-exists', { ...tried }, error)
      throw this.failed(tried, error)
    }
  }

  private async beginParts(key: string, abortSignal: AbortSignal): Promise<string> {
    const tried = this.tried('begin parts', key)
    try {
      const command = new CreateMultipartUploadCommand({ ...this.at(key), ...this.putOptions })
      const { UploadId } = await this.client.send(command, { abortSignal })
      if (UploadId === undefined) throw unavailable(tried, 'the answer names no upload')
      return UploadId
    } catch (error) {
      throw this.failed(tried, error)
    }
  }

  private async putPart(
    { key, upload }: PartsPlace,
    PartNumber: number,
    part: FilePart,
    abortSignal: AbortSignal,
  ): Promise<string> {
    const tried = this.tried('put part', key)
    try {
      const command = new UploadPartCommand({
        ...this.at(key),
        UploadId: upload,
        PartNumber,
        Body: Readable.from(partsOf(this.disk, part)),
        ContentLength: part.length,
        ...(this.isMd5Wanted ? { ContentMD5: md5Of(partsOf(this.disk, part)) } : {}),
      })
      const { ETag } = await this.client.send(command, { abortSignal })
      if (ETag === undefined) throw unavailable(tried, 'the answer has no tag')
      return ETag
    } catch (error) {
      throw this.failed(tried, error)
    }
  }

  private async endParts(
    { key, upload }: PartsPlace,
    { tags, ifAbsent }: { readonly tags: readonly string[]; readonly ifAbsent: boolean },
    abortSignal: AbortSignal,
  ): Promise<void> {
    const tried = this.tried('end parts', key)
    try {
      const Parts = tags.map((ETag, index) => ({ ETag, PartNumber: index + 1 }))
      const command = new CompleteMultipartUploadCommand({
        ...this.at(key),
        UploadId: upload,
        MultipartUpload: { Parts },
        ...(ifAbsent ? { IfNoneMatch: '*' } : {}),
      })
      await this.client.send(command, { abortSignal })
    } catch (error) {
      if (ifAbsent && statusOf(error) === 412) throw fail('bucket-exists', { ...tried }, error)
      throw this.failed(tried, error)
    }
  }

  private async abortParts(at: PartsPlace, abortSignal: AbortSignal): Promise<void> {
    try {
      const command = new AbortMultipartUploadCommand({ ...this.at(at.key), UploadId: at.upload })
      await this.client.send(command, { abortSignal })
    } catch (error) {
      throw this.failed(this.tried('abort parts', at.key), error)
    }
  }

  async delete(keys: readonly string[], abortSignal: AbortSignal): Promise<void> {
    const tried = this.tried('delete', keys[0] ?? '')
    try {
      if (keys.length === 1) {
        await this.client.send(new DeleteObjectCommand(this.at(keys[0]!)), { abortSignal })
        return
      }
      const Objects = keys.map((Key) => ({ Key }))
      const command = new DeleteObjectsCommand({
        Bucket: this.bucket,
        Delete: { Objects, Quiet: true },
      })
      checkErrors(tried, await this.client.send(command, { abortSignal }))
    } catch (error) {
      // Deleting what is not there is done already; some servers say so.
      if (keys.length === 1 && codeOf(error) === 'NoSuchKey') return
      throw this.failed(tried, error)
    }
  }

  async listPage(query: ListQuery, abortSignal: AbortSignal): Promise<BucketPage> {
    const asked = {
      Bucket: this.bucket,
      Prefix: query.prefix,
      MaxKeys: query.limit,
      ...(query.delimiter === '' ? {} : { Delimiter: query.delimiter }),
    }
    const from = query.from
    try {
      if (this.isListV1) {
        const marker = from === undefined ? {} : { Marker: from }
        const command = new ListObjectsCommand({ ...asked, ...marker })
        const answer = await this.client.send(command, { abortSignal })
        const entries = entriesOf(answer.Contents, answer.CommonPrefixes)
        const next = answer.NextMarker ?? entries.at(-1)?.key
        return answer.IsTruncated === true && next !== undefined ? { entries, next } : { entries }
      }
      const token = from === undefined ? {} : { ContinuationToken: from }
      const command = new ListObjectsV2Command({ ...asked, ...token })
      const answer = await this.client.send(command, { abortSignal })
      const entries = entriesOf(answer.Contents, answer.CommonPrefixes)
      const next = answer.NextContinuationToken
      return answer.IsTruncated === true && next !== undefined ? { entries, next } : { entries }
    } catch (error) {
      throw this.failed(this.tried('list', query.prefix), error)
    }
  }

  async attributes(key: string, abortSignal: AbortSignal): Promise<BucketAttributes> {
    const tried = this.tried('attributes', key)
    try {
      const answer = await this.client.send(new HeadObjectCommand(this.at(key)), { abortSignal })
      return { size: answer.ContentLength ?? 0, mtime: answer.LastModified?.getTime() ?? 0 }
    } catch (error) {
      throw this.failed(tried, error)
    }
  }

  close(): void {
    this.client.destroy()
  }

  private at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.bucket, Key: key }
  }

  private tried(operation: string, key: string): FailedTry {
    return { bucket: this.name, operation, key }
  }

  private failed(tried: FailedTry, error: unknown): AppError {
    if (error instanceof AppError) return error
    const code = codeOf(error)
    const text = `${code}: ${(error as Error).message}`
    if (PASSING.has(code)) return unavailable(tried, text, error)
    if (code === 'NoSuchBucket' || code === 'CredentialsProviderError') {
      return refused(tried, text, error)
    }
    const status = statusOf(error)
    // Without a status, or with a good one, the answer was cut or did not come.
    if (status === undefined || status < 300) return unavailable(tried, text, error)
    return errorOfStatus(tried, status, text, error)
  }
}

function createClient(config: S3Config, bucket: string, disk: Disk): S3Client {
  const { headerTimeoutMs, agents } = readHttpBlock(config['s3.http'], 's3.http', disk)
  const { host, region, isAmazon } = placeOf(config)
  const isSecure = !config['s3.insecure']
  const lookup = config['s3.bucket_lookup_type']
  const isDotted = isSecure && bucket.includes('.') // no certificate covers two levels
  const client = new S3Client({
    region,
    ...(host === '' ? {} : { endpoint: `${isSecure ? 'https' : 'http'}://${host}` }),
    forcePathStyle: lookup === 'path' || (lookup === 'auto' && (!isAmazon || isDotted)),
    maxAttempts: 1,
    // Checksums in trailers are unknown to older servers of this protocol.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: headerTimeoutMs,
      httpAgent: agents.http,
      httpsAgent: agents.https,
    },
    ...staticKeysOf(config),
  })
  if (config['s3.access_key_id'] === '' && config['s3.sts_endpoint'] !== '') {
    const endpoint = withScheme(config['s3.sts_endpoint'], isSecure)
    const clientConfig = { endpoint, region }
    client.config.credentials = client.config.credentialDefaultProvider({ clientConfig })
  }
  signOldDeletes(client)
  return client
}

function withScheme(endpoint: string, isSecure: boolean): string {
  return /^https?:\/\//.test(endpoint) ? endpoint : `${isSecure ? 'https' : 'http'}://${endpoint}`
}

function classOf(config: S3Config): Partial<PutObjectCommandInput> {
  const name = config['s3.storage_class']
  if (name === '') return {}
  return { StorageClass: name as NonNullable<PutObjectCommandInput['StorageClass']> }
}

/** DeleteObjects with Content-MD5 in place of the newer checksums, as every server takes it. */
function signOldDeletes(client: S3Client): void {
  client.middlewareStack.add(
    (next, context) => (args) => {
      const { commandName } = context as { commandName?: string }
      if (commandName === 'DeleteObjectsCommand') {
        const request = args.request as { headers: Record<string, string>; body: string }
        for (const name of Object.keys(request.headers)) {
          if (/^x-amz-(sdk-)?checksum-/i.test(name)) delete request.headers[name]
        }
        request.headers['content-md5'] = md5Of([Buffer.from(request.body)])
      }
      return next(args)
    },
    { step: 'build', name: 'oldDeletes', priority: 'low' },
  )
}

function md5Of(parts: Iterable<Uint8Array>): string {
  const hash = createHash('md5')
  for (const part of parts) hash.update(part)
  return hash.digest('base64')
}

function entriesOf(
  objects: readonly _Object[] | undefined,
  prefixes: readonly { Prefix?: string | undefined }[] | undefined,
): BucketEntry[] {
  const entries: BucketEntry[] = []
  for (const { Key, Size, LastModified } of objects ?? []) {
    if (Key === undefined) continue
    entries.push({ key: Key, size: Size ?? 0, mtime: LastModified?.getTime() ?? 0 })
  }
  for (const { Prefix } of prefixes ?? []) if (Prefix !== undefined) entries.push({ key: Prefix })
  return entries.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)))
}

function checkErrors(tried: FailedTry, answer: DeleteObjectsCommandOutput): void {
  const wrong = answer.Errors?.find(({ Code }) => Code !== 'NoSuchKey')
  if (wrong === undefined) return
  const text = `${wrong.Code}: ${wrong.Message}`
  const which = { ...tried, key: wrong.Key ?? tried.key }
  throw PASSING.has(wrong.Code ?? '') ? unavailable(which, text) : refused(which, text)
}

/** A server that does not know ranges sends all of it. */
function cutTo(range: ByteRange, found: Uint8Array, isPart: boolean): Uint8Array {
  if (isPart) return found
  return found.subarray(range.offset, range.offset + range.length)
}

/** The body, which ends with an error when the signal says so. */
async function* endedBy(body: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const stop = () => body.destroy(new Error('the time is up'))
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  try {
    yield* body as AsyncIterable<Uint8Array>
  } finally {
    signal.removeEventListener('abort', stop)
    body.destroy()
  }
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode
}

function codeOf(error: unknown): string {
  const { Code, name, code } = error as { Code?: string; name?: string; code?: string }
  return Code ?? (name === 'Error' ? (code ?? name) : (name ?? 'Error'))
}
