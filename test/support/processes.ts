/**
 * Programs that a test starts, waits for and stops. Each is stopped by its own handle, also when the
 * test process ends early; what it wrote is kept for the error message.
 */
import { type ChildProcess, spawn } from 'node:child_process'

/** A program that was started. */
export interface RunningProcess {
  readonly pid: number
  /** What it wrote on stdout and stderr so far; the last 256 KiB. */
  output(): string
  /** Sends a signal and waits until the process is gone; SIGKILL follows after `withinMs`. */
  stop(signal?: NodeJS.Signals, withinMs?: number): Promise<Exit>
  /** Settles when it is gone. */
  readonly exited: Promise<Exit>
  readonly hasExited: () => boolean
}

/** How a program ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** What to start. */
export interface ProcessOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
}

const OUTPUT_MAX = 256 * 1024
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A command that runs on the given cores only (`0`, `0,2-3`); on all of them without any. */
export function pinned(
  command: string,
  args: readonly string[],
  cpus: string | undefined,
): { command: string; args: string[] } {
  if (cpus === undefined) return { command, args: [...args] }
  return { command: 'taskset', args: ['-c', cpus, command, ...args] }
}

/** Starts a program; a command that does not exist shows as an exit. */
export function startProcess(options: ProcessOptions): RunningProcess {
  const child = spawn(options.command, [...options.args], {
    cwd: options.cwd,
    env: { ...process.env, NODE_OPTIONS: '', NODE_TEST_CONTEXT: undefined, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let text = ''
  let gone = false
  const keep = (chunk: Buffer) => {
    text = (text + chunk.toString()).slice(-OUTPUT_MAX)
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  const exited = new Promise<Exit>((resolve) => {
    const end = (exit: Exit) => {
      gone = true
      running.delete(child)
      resolve(exit)
    }
    child.on('error', (error) => {
      text += String(error)
      if (child.pid === undefined) end({ code: null, signal: null })
    })
    // `close` and not `exit`: by then all that it wrote has been read.
    child.on('close', (code, signal) => end({ code, signal }))
  })
  const stop = async (signal: NodeJS.Signals = 'SIGTERM', withinMs = 20_000): Promise<Exit> => {
    if (!gone) child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), withinMs)
    const exit = await exited
    clearTimeout(timer)
    return exit
  }
  return { pid: child.pid ?? -1, output: () => text, stop, exited, hasExited: () => gone }
}

/**
 * Asks again and again until the answer is not undefined.
 *
 * @throws with what the program wrote, when it ends or the deadline passes first
 */
export async function waitFor<T>(
  what: string,
  program: RunningProcess,
  ask: () => Promise<T | undefined>,
  withinMs = 120_000,
): Promise<T> {
  const deadline = Date.now() + withinMs
  while (true) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (program.hasExited()) throw new Error(`${what}: the process ended:\n${program.output()}`)
    if (Date.now() > deadline) {
      throw new Error(`${what}: not within ${withinMs} ms:\n${program.output().slice(-8000)}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
}

/** Waits until a URL answers 200; in vain, the error tells what it answered last. */
export async function waitForUrl(
  url: string,
  program: RunningProcess,
  withinMs?: number,
): Promise<void> {
  let last = 'nothing'
  const ask = async (): Promise<true | undefined> => {
    try {
      const response = await fetch(url)
      const text = await response.text()
      if (response.ok) return true
      last = `${response.status} ${text.slice(0, 200).trim()}`
    } catch (error) {
      last = String((error as Error).cause ?? error)
    }
    return undefined
  }
  try {
    await waitFor(url, program, ask, withinMs)
  } catch (error) {
    throw new Error(`${url} answered last: ${last}`, { cause: error })
  }
}
