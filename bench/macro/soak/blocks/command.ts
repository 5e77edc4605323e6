/**
 * `npm run soak -- --blocks [--bucket filesystem|s3] [--minutes N | --kills N] [--seed N] [--writers N]
 * [--seconds-between-kills S] [--dir DIR]`: run.ts says what happens. Exits 1 when an answer was wrong.
 */
import { appendFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type SoakBucketKind, startSoakBucket } from './bucket.js'
import { runBlocksSoak } from './run.js'

/** Runs it by its arguments; the exit code. */
export async function blocksCommand(): Promise<number> {
  const { values } = parseArgs({
    options: {
      blocks: { type: 'boolean' },
      bucket: { type: 'string', default: 'filesystem' },
      minutes: { type: 'string' },
      kills: { type: 'string', default: '20' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      writers: { type: 'string', default: '2' },
      'seconds-between-kills': { type: 'string' },
      dir: { type: 'string' },
    },
  })
  // A start reads the bucket, which takes a while when that is slow.
  const betweenText = values['seconds-between-kills'] ?? (values.bucket === 's3' ? '45' : '12')
  const between = positive('seconds-between-kills', betweenText)
  const seed = positive('seed', values.seed)
  const length =
    values.minutes === undefined
      ? { kills: positive('kills', values.kills) }
      : { kills: Number.POSITIVE_INFINITY, forMs: positive('minutes', values.minutes) * 60_000 }
  const { bucket: kind, dir } = values
  if (kind !== 'filesystem' && kind !== 's3') usage(`there is no bucket of kind ${kind}`)
  if (dir !== undefined && existsSync(dir) && readdirSync(dir).length > 0) {
    usage(`${dir} is not empty`)
  }
  const folder = dir ?? mkdtempSync(join(tmpdir(), 'nilo-soak-'))
  const say = (line: string): void => void process.stdout.write(`${line}\n`)
  const bucket = await startSoakBucket(kind as SoakBucketKind, folder, seed)
  try {
    const started = performance.now()
    const result = await runBlocksSoak({
      ...length,
      seed,
      betweenMsMax: between * 1000,
      writers: positive('writers', values.writers),
      folder: join(folder, 'data'),
      bucketFlags: bucket.flags,
      calm: () => bucket.calm(),
      say,
      keepLog: (life, text) => appendFileSync(join(folder, 'server.log'), `life ${life}\n${text}`),
    })
    for (const line of result.wrong) say(`wrong: ${line}`)
    const took = Math.round((performance.now() - started) / 1000)
    const { pushes, answers, unanswered, samplesChecked, silenceMsMax, blocksCompacted } = result
    say(
      `soak: blocks bucket=${kind} seed=${seed} strikes=${result.strikes} took_s=${took} pushes=${pushes} ` +
        `days=${result.days} answers=${answers} unanswered=${unanswered} samples=${samplesChecked} ` +
        `longest_wait_ms=${silenceMsMax} compactions=${blocksCompacted} deletions=${result.deletions}${bucket.trouble()} ` +
        `wrong=${result.wrong.length}`,
    )
    if (result.wrong.length > 0) {
      say(`soak: data kept in ${folder}; again with --seed ${seed}`)
      return 1
    }
    if (dir === undefined) rmSync(folder, { recursive: true, force: true })
    return 0
  } finally {
    await bucket.stop()
  }
}

function positive(name: string, text: string): number {
  const number = Number(text)
  return number > 0 ? number : usage(`--${name} takes a number above 0, not ${text}`)
}

function usage(problem: string): never {
  process.stderr.write(
    `soak: ${problem}\nnpm run soak -- --blocks [--bucket filesystem|s3] [--minutes N | --kills N] [--seed N] [--writers N] [--seconds-between-kills S] [--dir DIR]\n`,
  )
  process.exit(2)
}
