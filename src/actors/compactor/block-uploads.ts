/**
 * The block upload API behind HTTP (Mimir's, reference "Block upload"): a tenant's own block, file by
 * file into the bucket, checked, and then made visible. What is going on stands in the bucket:
 * `uploading-meta.json` from start to finish, `validation.json` while and after a check that failed;
 * so any process goes on with it.
 */
import { join } from 'node:path'
import { type BlockEntry, blockKey, entryOfMeta, findObject } from '../../shared/blocks/index.js'
import type { Bucket } from '../../shared/bucket/index.js'
import type { Env, Timer } from '../../shared/env/index.js'
import { AppError, fail } from '../../shared/errors/index.js'
import type { Limits } from '../../shared/limits/index.js'
import {
  type BlockMeta,
  decodeBlockMeta,
  encodeBlockMeta,
  openBlock,
  verifyBlock,
} from '../../shared/tsdb/index.js'
import type { BlockListCalls } from '../supervisor/contract.js'
import type { UploadCalls, UploadedBlock, UploadState } from './contract.js'
import { checkUploadedMeta } from './uploaded-meta.js'

/** What uploads work on. */
export interface BlockUploadParts {
  readonly env: Env
  readonly bucket: Bucket
  readonly list: Pick<BlockListCalls, 'changeBlocks'>
  readonly limits: Pick<Limits, 'of'>
  /** Where files wait until they are whole. */
  readonly folder: string
  /** Checks at once. */
  readonly checksMax: number
}

const UPLOADING = 'uploading-meta.json'
const VALIDATION = 'validation.json'
/** A check says that often that it lives. */
const BEAT_MS = 60_000
/** One that has not said so for this long is dead. */
const BEAT_MS_MAX = 5 * 60_000
/** `finish` waits so long for the check; one that takes longer goes on without it. */
const FINISH_WAIT_MS = 60_000
/** Files that arrive at once. */
const FILES_MAX = 64
/** A file of which nothing has come for so long is given up. */
const FILE_IDLE_MS = 10 * 60_000
const DOWNLOAD_BYTES = 8 << 20

interface ArrivingFile {
  readonly block: UploadedBlock
  readonly path: string
  readonly size: number
  readonly local: string
  readonly file: ReturnType<Env['disk']['open']>
  written: number
  idle: Timer
}

/** The calls of the API. */
export class BlockUploads implements UploadCalls {
  private readonly parts: BlockUploadParts
  private readonly arriving = new Map<number, ArrivingFile>()
  private nextFile = 1
  private readonly checks = new Map<string, Promise<void>>()

  constructor(parts: BlockUploadParts) {
    this.parts = parts
    // What a former life left there: its uploads begin anew.
    parts.env.disk.remove(parts.folder)
  }

  /** As plain functions, for a message port. */
  calls(): UploadCalls {
    return {
      startUpload: (block, meta) => this.startUpload(block, meta),
      beginUploadFile: (block, path, size) => this.beginUploadFile(block, path, size),
      putUploadPart: (id, bytes) => this.putUploadPart(id, bytes),
      endUploadFile: (id) => this.endUploadFile(id),
      abortUploadFile: (id) => this.abortUploadFile(id),
      finishUpload: (block) => this.finishUpload(block),
      checkUpload: (block) => this.checkUpload(block),
    }
  }

  async startUpload(block: UploadedBlock, bytes: Uint8Array): Promise<void> {
    const { bucket, env, limits } = this.parts
    this.checkEnabled(block.tenant)
    await this.checkIncomplete(block)
    const row = limits.of(block.tenant)
    const meta = checkUploadedMeta(bytes, {
      ulid: block.ulid,
      now: env.clock.now(),
      retentionMs: row.compactor_blocks_retention_period,
      bytesMax: row.compactor_block_upload_max_block_size_bytes,
    })
    await bucket.put(this.key(block, UPLOADING), encodeBlockMeta(meta))
  }

  /** @returns the number under which the parts follow */
  async beginUploadFile(block: UploadedBlock, path: string, size: number): Promise<number> {
    const { env, folder } = this.parts
    this.checkEnabled(block.tenant)
    await this.checkIncomplete(block)
    const meta = await this.uploadingMeta(block)
    if (path !== 'index' && !/^chunks\/\d{6}$/.test(path)) {
      throw fail('bad-data', { text: `invalid path ${path}: index or chunks/000001 is expected` })
    }
    const listed = meta.thanos?.files?.find(({ rel_path }) => rel_path === path)
    if (listed === undefined) throw fail('bad-data', { text: `meta.json does not list ${path}` })
    if (size === 0) throw fail('bad-data', { text: 'file cannot be empty' })
    if (listed.size_bytes !== size) {
      const text = `${path} has ${size} bytes, meta.json says ${listed.size_bytes}`
      throw fail('bad-data', { text })
    }
    if (this.arriving.size >= FILES_MAX) {
      throw fail('block-upload-busy', { text: `${FILES_MAX} files are being uploaded` })
    }
    const id = this.nextFile++
    env.disk.makeFolder(folder)
    const local = join(folder, String(id))
    const file = env.disk.open(local, 'create')
    const idle = this.idleTimer(id)
    this.arriving.set(id, { block, path, size, local, file, written: 0, idle })
    return id
  }

