/**
 * `npm run soak -- --kills 20 [--workers] [--fsync always] [--seed N] [--seconds-between-kills S]
 * [--writers N] [--dir DIR]`: kills the server with -9 in the middle of push streams (several tenants,
 * new series all the time, samples out of order), restarts it on the same data directory, and reads
 * everything back; with `--workers` it kills one thread of the server after the other. Exits 1 when a sample that got a 2xx is missing or has another value, or
 * one is there that was never sent; the data directory is kept then. With `--zones 3` there are
 * three data roots with a copy of each series; shards are killed, one root is removed at the end, and
 * no push may fail. With `--blocks` it is another soak: soak/blocks/command.ts.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { blocksCommand } from './soak/blocks/command.js'
import { runSoak, type SoakResult } from './soak/run.js'

if (process.argv.includes('--blocks')) process.exit(await blocksCommand())

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kills: { type: 'string', default: '20' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    'seconds-between-kills': { type: 'string', default: '3' },
    writers: { type: 'string', default: '8' },
    workers: { type: 'boolean', default: false },
    zones: { type: 'string' },
    fsync: { type: 'string', default: 'interval' },
    'snapshot-bytes': { type: 'string', default: '262144' },
    dir: { type: 'string' },
  },
})
const kills = count('kills', values.kills)
const seed = count('seed', values.seed)
const writers = count('writers', values.writers)
const between = Number(values['seconds-between-kills'])
if (positionals.length > 0 || !(between > 0)) usage('seconds are a number above 0')
if (values.dir !== undefined && existsSync(values.dir) && readdirSync(values.dir).length > 0) {
  usage(`${values.dir} is not empty`)
}
const folder = values.dir ?? mkdtempSync(join(tmpdir(), 'nilo-soak-'))
const result = await runSoak({
  kills,
  seed,
  writers,
  betweenMsMax: between * 1000,
  workers: values.workers,
  ...(values.zones === undefined ? {} : { zones: count('zones', values.zones) }),
  flags: [
    `-wal.fsync=${values.fsync}`,
    `-wal.snapshot-bytes=${count('snapshot-bytes', values['snapshot-bytes'])}`,
  ],
  folder,
  say: (line) => process.stdout.write(`${line}\n`),
})
for (const line of result.wrong) process.stdout.write(`wrong: ${line}\n`)
process.stdout.write(`${summary(result)}\n`)
if (result.wrong.length > 0) {
  process.stdout.write(`soak: data kept in ${folder}; again with --seed ${seed}\n`)
  process.exitCode = 1
} else if (values.dir === undefined) rmSync(folder, { recursive: true, force: true })

function summary(result: SoakResult): string {
  const sorted = [...result.readyMs].sort((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0
  return [
    `soak: kills=${kills} of=${values.zones === undefined ? (values.workers ? 'threads' : 'process') : `shards of ${values.zones} zones`} fsync=${values.fsync}`,
    `seed=${seed} pushes=${result.pushes} acked=${result.acked}`,
    `resent=${result.resent} samples_acked_and_there=${result.samplesFound}`,
    `samples_unacked_but_there=${result.samplesExtra} wrong=${result.wrong.length}`,
    `ready_ms_median=${median.toFixed(0)} ready_ms_max=${(sorted.at(-1) ?? 0).toFixed(0)}`,
  ].join(' ')
}

function count(name: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  return usage(`--${name} takes a whole number, not ${text}`)
}

function usage(problem: string): never {
  process.stderr.write(
    `soak: ${problem}\nnpm run soak -- --kills 20 [--workers] [--zones N] [--fsync always|interval|never] [--seed N] [--seconds-between-kills S] [--writers N] [--snapshot-bytes N] [--dir DIR]\n`,
  )
  process.exit(2)
}
