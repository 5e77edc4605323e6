/**
 * Blocks in S3 (moto), behind a proxy that counts what is asked of it. Objects lie in memory there:
 * times over it say nothing, requests and bytes do.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { type FaultProxy, startFaultProxy } from '../../../test/support/fault-proxy.js'
import { startMoto } from '../../../test/support/object-servers.js'
import { print } from '../load-tool.js'

/** Bytes for which one request may be made. */
const BYTES_PER_GET = 512 << 10

/** What the queries asked for. */
export interface Asked {
  readonly gets: number
  readonly bytes: number
}

/** A bucket with blocks. */
export interface BlockBucket {
  /** Flags by which a server finds it. */
  readonly flags: readonly string[]
  /** Requests so far for objects whose keys match. */
  asked(keys: RegExp): Asked
  /** Bytes of chunks. */
  readonly chunkBytes: number
  /** Requests that may be made for them in all: one for each 512 KiB that has begun. */
  readonly chunkGetsMax: number
}

/** Puts blocks of a tenant into a bucket. */
export async function fillS3(
  blocks: string,
  tenant: string,
  stops: (() => Promise<void>)[],
): Promise<BlockBucket> {
  const { host, url } = await startMoto(stops)
  const credentials = { accessKeyId: 'any', secretAccessKey: 'any' }
  const s3 = new S3Client({ region: 'us-east-1', endpoint: url, forcePathStyle: true, credentials })
  const Bucket = 'blocks'
  await s3.send(new CreateBucketCommand({ Bucket }))
  let chunkBytes = 0
  let chunkGetsMax = 0
  for (const file of readdirSync(blocks, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue
    const path = join(file.parentPath, file.name)
    const Body = readFileSync(path)
    await s3.send(
      new PutObjectCommand({ Bucket, Key: `${tenant}/${relative(blocks, path)}`, Body }),
    )
    if (!/chunks/.test(path)) continue
    chunkBytes += Body.length
    chunkGetsMax += Math.ceil(Body.length / BYTES_PER_GET)
  }
  s3.destroy()
  const after = (stop: () => void): void => void stops.push(async () => stop())
  const proxy = await startFaultProxy({ after }, host)
  const flags = [
    '-blocks-storage.backend=s3',
    `-blocks-storage.s3.endpoint=${proxy.host}`,
    '-blocks-storage.s3.insecure=true',
    `-blocks-storage.s3.bucket-name=${Bucket}`,
    '-blocks-storage.s3.access-key-id=any',
    '-blocks-storage.s3.secret-access-key=any',
  ]
  return { flags, chunkBytes, chunkGetsMax, asked: (keys) => askedOf(proxy, keys) }
}

/** Prints what was asked. @returns whether that is little enough */
export function reportAsked(bucket: BlockBucket): boolean {
  const chunks = bucket.asked(/\/chunks\/\d+/)
  const index = bucket.asked(/\/index(\?|$)/)
  const all = bucket.asked(/./)
  print(
    `S3: ${chunks.gets} ranges of chunks (at most ${bucket.chunkGetsMax}), ${mib(chunks.bytes)} MiB of ${mib(bucket.chunkBytes)};`,
    `${index.gets} of indexes, ${mib(index.bytes)} MiB; ${all.gets} GETs in all, ${mib(all.bytes)} MiB`,
  )
  return chunks.gets <= bucket.chunkGetsMax
}

function askedOf(proxy: FaultProxy, keys: RegExp): Asked {
  const matching = proxy.requests.filter(({ method, path }) => method === 'GET' && keys.test(path))
  return { gets: matching.length, bytes: matching.reduce((sum, { sent }) => sum + sent, 0) }
}

function mib(bytes: number): string {
  return (bytes / 1048576).toFixed(1)
}