  async putUploadPart(id: number, bytes: Uint8Array): Promise<void> {
    const arriving = this.getArriving(id)
    arriving.idle.cancel()
    arriving.idle = this.idleTimer(id)
    try {
      if (arriving.written + bytes.length > arriving.size) {
        throw fail('bad-data', { text: `${arriving.path} is longer than meta.json says` })
      }
      for (let at = 0; at < bytes.length; ) {
        const written = arriving.file.write(bytes.subarray(at))
        if (written === 0) throw fail('disk-failed', { text: `write ${arriving.local}: ENOSPC` })
        at += written
      }
      arriving.written += bytes.length
    } catch (error) {
      this.drop(id)
      throw error
    }
  }

  /** All parts are there: the file goes to the bucket. */
  async endUploadFile(id: number): Promise<void> {
    const { block, path, size, local, file, written } = this.getArriving(id)
    try {
      if (written !== size) {
        throw fail('bad-data', { text: `${path} ended after ${written} of ${size} bytes` })
      }
      file.sync()
      await this.parts.bucket.put(this.key(block, path), { path: local })
    } finally {
      this.drop(id)
    }
  }

  /** The client went away. */
  async abortUploadFile(id: number): Promise<void> {
    this.drop(id)
  }

  async finishUpload(block: UploadedBlock): Promise<void> {
    const { env, limits, checksMax } = this.parts
    this.checkEnabled(block.tenant)
    await this.checkIncomplete(block)
    const meta = await this.uploadingMeta(block)
    await this.checkFiles(block, meta)
    if (!limits.of(block.tenant).compactor_block_upload_validation_enabled) {
      return await this.publish(block, meta)
    }
    const name = `${block.tenant}/${block.ulid}`
    if (!this.checks.has(name)) {
      if (this.checks.size >= Math.max(1, checksMax)) {
        throw fail('block-upload-busy', { text: 'too many block upload validations in progress' })
      }
      this.checks.set(
        name,
        this.check(block, meta).finally(() => this.checks.delete(name)),
      )
    }
    const check = this.checks.get(name)!
    check.catch(() => {})
    await new Promise<void>((resolve, reject) => {
      const timer = env.timers.after(FINISH_WAIT_MS, resolve)
      check.then(resolve, reject).finally(() => timer.cancel())
    })
  }

  async checkUpload(block: UploadedBlock): Promise<UploadState> {
    const { bucket, env } = this.parts
    this.checkEnabled(block.tenant)
    if ((await findObject(bucket, this.key(block, 'meta.json'))) !== undefined) {
      return { result: 'complete' }
    }
    if ((await findObject(bucket, this.key(block, UPLOADING))) === undefined) {
      throw fail('not-found', { text: `block ${block.ulid} is not known` })
    }
    const bytes = await findObject(bucket, this.key(block, VALIDATION))
    if (bytes === undefined) return { result: 'uploading' }
    const { last_update: beat, error } = JSON.parse(Buffer.from(bytes).toString()) as {
      last_update?: number
      error?: string
    }
    if (error !== undefined && error !== '') return { result: 'failed', error }
    const isAlive = env.clock.now() - (beat ?? 0) < BEAT_MS_MAX
    return { result: isAlive ? 'validating' : 'uploading' }
  }

  /** Gives files up that are arriving. Checks that are going on are cut off with the thread. */
  close(): void {
    for (const id of [...this.arriving.keys()]) this.drop(id)
  }

  /** Fetches the block where it is remote, reads it from end to end, and publishes it when it is good. */
  private async check(block: UploadedBlock, meta: BlockMeta): Promise<void> {
    const { env, bucket } = this.parts
    await this.beat(block, '')
    let timer = env.timers.after(BEAT_MS, () => beat())
    const beat = (): void => {
      this.beat(block, '').catch((error: unknown) =>
        env.log.warn('a check could not say that it lives', { err: String(error) }),
      )
      timer = env.timers.after(BEAT_MS, () => beat())
    }
    try {
      await this.checkBlock(block, meta)
      await this.publish(block, meta)
    } catch (error) {
      const { tenant, ulid } = block
      env.log.warn('uploaded block refused', { tenant, block: ulid, err: String(error) })
      const text = error instanceof Error ? error.message : String(error)
      timer.cancel()
      await this.beat(block, text)
      throw error
    } finally {
      timer.cancel()
    }
    await bucket.delete([this.key(block, VALIDATION)])
  }

