/** A month that is imported, asked, compacted and asked again. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AS_SHIPPED, MAIN, type Nilo, startNilo } from '../../../test/support/nilo.js'
import { waitFor } from '../../../test/support/processes.js'
import { callApi } from '../../../test/support/prom-api.js'
import { TENANT } from '../blocks/make.js'
import { print } from '../load-tool.js'
import { cpuOf, rssOf } from './usage.js'

const DAY_S = 86_400
const MINUTE_S = 60
/** Series of an instance. */
const MODES = 10
const INSTANCE = '{instance="host-0001:9100"}'

/** What a question took. */
interface Asked {
  readonly ms: number
  readonly blocks: number
}

/** See the head of the command's file. */
export async function month(folder: string, series: number, days: number): Promise<boolean> {
  const bucket = join(folder, 'bucket')
  const to = Math.floor(Date.now() / 1000 / DAY_S) * DAY_S
  const from = to - days * DAY_S
  await importMonth(bucket, series, { from, to })
  const flags = [...AS_SHIPPED, `-blocks-storage.filesystem.dir=${bucket}`]
  const before = await ask(
    join(folder, 'before'),
    [...flags, `-compactor.disabled-tenants=${TENANT}`],
    { from, to },
  )
  await compact(join(folder, 'compact'), flags, join(bucket, TENANT), days)
  const after = await ask(join(folder, 'after'), flags, { from, to })
  const isFaster = after.whole.ms < before.whole.ms
  // A day of two-hour blocks, and an hour of the one before.
  const isNarrow = before.day.blocks <= 13 && after.day.blocks <= 2
  print(
    `${isFaster ? '' : 'NOT '}faster by compaction; a day touches ${isNarrow ? 'what it needs' : 'TOO MUCH'}`,
  )
  return isFaster && isNarrow
}

/** Times of the data, s. */
interface Span {
  readonly from: number
  readonly to: number
}

async function importMonth(bucket: string, series: number, { from, to }: Span): Promise<void> {
  const args = [MAIN, 'import', `-tenant=${TENANT}`, `-blocks-storage.filesystem.dir=${bucket}`]
  const child = spawn(process.execPath, [...args, `-data.dir=${bucket}-scratch`, '-'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  const ended = once(child, 'exit') as Promise<[number | null]>
  const usage = { cpu: 0, rss: 0 }
  const look = (): void => {
    try {
      usage.cpu = cpuOf(child.pid!)
      usage.rss = Math.max(usage.rss, rssOf(child.pid!) || 0)
    } catch {
      // It has ended.
    }
  }
  const timer = setInterval(look, 200)
  const heads = Array.from({ length: series }, (_, i) => {
    const instance = String(Math.floor(i / MODES)).padStart(4, '0')
    return `x{instance="host-${instance}:9100",mode="mode-${i % MODES}"} `
  })
  const values = new Float64Array(series)
  child.stdin.write('# TYPE x unknown\n')
  for (let t = from; t < to; t += MINUTE_S) {
    let text = ''
    for (let i = 0; i < series; i++) {
      values[i]! += Math.round(Math.random() * 10_000) / 100
      text += `${heads[i]!}${values[i]!.toFixed(2)} ${t}\n`
    }
    if (!child.stdin.write(text)) await once(child.stdin, 'drain')
  }
  child.stdin.end('# EOF\n')
  const [code] = await ended
  clearInterval(timer)
  if (code !== 0) throw new Error(`import ended with ${code}`)
  const samples = ((to - from) / MINUTE_S) * series
  print(
    `import: ${samples} samples, ${usage.cpu.toFixed(0)} s of CPU (${((usage.cpu / samples) * 1e6).toFixed(2)} µs each), RSS ${usage.rss.toFixed(0)} MiB`,
  )
}

/** Asks for one instance over all of the time and over a day of it, each three times. */
async function ask(
  folder: string,
  flags: readonly string[],
  { from, to }: Span,
): Promise<{ whole: Asked; day: Asked }> {
  const server = await startNilo(folder, flags)
  try {
    const whole = await askOne(server, `rate(x${INSTANCE}[1h])`, { from: from + 3600, to: to - 1 })
    const start = Math.max(from, to - 10 * DAY_S)
    const day = await askOne(server, `rate(x${INSTANCE}[1h])`, {
      from: start + 3600,
      to: start + DAY_S - 1,
    })
    print(`all: ${shown(whole)}; a day: ${shown(day)}`)
    return { whole, day }
  } finally {
    await server.stop()
  }
}

async function askOne(server: Nilo, query: string, { from, to }: Span): Promise<Asked> {
  const params = { query, start: from, end: to, step: 3600 }
  const times: number[] = []
  for (let run = 0; run < 3; run++) {
    const begun = performance.now()
    const answer = await callApi(server.queryUrl, 'query_range', params, { tenant: TENANT })
    if (answer.status !== 'success') throw new Error(answer.error)
    const { result } = answer.data as { result: readonly { values: readonly unknown[] }[] }
    const points = result.reduce((sum, { values }) => sum + values.length, 0)
    const wanted = MODES * (Math.floor((to - from) / 3600) + 1)
    if (points !== wanted) throw new Error(`${points} points of ${wanted}`)
    times.push(performance.now() - begun)
  }
  const told = await callApi(server.queryUrl, 'analyze', params, { tenant: TENANT })
  const { blocks } = told.data as { blocks: readonly { chunks: number }[] }
  return { ms: times.sort((a, b) => a - b)[1]!, blocks: blocks.length }
}

/** Lets the compactor work until there is a block for each day. */
async function compact(
  folder: string,
  flags: readonly string[],
  place: string,
  days: number,
): Promise<void> {
  const server = await startNilo(folder, [
    ...flags,
    '-compactor.compaction-interval=2s',
    '-compactor.first-level-compaction-wait-period=0s',
  ])
  let rss = 0
  const timer = setInterval(() => {
    rss = Math.max(rss, rssOf(server.pid))
  }, 200)
  try {
    await waitFor(
      'blocks of a day',
      server,
      async () => (daysIn(place) >= days ? true : undefined),
      3_600_000,
    )
    print(
      `compaction: ${cpuOf(server.pid).toFixed(0)} s of CPU with the start, RSS ${rss.toFixed(0)} MiB`,
    )
  } finally {
    clearInterval(timer)
    await server.stop()
  }
}

/** Blocks of a day. */
function daysIn(place: string): number {
  return readdirSync(place).filter((name) => {
    try {
      const meta = JSON.parse(readFileSync(join(place, name, 'meta.json'), 'utf8')) as {
        compaction: { level: number }
      }
      return meta.compaction.level === 3
    } catch {
      return false
    }
  }).length
}

function shown({ ms, blocks }: Asked): string {
  return `${ms.toFixed(0)} ms, ${blocks} blocks`
}
