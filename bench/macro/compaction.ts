/**
 * `npm run compaction -- merge [--series 100k]`: twelve blocks of two hours, one sample a minute: CPU and
 * memory that our server spends on making one block of a day of them, and the CPU that a Prometheus,
 * started on the same blocks, spends on those that it merges. Exits 1 above 300 MiB or twice the CPU.
 *
 * `npm run compaction -- month [--series 2k] [--days 30]`: a sample a minute, streamed into `nilo import -`;
 * queries over all of it and over a day, before and after compaction to blocks of a day, what they touch
 * and how long they take. Exits 1 when a query touches blocks beside its range, or is not faster then.
 *
 * Linux only: CPU and memory are read from /proc. Prometheus is that of PEERS or .cache/components.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { merge } from './compaction/merge.js'
import { month } from './compaction/month.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { series: { type: 'string' }, days: { type: 'string', default: '30' } },
})
const KINDS = {
  merge: (folder: string) => merge(folder, numberOf(values.series ?? '100k')),
  month: (folder: string) => month(folder, numberOf(values.series ?? '2k'), Number(values.days)),
}
const kind = KINDS[positionals[0] as keyof typeof KINDS]
if (kind === undefined) throw new Error(`one of ${Object.keys(KINDS).join(', ')}`)
const folder = mkdtempSync(join(tmpdir(), 'nilo-compaction-'))
const isGood = await kind(folder).finally(() => rmSync(folder, { recursive: true, force: true }))
process.exit(isGood ? 0 : 1)

function numberOf(text: string): number {
  return text.endsWith('k') ? Number(text.slice(0, -1)) * 1000 : Number(text)
}
