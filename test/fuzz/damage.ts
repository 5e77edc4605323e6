/** What can become of a file: cuts, flips, overwritten stretches, deletions, strange endings. */
import type { SeededPrng } from '../../src/shared/base/prng.js'
import type { Disk } from '../../src/shared/env/index.js'

/** A file that is not what it was. */
export interface Damaged {
  readonly path: string
  readonly text: string
  /** Cut where a killed process may have left off as well. */
  readonly isUnnoticeable: boolean
}

const BATCH_MAGIC = Buffer.from([0x4e, 0x57, 0x41, 0x4c])

/** Damages a file as the seed decides. */
export function damageFile(disk: Disk, path: string, prng: SeededPrng): Damaged {
  const size = disk.exists(path) ? disk.readFile(path).length : 0
  const kind = prng.below(10)
  if (size === 0 || kind === 0) {
    disk.remove(path)
    return { path, text: `${path} deleted`, isUnnoticeable: false }
  }
  const at = prng.below(size)
  const file = disk.open(path, 'update')
  try {
    if (kind < 4) {
      const isUnnoticeable = isBoundary(disk.readFile(path), at)
      file.truncate(at)
      return { path, text: `${path} cut at ${at} of ${size}`, isUnnoticeable }
    }
    if (kind === 4) {
      file.write(new Uint8Array(1 + prng.below(100)), size)
      return { path, text: `${path} lengthened with zeros`, isUnnoticeable: false }
    }
    if (kind < 8) {
      const byte = Buffer.from(disk.readFile(path))[at]!
      file.write(Uint8Array.of(byte ^ (1 << prng.below(8))), at)
      return { path, text: `${path} bit flipped at ${at} of ${size}`, isUnnoticeable: false }
    }
    const length = Math.min(size - at, 1 + prng.below(600))
    const bytes = new Uint8Array(length)
    if (kind === 8) prng.fill(bytes)
    file.write(bytes, at)
    return { path, text: `${path} overwritten at ${at}, ${length} bytes`, isUnnoticeable: false }
  } finally {
    file.close()
  }
}

function isBoundary(bytes: Uint8Array, at: number): boolean {
  return BATCH_MAGIC.every((byte, i) => bytes[at + i] === byte)
}
