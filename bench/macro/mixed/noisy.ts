/** A tenant that pushes ten times its rate limit beside another, whose pushes must stay quick. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { IngestFigures } from '../load-tool.js'
import {
  type MixedOptions,
  median,
  print,
  pushP99,
  refusals,
  runStream,
  startOwn,
  startStream,
  type Verdict,
} from './bench.js'

/** What the noisy one may push, samples a second, and what it pushes. */
const LIMIT = 10_000
const NOISE = 10 * LIMIT
/** Small requests: a p99 of some seconds then stands on thousands. */
const REQUEST_SAMPLES = '500'

/** See the head of the file. */
export async function noisy(options: MixedOptions): Promise<Verdict[]> {
  const { series, seconds, rate = '20k' } = options
  const folder = mkdtempSync(join(tmpdir(), 'mixed-noisy-'))
  const file = join(folder, 'runtime.yaml')
  writeFileSync(
    file,
    `overrides:\n  noisy:\n    ingestion_rate: ${LIMIT}\n    ingestion_burst_size: ${LIMIT}\n`,
  )
  const quiet = { tenant: 'quiet', seconds, rate, series, more: ['--per-request', REQUEST_SAMPLES] }
  const ratios: number[] = []
  const all: IngestFigures[] = []
  const refused: number[] = []
  try {
    const server = await startOwn(options, [`-runtime-config.file=${file}`])
    await runStream(options, server, { ...quiet, name: 'warm-up', seconds: 5 })
    for (let round = 0; round < options.rounds; round++) {
      const alone = await runStream(options, server, { ...quiet, name: `alone-${round}` })
      const noise = {
        tenant: 'noisy',
        seconds: seconds + 10,
        rate: NOISE,
        series,
        name: `noise-${round}`,
      }
      const running = startStream(options, server, noise)
      await running.begun
      const beside = await runStream(options, server, { ...quiet, name: `beside-${round}` })
      const { status } = await running.figures
      const tooMany = status['429'] ?? 0
      refused.push(tooMany / Object.values(status).reduce((sum, count) => sum + count, 0))
      all.push(alone, beside)
      ratios.push(pushP99(beside) / pushP99(alone))
      print(
        `round ${round}: p99 ${pushP99(alone).toFixed(1)} ms alone, ${pushP99(beside).toFixed(1)} ms`,
        `beside the noisy one, of whose pushes ${(refused.at(-1)! * 100).toFixed(0)} % got 429`,
      )
    }
    await server.stop()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  const what = `push p99 beside a tenant at ten times its rate ÷ alone`
  return [
    { what, value: median(ratios), unit: '×', most: 1.5 },
    {
      what: 'share of the noisy pushes that got 429',
      value: median(refused),
      unit: '',
      least: 0.8,
    },
    refusals('the quiet tenant', all),
  ]
}
