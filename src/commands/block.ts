/**
 * `nilo block ls|inspect|verify|dump`: looks into blocks on the local disk, without a server. Lines
 * go to `print` as they are found.
 */
import { nodeDisk } from '../shared/env/index.js'
import { fail } from '../shared/errors/index.js'
import { parseMetricSelector } from '../shared/promql/index.js'
import {
  type DumpOptions,
  dumpBlocks,
  inspectBlock,
  listBlocks,
  verifyBlocks,
} from '../shared/tsdb/index.js'

/** A selector has none of these. */
const SELECTOR_OPTIONS = {
  enableExperimentalFunctions: false,
  experimentalDurationExpr: false,
  enableExtendedRangeSelectors: false,
  enableBinopFillModifiers: false,
}

/** What `nilo block help` prints. */
export const BLOCK_HELP = `usage: nilo block <what> <path>

  ls       lists blocks: times, series, samples, labels
  inspect  says what they are made of: sizes, encodings, the labels with the most series
  verify   reads every byte and checks it; fails when a block is damaged
  dump     prints samples: labels, value, time in ms
             -match=SELECTOR   only these series
             -min-time=MS, -max-time=MS   only these times

A path is a block, a folder of blocks (a Prometheus' data, a tenant of a bucket on disk), or a folder of those.`

/**
 * Runs the command.
 * @throws AppError `bad-data` for wrong arguments and for damaged blocks
 */
export async function runBlock(
  args: readonly string[],
  print: (line: string) => void,
): Promise<void> {
  const { words, flags } = parseArgs(args, ['match', 'min-time', 'max-time'])
  const [what, path, ...rest] = words
  if (what === undefined || what === 'help') {
    print(BLOCK_HELP)
    return
  }
  if (path === undefined || rest.length > 0) throw fail('bad-data', { text: BLOCK_HELP })
  const disk = nodeDisk()
  if (what === 'ls') for (const line of listBlocks(disk, path)) print(line)
  else if (what === 'inspect') for await (const line of inspectBlock(disk, path)) print(line)
  else if (what === 'verify') for await (const line of verifyBlocks(disk, path)) print(line)
  else if (what === 'dump') {
    for await (const line of dumpBlocks(disk, path, dumpOptions(flags))) print(line)
  } else throw fail('bad-data', { text: `nilo block ${what} is not known\n${BLOCK_HELP}` })
}

function dumpOptions(flags: ReadonlyMap<string, string>): DumpOptions {
  const match = flags.get('match')
  const time = (name: string, other: number) => {
    const text = flags.get(name)
    if (text === undefined) return other
    if (/^-?\d+$/.test(text)) return Number(text)
    throw fail('bad-data', { text: `-${name}=${text} is no time in ms` })
  }
  return {
    matchers: match === undefined ? [] : parseMetricSelector(match, SELECTOR_OPTIONS),
    mint: time('min-time', -Infinity),
    maxt: time('max-time', Infinity),
  }
}

/**
 * Words, `-name=value` flags (one dash or two), and other arguments that begin with a dash.
 * @throws AppError `bad-data` for a flag that is not in `known`, unless others are wanted
 */
export function parseArgs(
  args: readonly string[],
  known: readonly string[],
  mode: 'known' | 'others' = 'known',
): { readonly words: string[]; readonly flags: Map<string, string>; readonly others: string[] } {
  const words: string[] = []
  const flags = new Map<string, string>()
  const others: string[] = []
  for (const arg of args) {
    const [, name, value] = /^--?([a-z-]+)=(.*)$/s.exec(arg) ?? []
    if (name !== undefined && known.includes(name)) flags.set(name, value!)
    else if (arg === '-' || !arg.startsWith('-')) words.push(arg)
    else if (mode === 'others') others.push(arg)
    else throw fail('bad-data', { text: `unknown flag ${arg}` })
  }
  return { words, flags, others }
}
