/** One process per data directory. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { lockFolder, lockFolders } from '../../../src/shared/env/index.js'
import { AppError } from '../../../src/shared/errors/index.js'

const root = mkdtempSync(join(tmpdir(), 'nilo-lock-'))
after(() => rmSync(root, { recursive: true, force: true }))
const module = new URL('../../../src/shared/env/folder-lock.js', import.meta.url).href

/** Another process that locks the folder, prints what came of it, and waits. */
async function other(folder: string): Promise<{ said: string; kill(): Promise<void> }> {
  const code = `import { lockFolder } from ${JSON.stringify(module)}
    try { lockFolder(process.argv[1]); console.log('locked') } catch (e) { console.log(e.message) }
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer]
  const kill = async () => {
    child.kill('SIGKILL')
    await exited
  }
  return { said: `${child.pid} ${chunk.toString().trim()}`, kill }
}

test('a second process is refused, naming the pid of the first', async () => {
  const folder = join(root, 'second')
  const first = await other(folder)
  try {
    assert.match(first.said, /^\d+ locked$/)
    const pid = first.said.split(' ')[0]!
    assert.throws(
      () => lockFolder(folder),
      (error) =>
        error instanceof AppError &&
        error.id === 'data-dir-locked' &&
        error.message.includes(`pid ${pid};`),
    )
  } finally {
    await first.kill()
  }
  lockFolder(folder).release()
})

test('of many at once exactly one gets the lock, also over a stale one', async () => {
  const folder = join(root, 'many')
  const dead = await other(folder)
  await dead.kill()
  const all = await Promise.all(Array.from({ length: 6 }, () => other(folder)))
  try {
    const locked = all.filter(({ said }) => said.endsWith(' locked'))
    assert.equal(locked.length, 1, all.map(({ said }) => said).join('\n'))
    const pid = locked[0]!.said.split(' ')[0]!
    for (const { said } of all) {
      if (!said.endsWith(' locked')) assert.match(said, new RegExp(`in use .* pid ${pid};`))
    }
  } finally {
    await Promise.all(all.map(({ kill }) => kill()))
  }
})

test('a pid that another program has by now does not hold the lock', () => {
  const folder = join(root, 'reused')
  mkdirSync(join(folder, 'lock'), { recursive: true })
  // Pid 1 runs on every system, but did not start at that tick.
  writeFileSync(join(folder, 'lock', '00000004'), `pid=1 start=-5 host=${hostname()}\n`)
  const lock = lockFolder(folder)
  assert.deepEqual(readdirSync(join(folder, 'lock')), ['00000005'])
  lock.release()
})

test('a process cannot lock twice, and can again after the release', () => {
  const folder = join(root, 'twice')
  const lock = lockFolder(folder)
  assert.throws(() => lockFolder(folder), /in use by the process with pid/)
  lock.release()
  assert.equal(readFileSync(join(folder, 'lock', '00000001'), 'utf8'), 'free\n')
  lockFolder(folder).release()
})

test('a damaged lock file does not keep the server from starting', () => {
  const folder = join(root, 'damaged')
  mkdirSync(join(folder, 'lock'), { recursive: true })
  writeFileSync(join(folder, 'lock', '00000009'), '\0\0\0')
  lockFolder(folder).release()
})

test('a lock on a folder that was removed meanwhile is let go of', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-lock-'))
  const lock = lockFolder(folder)
  rmSync(folder, { recursive: true })
  lock.release()
  assert.equal(existsSync(folder), false)
})

test('of several folders all are locked or none', (t) => {
  const [one, two] = [0, 1].map(() => mkdtempSync(join(tmpdir(), 'nilo-lock-')))
  t.after(() => {
    for (const folder of [one!, two!]) rmSync(folder, { recursive: true, force: true })
  })
  const held = lockFolder(two!)
  assert.throws(() => lockFolders([one!, two!]), /is in use/)
  held.release()
  lockFolder(one!).release()
  lockFolders([one!, two!]).release()
})
