/** What a process has used: CPU and memory, from /proc. */
import { readFileSync } from 'node:fs'

/** Ticks of the kernel's clock a second, on every Linux that there is. */
const TICKS = 100
const LOOK_MS = 200

/** CPU seconds of all threads of a process so far. */
export function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}

/** Resident memory of a process, MiB. */
export function rssOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
}

/** What a stretch of time took of a process. */
export interface Usage {
  /** Beyond what it used when idle, s. */
  readonly cpuS: number
  /** Highest resident memory beyond what it was at the beginning, MiB. */
  readonly growthMib: number
  readonly wallS: number
}

/** Measures a process from now on until some work is done; before, for a second, what it uses idle. */
export async function usageOf(pid: number, work: () => Promise<void>): Promise<Usage> {
  const before = cpuOf(pid)
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  const start = { cpu: cpuOf(pid), rss: rssOf(pid), at: performance.now() }
  const idle = start.cpu - before
  let peak = start.rss
  const timer = setInterval(() => {
    peak = Math.max(peak, rssOf(pid))
  }, LOOK_MS)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  const wallS = (performance.now() - start.at) / 1000
  return { cpuS: cpuOf(pid) - start.cpu - idle * wallS, growthMib: peak - start.rss, wallS }
}
