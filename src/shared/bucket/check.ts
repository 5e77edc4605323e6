/**
 * What can be said of a bucket's configuration before anything is loaded or asked: at start, so that
 * a server does not take data that it could never ship.
 */
import type { Disk } from '../env/index.js'
import { fail } from '../errors/index.js'
import type { AzureConfig } from './azure.js'
import type { GcsConfig } from './gcs.js'
import { readHttpBlock } from './http-options.js'
import type { BucketConfig } from './open.js'
import { checkS3Config } from './s3-config.js'
import { swiftBackend } from './swift.js'

/** @throws AppError `config-invalid` naming the key */
export function checkBucketConfig(config: BucketConfig, disk: Disk): void {
  const prefix = config.storage_prefix
  if (!/^[0-9A-Za-z]*$/.test(prefix)) {
    throw wrong(`storage_prefix: ${prefix} has characters other than letters and digits`)
  }
  switch (config.backend) {
    case 'filesystem':
      return
    case 's3':
      checkS3Config(config)
      readHttpBlock(config['s3.http'], 's3.http', disk)
      return
    case 'gcs':
      checkGcs(config)
      readHttpBlock(config['gcs.http'], 'gcs.http', disk)
      return
    case 'azure':
      checkAzure(config)
      return
    case 'swift':
      swiftBackend(config, { disk }).backend.close()
  }
}

function checkGcs(config: GcsConfig): void {
  if (config['gcs.bucket_name'] === '') throw wrong('gcs.bucket_name: it is missing')
  const account = config['gcs.service_account']
  if (account === '') return
  try {
    JSON.parse(account)
  } catch (error) {
    throw wrong('gcs.service_account: expected the JSON of a service account key', error)
  }
}

function checkAzure(config: AzureConfig): void {
  if (config['azure.container_name'] === '') throw wrong('azure.container_name: it is missing')
  if (config['azure.connection_string'] !== '') return
  // Without a key it is an identity's, of which nothing can be said before it is asked.
  if (config['azure.account_name'] !== '') return
  throw wrong(
    'azure: account_name, with account_key or an identity, or connection_string is needed',
  )
}

function wrong(text: string, cause?: unknown): Error {
  return fail('config-invalid', { text }, cause)
}
