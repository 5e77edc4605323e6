/**
 * One process per data directory, and no lock that outlives its process: after kill -9 the next
 * start takes over, also when another program has the dead one's pid by then.
 *
 * `DIR/lock/` holds numbered files, of which the highest counts. Its text names the owner: pid, start
 * time of that pid (field 22 of /proc/PID/stat), host; or it says `free`. To lock, a process makes
 * the next number, by a hard link that only one can make, once it has seen that the owner of the
 * highest is gone; then it looks again, and gives way to a higher number. The highest file is never
 * deleted, only marked free, so that nobody who looked earlier can make a number that counts.
 */
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fail } from '../errors/index.js'

/** A held lock. */
export interface FolderLock {
  /** Lets the next process in. Called once, when all else is closed. */
  release(): void
}

interface Owner {
  readonly pid: number
  readonly startTime: string
  readonly host: string
}

const FREE = 'free\n'
const NAME = /^\d{8}$/
/** Lost races before giving up; each means that another process got in first. */
const TRIES_MAX = 20

/**
 * Takes the lock of a folder, which is made when it is missing.
 *
 * @throws AppError `data-dir-locked`, naming the pid of the process that has it
 */
export function lockFolder(folder: string): FolderLock {
  const place = join(folder, 'lock')
  const draft = join(place, `draft-${process.pid}`)
  try {
    mkdirSync(place, { recursive: true })
    const me: Owner = { pid: process.pid, startTime: startTimeOf(process.pid), host: hostname() }
    writeFileSync(draft, `pid=${me.pid} start=${me.startTime} host=${me.host}\n`)
  } catch (error) {
    throw fail('disk-failed', { text: `cannot write to ${place}: ${String(error)}` }, error)
  }
  try {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const number = tryLock(folder, place, draft)
      if (number !== undefined) return { release: () => release(place, number) }
    }
    throw fail('data-dir-locked', { text: `${folder} is being locked by other processes` })
  } finally {
    rmSync(draft, { force: true })
  }
}

/** One try: the number made, or undefined when another process made it first. */
function tryLock(folder: string, place: string, draft: string): string | undefined {
  const highest = highestOf(place)
  if (highest !== undefined) refuseWhenOwned(folder, place, highest)
  const number = String(Number(highest ?? '0') + 1).padStart(8, '0')
  try {
    linkSync(draft, join(place, number))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined
    throw fail('disk-failed', { text: `cannot lock ${place}: ${String(error)}` }, error)
  }
  if (highestOf(place) !== number) {
    rmSync(join(place, number), { force: true })
    return undefined
  }
  for (const name of readdirSync(place)) {
    const isOld = NAME.test(name) ? name < number : isForeignDraft(name)
    if (isOld) rmSync(join(place, name), { force: true })
  }
  return number
}

function refuseWhenOwned(folder: string, place: string, number: string): void {
  const owner = ownerOf(join(place, number))
  if (owner === undefined || !isAlive(owner)) return
  throw fail('data-dir-locked', {
    text: `${folder} is in use by the process with pid ${owner.pid}; stop it or choose another -data.dir`,
  })
}

/** Where the folder is gone there is nothing that is locked. */
function release(place: string, number: string): void {
  if (!existsSync(place)) return
  const draft = join(place, `draft-${process.pid}`)
  writeFileSync(draft, FREE)
  renameSync(draft, join(place, number))
}

function highestOf(place: string): string | undefined {
  return readdirSync(place)
    .filter((name) => NAME.test(name))
    .sort()
    .at(-1)
}

/** undefined when the lock is free, damaged or gone meanwhile. */
function ownerOf(path: string): Owner | undefined {
  let text = ''
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const match = /^pid=(\d+) start=(\S*) host=(\S*)$/m.exec(text)
  return match === null
    ? undefined
    : { pid: Number(match[1]), startTime: match[2]!, host: match[3]! }
}

/** Of another host (a moved volume, a new container) nothing can be known: it counts as gone. */
function isAlive(owner: Owner): boolean {
  if (owner.host !== hostname()) return false
  if (owner.pid === process.pid && owner.startTime === startTimeOf(process.pid)) return true
  return isPidAlive(owner.pid) && owner.startTime === startTimeOf(owner.pid)
}

function isPidAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Clock ticks from boot to the start of a process; '' where there is no /proc, and of a zombie. */
function startTimeOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in brackets may hold anything; after it comes field 3.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? '' : (fields[19] ?? '')
  } catch {
    return ''
  }
}

function isForeignDraft(name: string): boolean {
  const pid = Number(/^draft-(\d+)$/.exec(name)?.[1] ?? process.pid)
  return pid !== process.pid && !isPidAlive(pid)
}

/**
 * Locks several folders, or none.
 * @throws AppError `data-dir-locked` as lockFolder
 */
export function lockFolders(folders: readonly string[]): FolderLock {
  const locks: FolderLock[] = []
  const release = (): void => {
    for (const lock of locks.splice(0).reverse()) lock.release()
  }
  try {
    for (const folder of folders) locks.push(lockFolder(folder))
  } catch (error) {
    release()
    throw error
  }
  return { release }
}
