/** What every kind of bucket must do, as tests; each backend's test file runs them against its own. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import type { Bucket, BucketEntry } from '../../../src/shared/bucket/index.js'
import { AppError, type ErrorId } from '../../../src/shared/errors/index.js'

/** How the tests come to an empty bucket. */
export interface ContractSubject {
  readonly name: string
  /** undefined after the test was skipped for want of a server. */
  readonly open: (t: TestContext) => Promise<Bucket | undefined>
  /** Writes a local file for the bucket to upload, where its disk is not the real one. */
  readonly writeLocal?: (bytes: Uint8Array) => string
  /** Whether put-if-absent works; where not, it must be refused. */
  readonly canPutIfAbsent?: boolean
  /** Objects in the paging test: more than the backend's page holds. */
  readonly pagedObjects?: number
}

/** Runs the contract; call at the top of a test file. */
export function testBucketContract(subject: ContractSubject): void {
  const contract = (name: string, run: (bucket: Bucket, t: TestContext) => Promise<void>) =>
    test(`${subject.name}: ${name}`, async (t) => {
      const bucket = await subject.open(t)
      if (bucket === undefined) return
      t.after(() => bucket.close())
      await run(bucket, t)
    })
  contract('gives back what was put', givesBack)
  contract('replaces an object', replaces)
  contract('uploads a local file', async (bucket, t) => {
    const bytes = random(1_500_000)
    const path = subject.writeLocal?.(bytes) ?? realFile(t, bytes)
    await bucket.put('tenant/block/index', { path })
    assert.ok(same(await bucket.get('tenant/block/index'), bytes))
    assert.equal((await bucket.attributes('tenant/block/index')).size, bytes.length)
  })
  contract('reads ranges', readsRanges)
  contract('tells a missing object', tellsMissing)
  contract('deletes one and many, missing ones too', deletes)
  contract('lists by prefix and folder, in order', lists)
  contract('lists over pages', async (bucket) => {
    const count = subject.pagedObjects ?? 250
    const keys = Array.from({ length: count }, (_, i) => `paged/${String(i).padStart(5, '0')}`)
    await inParallel(keys, (key) => bucket.put(key, Buffer.from(key)))
    const nested = Array.from({ length: 3 }, (_, i) => `paged/00010/${i}`)
    await inParallel(nested, (key) => bucket.put(`x${key}`, new Uint8Array(1)))
    assert.deepEqual(
      (await all(bucket.list('paged/'))).map((entry) => entry.key),
      keys,
    )
    await bucket.delete(keys)
    assert.deepEqual(await all(bucket.list('paged/')), [])
  })
  contract('takes keys with unusual characters', takesUnusualKeys)
  contract('puts only if absent, or refuses to', async (bucket) => {
    if (subject.canPutIfAbsent === false) {
      await rejects(
        bucket.put('once', Buffer.from('a'), { ifAbsent: true }),
        'bucket-refused',
        'bucket-exists',
      )
      return
    }
    await bucket.put('once', Buffer.from('a'), { ifAbsent: true })
    await rejects(bucket.put('once', Buffer.from('b'), { ifAbsent: true }), 'bucket-exists')
    assert.equal(text(await bucket.get('once')), 'a')
  })
  contract('works for many callers at once', async (bucket) => {
    const keys = Array.from({ length: 40 }, (_, i) => `many/${i}`)
    await Promise.all(keys.map((key) => bucket.put(key, Buffer.from(key.repeat(100)))))
    const found = await Promise.all(keys.map((key) => bucket.get(key)))
    assert.deepEqual(
      found.map(text),
      keys.map((key) => key.repeat(100)),
    )
  })
}

async function givesBack(bucket: Bucket): Promise<void> {
  const bytes = random(70_000)
  const before = Date.now()
  await bucket.put('a/b', bytes)
  assert.ok(same(await bucket.get('a/b'), bytes))
  const { size, mtime } = await bucket.attributes('a/b')
  assert.equal(size, bytes.length)
  assert.ok(Number.isInteger(mtime), `${mtime}`)
  assert.ok(mtime > 0 && Math.abs(mtime - before) < 3600_000, `time ${mtime}, put at ${before}`)
  await bucket.put('empty', new Uint8Array(0))
  assert.equal((await bucket.get('empty')).length, 0)
  assert.equal((await bucket.getRange('empty', 0, 10)).length, 0)
}

async function replaces(bucket: Bucket): Promise<void> {
  await bucket.put('a', Buffer.from('first, and longer'))
  await bucket.put('a', Buffer.from('second'))
  assert.equal(text(await bucket.get('a')), 'second')
}

