/** The bucket of a soak over blocks: a folder, or a moto behind a proxy that makes trouble. */
import { join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { startMoto } from '../../../../test/support/object-servers.js'
import { startTcpProxy } from '../tcp-proxy.js'

/** Kinds of buckets. */
export type SoakBucketKind = 'filesystem' | 's3'

/** A bucket that is there. */
export interface SoakBucket {
  /** Flags that say where it is. */
  readonly flags: readonly string[]
  calm(): void
  /** What the proxy has done. */
  trouble(): string
  stop(): Promise<void>
}

/** Starts one. @param folder for a bucket that is a folder */
export async function startSoakBucket(
  kind: SoakBucketKind,
  folder: string,
  seed: number,
): Promise<SoakBucket> {
  if (kind === 'filesystem') {
    const dir = join(folder, 'bucket')
    const flags = ['-blocks-storage.backend=filesystem', `-blocks-storage.filesystem.dir=${dir}`]
    return { flags, calm: () => {}, trouble: () => '', stop: async () => {} }
  }
  const stops: (() => Promise<void>)[] = []
  const { host, url } = await startMoto(stops)
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  const s3 = new S3Client({ region: 'us-east-1', endpoint: url, forcePathStyle: true, credentials })
  await s3.send(new CreateBucketCommand({ Bucket: 'metrics' }))
  s3.destroy()
  const proxy = await startTcpProxy(host, seed)
  const flags = [
    '-blocks-storage.backend=s3',
    `-blocks-storage.s3.endpoint=${proxy.host}`,
    '-blocks-storage.s3.insecure=true',
    '-blocks-storage.s3.bucket-name=metrics',
    '-blocks-storage.s3.access-key-id=test',
    '-blocks-storage.s3.secret-access-key=test',
  ]
  return {
    flags,
    calm: () => proxy.calm(),
    trouble: () => {
      const { connections, delays, cuts, stalls } = proxy.counts
      return ` connections=${connections} delayed=${delays} cut=${cuts} stalled=${stalls}`
    },
    stop: async () => {
      await proxy.stop()
      for (const stop of stops) await stop()
    },
  }
}
