/**
 * How a shard learns that a spilled chunk is damaged: whoever reads it, on whatever thread, notes it
 * in its own reader slot of the head's memory (READER_DAMAGE), and the owner looks at the slots now
 * and then. Of several that one reader finds between two looks the last one stays.
 */
import {
  H_READER_SLOTS,
  H_READERS,
  READER_BYTES,
  READER_DAMAGE,
} from '../../kernels/head-layout.js'
import type { HeadView } from '../head/head-view.js'

/** A spilled chunk that could not be read back. */
export interface DamagedChunk {
  /** Index of its series' tenant. */
  readonly tenant: number
  /** Number in the file's name. */
  readonly file: number
  readonly offset: number
  readonly bytes: number
  readonly samples: number
  /** Of its samples, ms, both inclusive. */
  readonly mint: number
  readonly maxt: number
}

/** Notes a damaged chunk in the slot of a reader that begins at `state`. */
export function noteDamage(view: HeadView, state: number, chunk: DamagedChunk): void {
  const at = (state + READER_DAMAGE) >>> 2
  const sequence = Atomics.load(view.u32, at)
  Atomics.store(view.u32, at, sequence + 1)
  view.u32.set([chunk.tenant, chunk.file, chunk.offset, chunk.bytes, chunk.samples], at + 1)
  view.f64.set([chunk.mint, chunk.maxt], (at + 6) >>> 1)
  Atomics.store(view.u32, at, sequence + 2)
}

/** The owner's side. */
export class DamageNotes {
  private readonly view: HeadView
  /** By slot: the sequence of the note that was taken last. */
  private readonly taken: Uint32Array

  constructor(view: HeadView) {
    this.view = view
    this.taken = new Uint32Array(view.word(H_READER_SLOTS))
  }

  /** What was noted since the last call. */
  take(): DamagedChunk[] {
    const { view, taken } = this
    const found: DamagedChunk[] = []
    for (let slot = 0; slot < taken.length; slot++) {
      const at = (view.word(H_READERS) + slot * READER_BYTES + READER_DAMAGE) >>> 2
      const sequence = Atomics.load(view.u32, at)
      // One that is being written is taken with the next look.
      if (sequence === taken[slot] || (sequence & 1) !== 0) continue
      const [tenant, file, offset, bytes, samples] = view.u32.subarray(at + 1, at + 6)
      const [mint, maxt] = view.f64.subarray((at + 6) >>> 1, (at + 10) >>> 1)
      if (Atomics.load(view.u32, at) !== sequence) continue
      taken[slot] = sequence
      found.push({
        tenant: tenant!,
        file: file!,
        offset: offset!,
        bytes: bytes!,
        samples: samples!,
        mint: mint!,
        maxt: maxt!,
      })
    }
    return found
  }
}