async function readsRanges(bucket: Bucket): Promise<void> {
  const bytes = random(200_000)
  await bucket.put('ranged', bytes)
  for (const [offset, length] of [
    [0, 1],
    [0, 200_000],
    [1000, 99_000],
    [199_999, 1],
    [199_990, 100],
    [5, 0],
    [200_000, 10],
    [900_000, 10],
  ] as const) {
    const part = Buffer.from(bytes.subarray(offset, offset + length))
    const found = Buffer.from(await bucket.getRange('ranged', offset, length))
    assert.ok(found.equals(part), `${offset}+${length}: ${found.length} bytes`)
  }
}

async function tellsMissing(bucket: Bucket): Promise<void> {
  await bucket.put('folder/there', Buffer.from('x'))
  for (const key of ['missing', 'folder/missing', 'folder', 'folder/there/below']) {
    await rejects(bucket.get(key), 'bucket-not-found')
    await rejects(bucket.getRange(key, 0, 1), 'bucket-not-found')
    await rejects(bucket.attributes(key), 'bucket-not-found')
  }
  assert.deepEqual(await all(bucket.list('nothing/')), [])
}

async function deletes(bucket: Bucket): Promise<void> {
  const keys = ['d/1', 'd/2', 'd/e/3', 'f']
  for (const key of keys) await bucket.put(key, Buffer.from('x'))
  await bucket.delete(['d/1'])
  await bucket.delete([])
  await bucket.delete(['d/2', 'd/never', 'd/e/3', 'nowhere/never'])
  assert.deepEqual(
    (await all(bucket.list(''))).map((entry) => entry.key),
    ['f'],
  )
  await rejects(bucket.get('d/1'), 'bucket-not-found')
}

async function lists(bucket: Bucket): Promise<void> {
  const keys = ['t/A-1/meta.json', 't/A/index', 't/A/meta.json', 't/A0', 't/markers/x', 'ta', 'u/1']
  for (const key of [...keys].reverse()) await bucket.put(key, Buffer.from(key))
  const plain = await all(bucket.list(''))
  assert.deepEqual(
    plain.map((entry) => entry.key),
    keys,
  )
  for (const { key, size, mtime } of plain) {
    assert.equal(size, key.length)
    assert.ok(mtime !== undefined && Math.abs(mtime - Date.now()) < 3600_000, `${key} ${mtime}`)
  }
  const named = async (prefix: string, delimiter: string) =>
    (await all(bucket.list(prefix, delimiter))).map((entry) => entry.key)
  assert.deepEqual(await named('', '/'), ['t/', 'ta', 'u/'])
  assert.deepEqual(await named('t/', '/'), ['t/A-1/', 't/A/', 't/A0', 't/markers/'])
  assert.deepEqual(await named('t/A', '/'), ['t/A-1/', 't/A/', 't/A0'])
  assert.deepEqual(await named('t', '/'), ['t/', 'ta'])
  assert.deepEqual(await named('t/A/', ''), ['t/A/index', 't/A/meta.json'])
}

async function takesUnusualKeys(bucket: Bucket): Promise<void> {
  const keys = ["t!-_.*'()/x", 't/with space', 't/plus+and=and&', 't/per%cent', 't/ünï']
  for (const key of keys) await bucket.put(key, Buffer.from(key))
  for (const key of keys) assert.equal(text(await bucket.get(key)), key)
  const listed = (await all(bucket.list('t'))).map((entry) => entry.key)
  assert.deepEqual([...listed].sort(), [...keys].sort())
  await bucket.delete(keys)
  assert.deepEqual(await all(bucket.list('')), [])
}

/** All entries of a listing. */
export async function all(entries: AsyncIterable<BucketEntry>): Promise<BucketEntry[]> {
  const found: BucketEntry[] = []
  for await (const entry of entries) found.push(entry)
  return found
}

/** Asserts that a call fails with one of these errors. */
export async function rejects(call: Promise<unknown>, ...ids: ErrorId[]): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof AppError, String(error))
    assert.ok(ids.includes(error.id), `${error.id}: ${error.message}`)
    return true
  })
}

/** Bytes as text. */
export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

/** Bytes of a fixed seed. */
export function random(size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  new SeededPrng(size).fill(bytes)
  return bytes
}

function realFile(t: TestContext, bytes: Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-bucket-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'file'), bytes)
  return join(folder, 'file')
}

async function inParallel<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < items.length) await run(items[next++]!)
  }
  await Promise.all(Array.from({ length: 16 }, worker))
}
