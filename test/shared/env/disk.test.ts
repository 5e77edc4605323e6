/** The disk's contract, on the real one and on the fake one that other tests rely on. */
import assert from 'node:assert/strict'
import { pbkdf2 } from 'node:crypto'
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { type Disk, nodeDisk } from '../../../src/shared/env/index.js'
import { AppError } from '../../../src/shared/errors/index.js'
import { FakeDisk } from '../../support/fake-disk.js'

const root = mkdtempSync(join(tmpdir(), 'nilo-disk-'))
after(() => rmSync(root, { recursive: true }))

const fake = new FakeDisk()
fake.makeFolder('/data')
const DISKS: [string, Disk, string][] = [
  ['node', nodeDisk(), root],
  ['fake', fake, '/data'],
]

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const isDiskFailed = (error: unknown): boolean =>
  error instanceof AppError && error.id === 'disk-failed'

for (const [name, disk, folder] of DISKS) {
  test(`${name} disk: appends, writes in place, reads, cuts, syncs`, async () => {
    const path = join(folder, 'file')
    const file = disk.open(path, 'append')
    assert.equal(file.write(bytes('hello ')), 6)
    assert.equal(file.write(bytes('world')), 5)
    assert.equal(file.write(bytes('J'), 0), 1)
    assert.equal(file.size(), 11)
    const into = new Uint8Array(20)
    assert.equal(file.read(into, 6), 5)
    assert.equal(file.read(into, 11), 0)
    file.truncate(5)
    file.sync()
    await file.syncLater()
    file.write(bytes('!'))
    file.close()
    assert.deepEqual([...disk.readFile(path)], [...bytes('Jello!')])
    const again = disk.open(path, 'append')
    again.write(bytes('?'))
    again.close()
    assert.deepEqual([...disk.readFile(path)], [...bytes('Jello!?')])
    disk.open(path, 'create').close()
    assert.equal(disk.readFile(path).length, 0)
  })

  test(`${name} disk: folders, lists, renames, replaces, removes`, () => {
    const sub = join(folder, 'a', 'b')
    disk.makeFolder(sub)
    assert.deepEqual(disk.list(sub), [])
    assert.deepEqual(disk.list(join(folder, 'nowhere')), [])
    disk.replaceFile(join(sub, 'two'), bytes('2'))
    disk.replaceFile(join(sub, 'one'), bytes('1'))
    disk.replaceFile(join(sub, 'one'), bytes('11'))
    assert.deepEqual(disk.list(sub), ['one', 'two'])
    assert.deepEqual([...disk.readFile(join(sub, 'one'))], [...bytes('11')])
    disk.rename(join(sub, 'one'), join(sub, 'three'))
    disk.syncFolder(sub)
    assert.ok(!disk.exists(join(sub, 'one')) && disk.exists(join(sub, 'three')))
    disk.rename(sub, join(folder, 'c'))
    assert.deepEqual(disk.list(join(folder, 'c')), ['three', 'two'])
    disk.remove(join(folder, 'c'))
    disk.remove(join(folder, 'c'))
    assert.ok(!disk.exists(join(folder, 'c', 'two')))
  })

  test(`${name} disk: failures are AppError disk-failed with the path`, () => {
    const missing = join(folder, 'missing')
    for (const run of [
      () => disk.open(missing, 'read'),
      () => disk.open(missing, 'update'),
      () => disk.open(join(folder, 'no-folder', 'x'), 'create'),
      () => disk.readFile(missing),
      () => disk.rename(missing, `${missing}2`),
    ]) {
      assert.throws(run, (error) => isDiskFailed(error) && /ENOENT/.test(String(error)))
    }
  })
}

test('fake disk: a power loss leaves what was synced, faults hit the call they are meant for', () => {
  const disk = new FakeDisk()
  disk.makeFolder('/d')
  const file = disk.open('/d/kept', 'append')
  file.write(bytes('synced'))
  file.sync()
  disk.syncFolder('/d')
  file.write(bytes(' lost'))
  disk.open('/d/lost', 'create').write(bytes('x'))
  disk.crash()
  assert.deepEqual(disk.paths(), ['/d/kept'])
  assert.deepEqual([...disk.readFile('/d/kept')], [...bytes('synced')])
  disk.fault = (call) => (call.what === 'write' ? { shortBytes: 2 } : undefined)
  assert.equal(disk.open('/d/kept', 'append').write(bytes('abc')), 2)
  disk.fault = (call) => (call.what === 'sync' ? { fail: 'EIO' } : undefined)
  assert.throws(() => disk.open('/d/kept', 'append').sync(), isDiskFailed)
})

/** Files of the root by names, removed or not, that this process has open. */
function openFiles(prefix: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`)
      return target.startsWith(join(root, prefix)) ? [target] : []
    } catch {
      return []
    }
  })
}

/** Other work for the pool's four threads: what is left to them is not done yet when it is looked at. */
function keepPoolBusy(): Promise<unknown> {
  const digest = promisify(pbkdf2)
  return Promise.all(Array.from({ length: 8 }, () => digest('a', 'b', 100_000, 64, 'sha512')))
}

test('node disk: a large file is gone at once, and what it takes is freed off the thread', async () => {
  const disk = nodeDisk()
  const path = join(root, 'large')
  const file = disk.open(path, 'create')
  file.write(new Uint8Array(2 << 20))
  file.close()
  const busy = keepPoolBusy()
  disk.remove(path)
  assert.ok(!disk.exists(path))
  disk.open(path, 'create').close()
  assert.deepEqual(openFiles('large'), [`${path} (deleted)`])
  await busy
  while (openFiles('large').length > 0) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(disk.readFile(path).length, 0)
})

test('node disk: of many large files that are removed at once some are held', async () => {
  const disk = nodeDisk()
  const paths = Array.from({ length: 100 }, (_, i) => join(root, `many-${i}`))
  for (const path of paths) {
    const file = disk.open(path, 'create')
    file.truncate(1 << 20)
    file.close()
  }
  const busy = keepPoolBusy()
  for (const path of paths) disk.remove(path)
  const count = openFiles('many').length
  assert.ok(count > 0 && count <= 64, `${count} files are held`)
  assert.ok(paths.every((path) => !disk.exists(path)))
  await busy
  while (openFiles('many').length > 0) await new Promise((resolve) => setImmediate(resolve))
})
