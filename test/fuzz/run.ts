/**
 * `npm run fuzz -- TARGET [--seed N] [--count N]`: runs one fuzz target, prints what came out wrong and
 * exits 1 when anything did; the seed brings it back.
 *
 * - `block`: damaged blocks, half of them with their checksums mended, read and merged.
 * - `chunk-files`: damages chunk files under a running head.
 * - `data-dir`: damages data directories and starts on them, in process and, `--server N` of the cases,
 *   with the built server. The seed of a case runs it again with `--count 1`.
 * - `parser`: mutated PromQL expressions, compared with a real Prometheus where one is found.
 * - `pushes`: damaged OTLP, Influx and text bodies through a distributor.
 */
import { parseArgs } from 'node:util'
import { fuzzBlock } from './block.js'
import { fuzzChunkFiles } from './chunk-files.js'
import { fuzzDataDir } from './data-dir.js'
import { fuzzParser } from './parser.js'
import { fuzzPushes } from './pushes.js'
import { fuzzServer } from './server.js'

const TARGETS: Readonly<Record<string, { readonly count: string; run(): Promise<number> }>> = {
  block: { count: '3000', run: runBlock },
  'chunk-files': { count: '1000', run: runChunkFiles },
  'data-dir': { count: '300', run: runDataDir },
  parser: { count: '20000', run: runParser },
  pushes: { count: '20000', run: runPushes },
}
/** Failures that are printed. */
const PRINTED_MAX = 40

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    count: { type: 'string' },
    server: { type: 'string', default: '0' },
  },
})
const name = positionals.join()
const target = Object.hasOwn(TARGETS, name) ? TARGETS[name] : undefined
const numbers = [values.seed, values.count ?? target?.count ?? '1', values.server].map(Number)
if (target === undefined || numbers.some((value) => !Number.isInteger(value) || value < 0)) {
  const targets = Object.keys(TARGETS).join(' | ')
  process.stderr.write(`usage: npm run fuzz -- ${targets} [--seed N] [--count N] [--server N]\n`)
  process.exit(2)
}
const [seed, count, server] = numbers as [number, number, number]
process.exitCode = (await target.run()) === 0 ? 0 : 1

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

async function runBlock(): Promise<number> {
  const { wrong, told } = await fuzzBlock(seed, count, say)
  say(`fuzz block: seed=${seed} cases=${count} told=${told} wrong=${wrong.length}`)
  return wrong.length
}

async function runChunkFiles(): Promise<number> {
  const { failed, wrong } = fuzzChunkFiles(seed, count, say)
  say(`fuzz chunk-files: seed=${seed} cases=${count} failed=${failed} wrong=${wrong.length}`)
  return wrong.length
}

async function runDataDir(): Promise<number> {
  const inProcess = await fuzzDataDir(seed, count, say)
  say(
    `fuzz data-dir: seed=${seed} cases=${count} lossy=${inProcess.lossy} wrong=${inProcess.wrong.length}`,
  )
  if (server === 0) return inProcess.wrong.length
  const whole = await fuzzServer(seed, server, say)
  say(`fuzz data-dir, server: cases=${server} lossy=${whole.lossy} wrong=${whole.wrong.length}`)
  return inProcess.wrong.length + whole.wrong.length
}

async function runPushes(): Promise<number> {
  const { wrong, taken } = fuzzPushes(seed, count, say)
  say(`fuzz pushes: seed=${seed} cases=${count} taken=${taken} wrong=${wrong.length}`)
  return wrong.length
}

async function runParser(): Promise<number> {
  const { wrong, valid, compared, bothValid } = await fuzzParser(seed, count, say)
  for (const line of wrong.slice(0, PRINTED_MAX)) say(`wrong: ${line}`)
  const compare = `compared=${compared} valid_for_both=${bothValid}`
  say(`fuzz parser: seed=${seed} cases=${count} valid=${valid} ${compare} wrong=${wrong.length}`)
  return wrong.length
}
