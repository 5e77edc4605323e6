/** Fuzzing of a data directory with the whole server: see data-dir.ts for what is asked of it. */
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SeededPrng } from '../../src/shared/base/prng.js'
import { nodeDisk } from '../../src/shared/env/index.js'
import { type Nilo, startNilo } from '../support/nilo.js'
import { remoteWriteBody, sendBody } from '../support/remote-write.js'
import { damageFile } from './damage.js'
import type { FuzzResult } from './data-dir.js'

const SERIES = 50
const BODIES = 400
const TENANT = 'fuzzed'

function valueAt(series: number, body: number): number {
  return (body * 31 + series * 7) % 97
}

/** Runs `count` cases on a directory that a killed server left. */
export async function fuzzServer(
  seed: number,
  count: number,
  say: (line: string) => void,
): Promise<FuzzResult> {
  const root = mkdtempSync(join(tmpdir(), 'nilo-fuzz-'))
  const start = Math.floor(Date.now() / 1000) * 1000 - BODIES * 1000
  const wrong: string[] = []
  let lossy = 0
  try {
    await writeDirectory(join(root, 'pristine'), start)
    for (let at = 0; at < count; at++) {
      const folder = join(root, `case-${at}`)
      cpSync(join(root, 'pristine'), folder, { recursive: true })
      const found = await runCase(folder, seed + at, start)
      lossy += found.lost > 0 ? 1 : 0
      for (const line of found.wrong) {
        wrong.push(`server, seed ${seed + at}: ${line}`)
        say(wrong.at(-1)!)
      }
      rmSync(folder, { recursive: true })
    }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
  return { cases: count, lossy, wrong }
}

async function writeDirectory(folder: string, start: number): Promise<void> {
  const nilo = await startNilo(folder, ['-wal.snapshot-bytes=60000'])
  for (let body = 0; body < BODIES; body++) await push(nilo, body, start)
  await nilo.stop('SIGKILL')
}

async function push(nilo: Nilo, body: number, start: number): Promise<void> {
  const series = Array.from({ length: SERIES }, (_, n) => ({
    labels: { __name__: 'fuzz', n: String(n) },
    samples: [[start + body * 1000, valueAt(n, body)] as const],
  }))
  const { status, text } = await sendBody(nilo.pushUrl, remoteWriteBody(series), TENANT)
  if (status !== 200) throw new Error(`push ${body}: ${status} ${text}`)
}

async function runCase(
  folder: string,
  seed: number,
  start: number,
): Promise<{ lost: number; wrong: string[] }> {
  const prng = new SeededPrng(seed ^ 0x5e7e0000)
  const disk = nodeDisk()
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
  const damaged = [damageFile(disk, paths[prng.below(paths.length)]!, prng)]
  const what = damaged.map(({ text }) => text.slice(folder.length + 1)).join(', ')
  const wrong: string[] = []
  let nilo: Nilo
  try {
    nilo = await startNilo(folder)
  } catch (error) {
    return { lost: 0, wrong: [`${what}: does not start: ${String(error)}`] }
  }
  try {
    const there = await contentOf(nilo, start, wrong, what)
    const lost = SERIES * BODIES - there
    const { damage } = (await (await fetch(`${nilo.url}/debug/damage`)).json()) as {
      damage: unknown[]
    }
    const isNoticeable = damaged.some(({ isUnnoticeable }) => !isUnnoticeable)
    if (lost > 0 && isNoticeable && damage.length === 0) {
      wrong.push(`${what}: ${lost} lost, not reported`)
    }
    await push(nilo, BODIES, start)
    return { lost, wrong: wrong.slice(0, 3) }
  } finally {
    await nilo.stop()
  }
}

/** How many samples are there; those that never were are noted. */
async function contentOf(
  nilo: Nilo,
  start: number,
  wrong: string[],
  what: string,
): Promise<number> {
  const at = (start + BODIES * 1000) / 1000
  const url = `${nilo.queryUrl}/api/v1/query?query=${encodeURIComponent('fuzz[1h]')}&time=${at}`
  const answer = (await (await fetch(url, { headers: { 'x-scope-orgid': TENANT } })).json()) as {
    data: { result: { metric: { n: string }; values: [number, string][] }[] }
  }
  let there = 0
  for (const { metric, values } of answer.data.result) {
    for (const [seconds, value] of values) {
      const body = Math.round((seconds * 1000 - start) / 1000)
      if (Number(value) === valueAt(Number(metric.n), body)) there++
      else wrong.push(`${what}: series ${metric.n} at body ${body} is ${value}`)
    }
  }
  return there
}
