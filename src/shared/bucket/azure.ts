/**
 * Azure Blob Storage by the SDK's client, its retries off: `retrying.ts` does that for all backends
 * alike. Access by account key, connection string, or an identity (azure-identity.ts). Loaded when the first such bucket opens.
 */
import { Readable } from 'node:stream'
import {
  type BlobItem,
  BlobServiceClient,
  type BlobUploadCommonResponse,
  type ContainerClient,
  StorageRetryPolicyType,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import type { Disk, Env } from '../env/index.js'
import { AppError, fail } from '../errors/index.js'
import { type AzureIdentity, AzureIdentityTokens } from './azure-identity.js'
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
import { partsOf, sizeOf } from './filesystem.js'
import { readHttpBlock } from './http-options.js'

/** Mimir's keys of the block `azure`. */
export interface AzureConfig {
  readonly 'azure.account_name': string
  readonly 'azure.account_key': string
  readonly 'azure.connection_string': string
  readonly 'azure.container_name': string
  readonly 'azure.endpoint_suffix': string
  readonly 'azure.user_assigned_id': string
  /** What the environment says of an identity, for those who give no key. */
  readonly 'azure.identity'?: AzureIdentity
}

const SUFFIX = 'blob.core.windows.net'
const NO_IDENTITY: AzureIdentity = {
  tenantId: '',
  clientId: '',
  clientSecret: '',
  tokenFile: '',
  authorityHost: '',
  metadataHost: '',
}
/** Largest blob of one Put Blob. */
const PUT_SIZE_MAX = 5000 * 1024 ** 2

/** @throws AppError `config-invalid` */
export function azureBackend(config: AzureConfig, env: Pick<Env, 'disk' | 'clock'>): BucketBackend {
  const name = config['azure.container_name']
  return new AzureBackend(name, serviceOf(config, env).getContainerClient(name), env.disk)
}

function serviceOf(config: AzureConfig, env: Pick<Env, 'disk' | 'clock'>): BlobServiceClient {
  // One try, without a time of its own: the signal of each call ends it.
  const retryOptions = { maxTries: 1, retryPolicyType: StorageRetryPolicyType.FIXED }
  const connection = config['azure.connection_string']
  const account = config['azure.account_name']
  const key = config['azure.account_key']
  try {
    if (connection !== '') {
      return BlobServiceClient.fromConnectionString(connection, { retryOptions })
    }
    if (account !== '') {
      const identity = config['azure.identity'] ?? NO_IDENTITY
      const http = readHttpBlock(undefined, 'azure.http', env.disk)
      const userAssignedId = config['azure.user_assigned_id']
      const credential =
        key === ''
          ? new AzureIdentityTokens({ userAssignedId, identity, http, env })
          : new StorageSharedKeyCredential(account, key)
      const url = `https://${account}.${config['azure.endpoint_suffix'] || SUFFIX}`
      return new BlobServiceClient(url, credential, { retryOptions })
    }
  } catch (error) {
    throw fail('config-invalid', { text: `azure: ${(error as Error).message}` }, error)
  }
  throw fail('config-invalid', { text: 'azure: nothing says how to log in' })
}

class AzureBackend implements BucketBackend {
  readonly name: string
  private readonly container: ContainerClient
  private readonly disk: Disk

  constructor(name: string, container: ContainerClient, disk: Disk) {
    this.name = `azure ${name}`
    this.container = container
    this.disk = disk
  }

  async get(
    key: string,
    range: ByteRange | undefined,
    abortSignal: AbortSignal,
  ): Promise<Uint8Array> {
    const tried = this.tried('get', key)
    try {
      const blob = this.container.getBlobClient(key)
      const options = { abortSignal, maxRetryRequests: 0 }
      const answer = await blob.download(range?.offset ?? 0, range?.length, options)
      const body = answer.readableStreamBody as Readable | undefined
      if (body === undefined) return new Uint8Array(0)
      return await collect(tried, body, answer.contentLength)
    } catch (error) {
      if (range !== undefined && statusOf(error) === 416) return new Uint8Array(0)
      throw failed(tried, error)
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
    const conditions = ifAbsent ? { conditions: { ifNoneMatch: '*' } } : {}
    const content = 'path' in body ? () => Readable.from(partsOf(this.disk, body)) : body
    try {
      const blob = this.container.getBlockBlobClient(key)
      const options = { abortSignal, ...conditions }
      const sent: BlobUploadCommonResponse = await blob.upload(content, size, options)
      if (sent.errorCode !== undefined) throw unavailable(tried, sent.errorCode)
    } catch (error) {
      const status = statusOf(error)
      if (ifAbsent && (status === 409 || status === 412)) {
        throw fail('bucket-exists', { ...tried }, error)
      }
      throw failed(tried, error)
    }
  }

  delete(keys: readonly string[], abortSignal: AbortSignal): Promise<void> {
    return deleteEach(keys, async (key) => {
      try {
        await this.container.getBlobClient(key).deleteIfExists({ abortSignal })
      } catch (error) {
        throw failed(this.tried('delete', key), error)
      }
    })
  }

  async listPage(query: ListQuery, abortSignal: AbortSignal): Promise<BucketPage> {
    const { prefix, delimiter, from, limit } = query
    const options = { prefix, abortSignal }
    const paging = {
      maxPageSize: limit,
      ...(from === undefined ? {} : { continuationToken: from }),
    }
    try {
      const pages =
        delimiter === ''
          ? this.container.listBlobsFlat(options).byPage(paging)
          : this.container.listBlobsByHierarchy(delimiter, options).byPage(paging)
      const { value } = await pages.next()
      if (value === undefined) return { entries: [] }
      const { segment, continuationToken } = value
      const items: readonly BlobItem[] = segment.blobItems
      const entries: BucketEntry[] = items.map(({ name, properties }) => ({
        key: name,
        size: properties.contentLength ?? 0,
        mtime: properties.lastModified.getTime(),
      }))
      const folders = 'blobPrefixes' in segment ? (segment.blobPrefixes ?? []) : []
      for (const { name } of folders) entries.push({ key: name })
      entries.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)))
      return continuationToken ? { entries, next: continuationToken } : { entries }
    } catch (error) {
      throw failed(this.tried('list', prefix), error)
    }
  }

  async attributes(key: string, abortSignal: AbortSignal): Promise<BucketAttributes> {
    try {
      const found = await this.container.getBlobClient(key).getProperties({ abortSignal })
      return { size: found.contentLength ?? 0, mtime: found.lastModified?.getTime() ?? 0 }
    } catch (error) {
      throw failed(this.tried('attributes', key), error)
    }
  }

  close(): void {}

  private tried(operation: string, key: string): FailedTry {
    return { bucket: this.name, operation, key }
  }
}

function failed(tried: FailedTry, error: unknown): AppError {
  if (error instanceof AppError) return error
  const { code, message } = error as { code?: string; message?: string }
  const text = `${code ?? 'Error'}: ${String(message).split('\n')[0]}`
  if (code === 'ContainerNotFound') return refused(tried, text, error)
  if (code === 'ContainerBeingDeleted') return refused(tried, text, error)
  const status = statusOf(error)
  if (status === undefined || status < 300) return unavailable(tried, text, error)
  return errorOfStatus(tried, status, text, error)
}

function statusOf(error: unknown): number | undefined {
  return (error as { statusCode?: number }).statusCode
}