  private async checkBlock(block: UploadedBlock, meta: BlockMeta): Promise<void> {
    const { env, folder, limits } = this.parts
    const { disk } = env
    const dir = join(folder, `check-${block.tenant}`, block.ulid)
    try {
      disk.makeFolder(join(dir, 'chunks'))
      for (const { rel_path: path, size_bytes: size } of meta.thanos?.files ?? []) {
        if (size !== undefined) await this.fetch(block, path, join(dir, path), size)
      }
      disk.replaceFile(join(dir, 'meta.json'), encodeBlockMeta(meta))
      const samples = limits.of(block.tenant).compactor_block_upload_verify_chunks
      const opened = await openBlock(disk, dir)
      try {
        const pause = () => env.timers.yieldNow()
        const { problems } = await verifyBlock(opened, { samples, pause })
        if (problems.length === 0) return
        throw fail('bad-data', {
          text: `the block is not valid: ${problems.slice(0, 3).join('; ')}`,
        })
      } finally {
        opened.close()
      }
    } catch (error) {
      if (!(error instanceof AppError) || error.id !== 'block-damaged') throw error
      throw fail('bad-data', { text: `the block is not valid: ${error.message}` }, error)
    } finally {
      disk.remove(dir)
    }
  }

  private async fetch(
    block: UploadedBlock,
    path: string,
    local: string,
    size: number,
  ): Promise<void> {
    const { bucket, env } = this.parts
    const key = this.key(block, path)
    const there = bucket.localPath(key)
    if (there !== undefined && env.disk.link(there, local) === 'linked') return
    const file = env.disk.open(local, 'create')
    try {
      for (let at = 0; at < size; ) {
        const part = await bucket.getRange(key, at, Math.min(DOWNLOAD_BYTES, size - at))
        if (part.length === 0 || file.write(part) !== part.length) {
          throw fail('disk-failed', { text: `write ${local}: it became no copy of ${key}` })
        }
        at += part.length
      }
    } finally {
      file.close()
    }
  }

  /** meta.json makes it a block; from the list's next version on queries read it. */
  private async publish(block: UploadedBlock, meta: BlockMeta): Promise<void> {
    const { bucket, env, list } = this.parts
    const { tenant, ulid } = block
    await bucket.put(this.key(block, 'meta.json'), encodeBlockMeta(meta))
    const uploadedAt = env.clock.now()
    const entry: BlockEntry = entryOfMeta(tenant, meta, { inBucket: true, uploadedAt })
    await list.changeBlocks({ tenant, add: [entry] })
    await bucket.delete([this.key(block, UPLOADING)])
    env.log.info('block uploaded by its tenant', { tenant, block: ulid })
  }

  private async checkFiles(block: UploadedBlock, meta: BlockMeta): Promise<void> {
    const prefix = this.key(block, '')
    const there = new Map<string, number | undefined>()
    for await (const { key, size } of this.parts.bucket.list(prefix)) {
      there.set(key.slice(prefix.length), size)
    }
    for (const { rel_path: path, size_bytes: size } of meta.thanos?.files ?? []) {
      if (size === undefined || there.get(path) === size) continue
      const text = there.has(path) ? `${path} has ${there.get(path)} bytes` : `${path} is missing`
      throw fail('bad-data', { text: `the block is not complete: ${text}` })
    }
  }

  private beat(block: UploadedBlock, error: string): Promise<void> {
    const note = { last_update: this.parts.env.clock.now(), ...(error === '' ? {} : { error }) }
    return this.parts.bucket.put(this.key(block, VALIDATION), Buffer.from(JSON.stringify(note)))
  }

  private checkEnabled(tenant: string): void {
    if (this.parts.limits.of(tenant).compactor_block_upload_enabled) return
    const text = 'block upload is disabled; the limit compactor_block_upload_enabled allows it'
    throw fail('bad-data', { text })
  }

  private async checkIncomplete(block: UploadedBlock): Promise<void> {
    const there = await findObject(this.parts.bucket, this.key(block, 'meta.json'))
    if (there !== undefined) throw fail('block-upload-complete', { block: block.ulid })
  }

  private async uploadingMeta(block: UploadedBlock): Promise<BlockMeta> {
    const key = this.key(block, UPLOADING)
    const bytes = await findObject(this.parts.bucket, key)
    if (bytes !== undefined) return decodeBlockMeta(bytes, key)
    throw fail('not-found', { text: `the upload of block ${block.ulid} was not started` })
  }

  private getArriving(id: number): ArrivingFile {
    const arriving = this.arriving.get(id)
    if (arriving === undefined) throw fail('not-found', { text: 'the upload was given up' })
    return arriving
  }

  private idleTimer(id: number): Timer {
    return this.parts.env.timers.after(FILE_IDLE_MS, () => this.drop(id))
  }

  private drop(id: number): void {
    const arriving = this.arriving.get(id)
    if (arriving === undefined) return
    this.arriving.delete(id)
    arriving.idle.cancel()
    arriving.file.close()
    this.parts.env.disk.remove(arriving.local)
  }

  private key({ tenant, ulid }: UploadedBlock, file: string): string {
    return blockKey(tenant, ulid, file)
  }
}
