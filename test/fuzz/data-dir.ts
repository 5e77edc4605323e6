/**
 * Fuzzing of a data directory, in process: a shard's files as a killed life left them are cut,
 * flipped, overwritten, deleted, as a seed decides, and the next life must
 *
 * - start, and take writes,
 * - answer nothing that was never stored,
 * - lose no more than if the files in question were not there at all,
 * - say so when it lost anything.
 */
import { SeededPrng } from '../../src/shared/base/prng.js'
import { type Sample, Shard } from '../actors/ingester/harness.js'
import type { FakeDisk } from '../support/fake-disk.js'
import { createFakeEnv } from '../support/fake-env.js'
import { type Damaged, damageFile } from './damage.js'

const START = 1_700_000_000_000
const SERIES = 10
const TENANTS = ['a', 'b'] as const

/** Samples as `tenant series time value`. */
type Content = ReadonlySet<string>

/** What fuzzing came to. */
export interface FuzzResult {
  readonly cases: number
  readonly lossy: number
  /** Must be empty. */
  readonly wrong: readonly string[]
}

/** A data directory that was written in order, and what belongs in it. */
interface Pristine {
  readonly disk: FakeDisk
  readonly content: Content
  readonly bodies: number
  readonly seed: number
}

const CASES_PER_DIRECTORY = 25

/** The sample of a series in a body. */
function valueAt(series: number, body: number): number {
  return (body * 31 + series * 7) % 97
}

function bodyOf(body: number): Sample[] {
  const samples: Sample[] = []
  for (let series = 0; series < SERIES; series++) {
    samples.push([`s${series}`, START + body * 1000, valueAt(series, body)])
  }
  // New series now and then, and samples out of order.
  if (body % 7 === 0) samples.push([`new${body}`, START + body * 1000, valueAt(99, body)])
  if (body % 5 === 4) samples.push(['s0', START + body * 1000 - 4500, valueAt(0, body)])
  return samples
}

const OPTIONS = {
  config: { snapshotLogBytes: 4000, walSegmentBytesMax: 1500, spillBytes: 1, spillAfterMs: 0 },
  limits: { out_of_order_time_window: 3_600_000 },
}

/** Runs `count` cases from a seed on. */
export async function fuzzDataDir(
  seed: number,
  count: number,
  say: (line: string) => void = () => {},
): Promise<FuzzResult> {
  const wrong: string[] = []
  let lossy = 0
  let pristine: Pristine | undefined
  for (let at = 0; at < count; at++) {
    // A directory serves for some cases; which one follows from the case's seed alone.
    const directory = seed + at - ((seed + at) % CASES_PER_DIRECTORY)
    if (pristine?.seed !== directory) pristine = await writeDirectory(directory)
    const found = await runCase(pristine, seed + at)
    lossy += found.lost > 0 ? 1 : 0
    for (const line of found.wrong) wrong.push(`seed ${seed + at}: ${line}`)
    if (found.wrong.length > 0) for (const line of found.wrong) say(`seed ${seed + at}: ${line}`)
  }
  return { cases: count, lossy, wrong }
}

async function writeDirectory(seed: number): Promise<Pristine> {
  const prng = new SeededPrng(seed)
  const env = createFakeEnv({ seed })
  let shard = new Shard(env, OPTIONS)
  const bodies = 20 + prng.below(160)
  const content = new Set<string>()
  for (let body = 0; body < bodies; body++) {
    const tenant = TENANTS[body % 2]!
    shard.push(tenant, bodyOf(body))
    for (const [name, t, v] of bodyOf(body)) content.add(`${tenant} ${name} ${t} ${v}`)
    for (let i = 0; i < 3; i++) {
      await env.timers.advance(1)
      shard.settle()
    }
    if (prng.below(60) !== 0) continue
    if (prng.below(2) === 0) await shard.ingester.drain()
    shard = new Shard(env, OPTIONS)
  }
  if (prng.below(4) === 0) await shard.ingester.drain()
  return { disk: env.disk, content, bodies, seed }
}

interface CaseResult {
  readonly lost: number
  readonly wrong: string[]
}

async function runCase(pristine: Pristine, seed: number): Promise<CaseResult> {
  const prng = new SeededPrng(seed ^ 0xf0220000)
  const disk = pristine.disk.copy()
  const damaged: Damaged[] = []
  for (let left = 1 + prng.below(3); left > 0; left--) {
    const paths = disk.paths()
    damaged.push(damageFile(disk, paths[prng.below(paths.length)]!, prng))
  }
  const without = pristine.disk.copy()
  for (const { path } of damaged) without.remove(path)
  const what = damaged.map(({ text }) => text).join(', ')
  const wrong: string[] = []
  try {
    const least = await contentOf(new Shard(createFakeEnv({ disk: without }), OPTIONS), pristine)
    const env = createFakeEnv({ disk })
    const shard = new Shard(env, OPTIONS)
    const there = await contentOf(shard, pristine)
    for (const sample of there) {
      if (!pristine.content.has(sample)) wrong.push(`${what}: answers ${sample}`)
    }
    for (const sample of least) {
      if (!there.has(sample)) wrong.push(`${what}: ${sample} is lost for no reason`)
    }
    const lost = pristine.content.size - there.size
    if (lost > 0 && !isCovered(shard, damaged)) wrong.push(`${what}: ${lost} lost, not reported`)
    await goesOn(shard, disk, pristine, wrong, what)
    return { lost, wrong: wrong.slice(0, 3) }
  } catch (error) {
    return { lost: 0, wrong: [`${what}: ${(error as Error).stack ?? String(error)}`] }
  }
}

/**
 * Whether a loss is in the report. Entries without tenant and time range cover all; nothing can tell a
 * log that was cut between two batches from one whose process was killed there.
 */
function isCovered(shard: Shard, damaged: readonly Damaged[]): boolean {
  return shard.ingester.damage().length > 0 || damaged.some(({ isUnnoticeable }) => isUnnoticeable)
}

async function contentOf(shard: Shard, pristine: Pristine): Promise<Set<string>> {
  const content = new Set<string>()
  const names = Array.from({ length: SERIES }, (_, series) => `s${series}`)
  for (let body = 0; body < pristine.bodies; body += 7) names.push(`new${body}`)
  for (const tenant of TENANTS) {
    for (const name of names) {
      for (const [t, v] of await shard.read(tenant, name)) {
        content.add(`${tenant} ${name} ${t} ${v}`)
      }
    }
  }
  return content
}

/** Takes a write, and has it after a further restart. */
async function goesOn(
  shard: Shard,
  disk: FakeDisk,
  pristine: Pristine,
  wrong: string[],
  what: string,
): Promise<void> {
  const t = START + pristine.bodies * 1000 + 1000
  const sample: Sample = ['s1', t, 4711]
  const { status, text } = shard.push('a', [sample])
  if (status !== 0) wrong.push(`${what}: takes no writes: ${text}`)
  const before = await contentOf(shard, pristine)
  const next = await contentOf(new Shard(createFakeEnv({ disk }), OPTIONS), pristine)
  if (!next.has(`a s1 ${t} 4711`)) wrong.push(`${what}: what was written afterwards is lost`)
  for (const known of before) {
    if (!next.has(known)) wrong.push(`${what}: ${known} is lost at the second restart`)
  }
}
