/** The configuration of an S3 bucket, read and checked without the SDK. */
import { fail } from '../errors/index.js'

/** Mimir's keys of the block `s3`. */
export interface S3Config {
  readonly 's3.endpoint': string
  readonly 's3.region': string
  readonly 's3.bucket_name': string
  readonly 's3.access_key_id': string
  readonly 's3.secret_access_key': string
  readonly 's3.session_token': string
  readonly 's3.insecure': boolean
  readonly 's3.signature_version': string
  readonly 's3.list_objects_version': string
  readonly 's3.bucket_lookup_type': string
  readonly 's3.dualstack_enabled': boolean
  readonly 's3.storage_class': string
  /** Bytes; 0: as Mimir's client has it. */
  readonly 's3.part_size': number
  readonly 's3.send_content_md5': boolean
  readonly 's3.sts_endpoint': string
  readonly 's3.sse.type': string
  readonly 's3.sse.kms_key_id': string
  readonly 's3.sse.kms_encryption_context': string
  readonly 's3.http': unknown
}

/** S3's own limits of a part, and what Mimir's client takes unless told. */
const PART_SIZE_MIN = 5 * 1024 ** 2
const PART_SIZE_MAX = 5 * 1024 ** 3
const PART_SIZE_DEFAULT = 64 * 1024 ** 2

/** Keys that the configuration gives. */
export interface StaticKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** The fields of a put that are about encryption. */
export interface PutEncryption {
  readonly ServerSideEncryption?: 'AES256' | 'aws:kms'
  readonly SSEKMSKeyId?: string
  readonly SSEKMSEncryptionContext?: string
}

/** @throws AppError `config-invalid` */
export function checkS3Config(config: S3Config): void {
  if (config['s3.bucket_name'] === '') {
    throw fail('config-invalid', { text: 's3.bucket_name: it is missing' })
  }
  if (config['s3.signature_version'] === 'v2') {
    throw fail('config-invalid', { text: 's3.signature_version: v2 is not supported; use v4' })
  }
  const partSize = config['s3.part_size']
  if (partSize !== 0 && (partSize < PART_SIZE_MIN || partSize > PART_SIZE_MAX)) {
    const text = `s3.part_size: expected 0, or ${PART_SIZE_MIN} to ${PART_SIZE_MAX}, got ${partSize}`
    throw fail('config-invalid', { text })
  }
  staticKeysOf(config)
  encryptionOf(config)
}

/** Bytes above which an object is sent in parts, and of those. */
export function partSizeOf(config: S3Config): number {
  return config['s3.part_size'] || PART_SIZE_DEFAULT
}

/**
 * Without keys the SDK's chain looks for them: environment, profile, web identity (IRSA), container
 * and instance role.
 *
 * @throws AppError `config-invalid`
 */
export function staticKeysOf(config: S3Config): { credentials?: StaticKeys } {
  const accessKeyId = config['s3.access_key_id']
  const secretAccessKey = config['s3.secret_access_key']
  if (accessKeyId === '' && secretAccessKey === '') return {}
  if (accessKeyId === '' || secretAccessKey === '') {
    const text = 's3.access_key_id and s3.secret_access_key: either both are given or neither'
    throw fail('config-invalid', { text })
  }
  const sessionToken = config['s3.session_token']
  return {
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === '' ? {} : { sessionToken }) },
  }
}

/** Host to talk to, as Mimir's client derives it, and the region. */
export function placeOf(config: S3Config): { host: string; region: string; isAmazon: boolean } {
  const host = config['s3.endpoint'].replace(/^https?:\/\//, '').replace(/\/+$/, '')
  const match = /^s3[.-](?:dualstack\.)?([a-z0-9-]+)\.amazonaws\.com(\.cn)?$/.exec(host)
  const isAmazon = host === '' || /(^|\.)amazonaws\.com(\.cn)?$/.test(host)
  const region = config['s3.region'] || (match?.[1] ?? 'us-east-1')
  if (match === null || !config['s3.dualstack_enabled']) return { host, region, isAmazon }
  return { host: `s3.dualstack.${match[1]}.amazonaws.com${match[2] ?? ''}`, region, isAmazon }
}

/** What of a put says how it is encrypted. @throws AppError `config-invalid` */
export function encryptionOf(config: S3Config): PutEncryption {
  const type = config['s3.sse.type']
  if (type === '') return {}
  if (type === 'SSE-S3') return { ServerSideEncryption: 'AES256' }
  if (type !== 'SSE-KMS') {
    throw fail('config-invalid', { text: `s3.sse.type: expected SSE-S3 or SSE-KMS, got ${type}` })
  }
  const SSEKMSKeyId = config['s3.sse.kms_key_id']
  if (SSEKMSKeyId === '') {
    throw fail('config-invalid', { text: 's3.sse.kms_key_id: it is missing' })
  }
  const context = config['s3.sse.kms_encryption_context']
  if (context === '') return { ServerSideEncryption: 'aws:kms', SSEKMSKeyId }
  try {
    JSON.parse(context)
  } catch (error) {
    const text = `s3.sse.kms_encryption_context: expected JSON, got ${context}`
    throw fail('config-invalid', { text }, error)
  }
  const SSEKMSEncryptionContext = Buffer.from(context).toString('base64')
  return { ServerSideEncryption: 'aws:kms', SSEKMSKeyId, SSEKMSEncryptionContext }
}
