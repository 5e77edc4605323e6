/**
 * Fuzzing of chunk files under a running head: one that is cut, flipped, overwritten or deleted, as a
 * seed decides, fails the series whose chunks it had there, each with a note of what it was; what is
 * read of all others, and of these again when the file is whole, is what was read before.
 */
import { isDeepStrictEqual } from 'node:util'
import { SeededPrng } from '../../src/shared/base/prng.js'
import { DamageNotes } from '../../src/shared/tsdb/index.js'
import { KindsBed, SERIES, STEP } from '../shared/tsdb/spill/kinds-bed.js'
import { damageFile } from './damage.js'

/** What fuzzing came to. */
export interface FuzzResult {
  /** Reads that failed, as they should. */
  readonly failed: number
  /** Must be empty. */
  readonly wrong: readonly string[]
}

/** Runs `count` cases from a seed on. */
export function fuzzChunkFiles(
  seed: number,
  count: number,
  say: (line: string) => void = () => {},
): FuzzResult {
  const bed = new KindsBed()
  const refs = Array.from({ length: SERIES }, (_, ref) => ref)
  const wanted = refs.map((ref) => bed.read(ref))
  bed.spill(STEP * 150)
  bed.spill()
  const notes = new DamageNotes(bed.head.view)
  const whole = new Map(bed.files().map((path) => [path, Buffer.from(bed.disk.readFile(path))]))
  const paths = [...whole.keys()]
  const wrong: string[] = []
  let failed = 0
  for (let at = 0; at < count; at++) {
    const prng = new SeededPrng((seed + at) ^ 0xc4f50000)
    const path = paths[prng.below(paths.length)]!
    const { text } = damageFile(bed.disk, path, prng)
    // What a reader has in its window is whole.
    bed.reader.close()
    for (const ref of refs) {
      try {
        if (isDeepStrictEqual(bed.read(ref), wanted[ref])) continue
        wrong.push(`seed ${seed + at}: ${text}: series ${ref} answers something else`)
      } catch (error) {
        failed++
        const [note] = notes.take()
        const isNoted = note !== undefined && note.mint <= note.maxt && note.samples > 0
        if (isNoted && String(error).includes(`${path} is damaged at ${note.offset}`)) continue
        wrong.push(`seed ${seed + at}: ${text}: series ${ref}: ${String(error)}`)
      }
    }
    bed.disk.replaceFile(path, whole.get(path)!)
  }
  for (const line of wrong) say(line)
  return { failed, wrong }
}
