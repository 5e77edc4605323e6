/**
 * The local disk on node:fs, synchronous: an actor is a thread of its own, and a call through the
 * thread pool costs more than most of these. Every failure is an AppError `disk-failed` that names
 * what was tried, on which path, and the system's reason.
 */
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { fail } from '../errors/index.js'
import type { Disk, DiskFile, PathFacts } from './env.js'

const FLAGS = {
  read: fs.constants.O_RDONLY,
  append: fs.constants.O_RDWR | fs.constants.O_CREAT,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_TRUNC,
  update: fs.constants.O_RDWR,
} as const

/** The disk of this machine. */
export function nodeDisk(): Disk {
  const held: Held = { count: 0 }
  return {
    open: (path, mode) => openFile(path, FLAGS[mode]),
    readFile: (path) => tried('read', path, () => fs.readFileSync(path)),
    exists: (path) => fs.existsSync(path),
    list: (folder) => tried('list', folder, () => listFolder(folder)),
    makeFolder: (path) => tried('create', path, () => void fs.mkdirSync(path, { recursive: true })),
    findFacts,
    link,
    removeEmptyFolder,
    rename: (from, to) => tried('rename', from, () => fs.renameSync(from, to)),
    remove: (path) => tried('remove', path, () => remove(path, held)),
    syncFolder,
    freeBytes: (folder) =>
      tried('look at', folder, () => {
        const { bavail, bsize } = fs.statfsSync(folder)
        return bavail * bsize
      }),
    replaceFile,
  }
}

function openFile(path: string, flags: number): DiskFile {
  const fd = tried('open', path, () => fs.openSync(path, flags, 0o640))
  // Where the next append goes. O_APPEND would send every positioned write to the end as well.
  let end = tried('open', path, () => fs.fstatSync(fd).size)
  let isOpen = true
  /** The number of a file that was closed may be another file's by now. */
  const openFd = (): number => {
    if (isOpen) return fd
    throw Object.assign(new Error('the file is closed'), { code: 'EBADF' })
  }
  return {
    path,
    write(bytes, position) {
      const at = position ?? end
      const written = tried('write', path, () => fs.writeSync(openFd(), bytes, 0, bytes.length, at))
      end = Math.max(end, at + written)
      return written
    },
    read: (into, position) =>
      tried('read', path, () => fs.readSync(openFd(), into, 0, into.length, position)),
    size: () => end,
    truncate(size) {
      tried('truncate', path, () => fs.ftruncateSync(openFd(), size))
      end = size
    },
    sync: () => tried('sync', path, () => fs.fdatasyncSync(openFd())),
    syncLater: () =>
      new Promise((resolve, reject) => {
        tried('sync', path, () =>
          fs.fdatasync(openFd(), (error) =>
            error === null ? resolve() : reject(diskFailed('sync', path, error)),
          ),
        )
      }),
    close: () =>
      tried('close', path, () => {
        const last = openFd()
        isOpen = false
        fs.closeSync(last)
      }),
  }
}

function listFolder(folder: string): string[] {
  try {
    return fs.readdirSync(folder).sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function findFacts(path: string): PathFacts | undefined {
  try {
    const found = fs.statSync(path)
    return { size: found.size, mtime: found.mtimeMs, isFolder: found.isDirectory() }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw diskFailed('look at', path, error)
  }
}

/** What a file system answers that has no hard links, or none between these two places. */
const NO_LINKS = new Set(['EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

function link(from: string, to: string): 'linked' | 'exists' | 'impossible' {
  try {
    fs.linkSync(from, to)
    return 'linked'
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (code === 'EEXIST') return 'exists'
    if (NO_LINKS.has(code)) return 'impossible'
    throw diskFailed('link', to, error)
  }
}

/** Smaller files are not worth two more calls. */
const HELD_BYTES_MIN = 1 << 20
/** Files that are held at once; more are freed where they are removed, or numbers of files run out. */
const HELD_MAX = 64

/** Files that are removed and not closed yet. */
interface Held {
  count: number
}

/**
 * Missing is fine. The name of a file goes at once, what it takes on disk off the thread: the file is
 * held open and closed there. To free a gibibyte keeps the thread that does it for 100 to 250 ms.
 */
function remove(path: string, held: Held): void {
  const fd = held.count < HELD_MAX ? openToRemove(path) : undefined
  try {
    fs.rmSync(path, { recursive: true, force: true })
  } finally {
    if (fd !== undefined) {
      held.count++
      fs.close(fd, () => held.count--)
    }
  }
}

function openToRemove(path: string): number | undefined {
  try {
    const facts = findFacts(path)
    if (facts === undefined || facts.isFolder || facts.size < HELD_BYTES_MIN) return undefined
    return fs.openSync(path, 'r')
  } catch {
    // Whatever is wrong with it, removing it says so.
    return undefined
  }
}

function removeEmptyFolder(path: string): boolean {
  try {
    fs.rmdirSync(path)
    return true
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'ENOENT') return false
    throw diskFailed('remove', path, error)
  }
}

function syncFolder(path: string): void {
  tried('sync', path, () => {
    const fd = fs.openSync(path, 'r')
    try {
      fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
  })
}

function replaceFile(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.tmp`
  tried('write', temporary, () => {
    const fd = fs.openSync(temporary, 'w', 0o640)
    try {
      fs.writeFileSync(fd, bytes)
      fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
  })
  tried('rename', temporary, () => fs.renameSync(temporary, path))
  syncFolder(dirname(path))
}

function tried<T>(what: string, path: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw diskFailed(what, path, error)
  }
}

function diskFailed(what: string, path: string, error: unknown): Error {
  const reason = (error as NodeJS.ErrnoException).code ?? String(error)
  return fail('disk-failed', { text: `${what} ${path}: ${reason}` }, error)
}
