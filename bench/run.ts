/**
 * `npm run bench [-- PATH…]`: runs the benchmarks whose path holds one of those given, all of them
 * without any, one process each, one after the other, and appends a line for each to the history
 * (bench/history/micro.jsonl; not with `--no-history`). `--compare [A [B]] [PATH…] [--rounds N]`
 * compares two commits, or one with the working tree; `--history [PATH…]` prints what is kept.
 */
import { loadavg } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { buildSide, compareSides, findCommit, type Side } from './compare.js'
import { appendHistory, machineOf, readHistory } from './history.js'
import { listBenches, runBench } from './suite.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    compare: { type: 'boolean', default: false },
    history: { type: 'boolean', default: false },
    'no-history': { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
  },
})
const root = resolve('.')
const rounds = Number(values.rounds)
if (!(Number.isInteger(rounds) && rounds > 0)) usage('--rounds takes a whole number above 0')
const isGood = await main()
process.exit(isGood ? 0 : 1)

function main(): Promise<boolean> | boolean {
  if (values.history) return showHistory(positionals)
  const { cpus, model, node } = machineOf()
  print(`machine: ${cpus} × ${model}, Node ${node}, load ${loadavg()[0]?.toFixed(1)}`)
  return values.compare ? compare() : runAll(positionals)
}

async function runAll(parts: readonly string[]): Promise<boolean> {
  const files = listBenches(root, parts)
  if (files.length === 0) {
    usage(`nothing matches; there are:\n  ${listBenches(root, []).join('\n  ')}`)
  }
  let failed = 0
  for (const file of files) {
    print(`\n# bench/${file.replace(/\.js$/, '.ts')}`)
    const { figures, isGood } = await runBench(root, file)
    if (!isGood) failed += 1
    else if (!values['no-history']) appendHistory(root, file, figures)
  }
  return failed === 0
}

/** Up to two words that name commits come first; without any HEAD is compared with the working tree. */
async function compare(): Promise<boolean> {
  const parts = [...positionals]
  const words: [string, string][] = []
  while (words.length < 2 && parts[0] !== undefined) {
    const commit = findCommit(root, parts[0])
    if (commit === undefined) break
    words.push([parts.shift()!, commit])
  }
  if (words.length === 0) words.push(['HEAD', findCommit(root, 'HEAD') ?? 'HEAD'])
  const [first, second] = words.map(([word, commit]) => buildSide(root, word, commit))
  const sides: [Side, Side] = [first!, second ?? { name: 'working tree', root }]
  const compared = await compareSides(sides, parts, rounds)
  if (compared.length === 0) print('compare: the two have no figure in common')
  return compared.length > 0
}

/** Each figure with its last values, oldest first. */
function showHistory(parts: readonly string[]): boolean {
  const shown = 6
  const rows = new Map<string, string[]>()
  for (const line of readHistory(root)) {
    if (parts.length > 0 && !parts.some((part) => line.bench.includes(part))) continue
    for (const [name, [value, unit]] of Object.entries(line.figures)) {
      const row = `${line.bench}: ${name}, ${unit}`
      const dirt = line.isDirty ? '+' : ''
      rows.set(row, [...(rows.get(row) ?? []), `${value} (${line.commit.slice(0, 7)}${dirt})`])
    }
  }
  for (const [row, cells] of [...rows].sort()) {
    print(`${row.padEnd(70)} ${cells.slice(-shown).join('  ')}`)
  }
  return rows.size > 0
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

function usage(problem: string): never {
  process.stderr.write(
    `bench: ${problem}\nnpm run bench -- [PATH…] [--no-history] | --history [PATH…] | --compare [A [B]] [PATH…] [--rounds N]\n`,
  )
  process.exit(2)
}
