/** Micro benchmarks of a build: which there are, and running one in a process of its own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Figure, isFigure } from './figures.js'

/** Benchmarks of a build, relative to its folder `dist/bench`, whose path holds one of the parts. */
export function listBenches(root: string, parts: readonly string[]): string[] {
  const folder = join(root, 'dist/bench')
  if (!existsSync(folder)) return []
  const wanted = parts.map((part) => part.replace(/^(dist\/)?bench\//, '').replace(/\.[jt]s$/, ''))
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((file) => file.endsWith('.bench.js'))
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
    .sort()
}

/** What a benchmark told, and whether it went well. */
export interface BenchRun {
  readonly figures: readonly Figure[]
  readonly isGood: boolean
}

/** Runs one benchmark of the build under `root`; what it prints is shown unless `isQuiet`. */
export async function runBench(
  root: string,
  file: string,
  { isQuiet = false } = {},
): Promise<BenchRun> {
  const out = isQuiet ? 'ignore' : 'inherit'
  const child = spawn(process.execPath, ['--enable-source-maps', join('dist/bench', file)], {
    cwd: root,
    stdio: ['ignore', out, 'inherit', 'ipc'],
  })
  const figures: Figure[] = []
  child.on('message', (message) => {
    if (isFigure(message)) figures.push(message)
  })
  // `close` comes after the last message.
  const [code] = (await once(child, 'close')) as [number | null]
  return { figures, isGood: code === 0 }
}
