/**
 * Leases on a head's memory: who reads it from another thread notes in a cell of its own the epoch
 * from which on it does. What was unlinked is used again only when no lease is as old as the epoch in
 * which that happened (kernels/assembly/head-memory.ts), and samples that went into blocks are
 * unlinked only when all leases are younger than those blocks (architecture §8.19–21).
 */
import { H_EPOCH, H_LEASES, H_SERVING, SERVING_NO_MORE } from '../../kernels/head-layout.js'

/** Takes a lease: everything that can be found from now on stays until it is given back. */
export function takeLease(memory: Uint32Array, slot: number): void {
  const cell = H_LEASES / 4 + slot
  for (;;) {
    const epoch = Atomics.load(memory, H_EPOCH / 4)
    Atomics.store(memory, cell, epoch)
    // An epoch that ended meanwhile may have been taken for one that nobody reads.
    if (Atomics.load(memory, H_EPOCH / 4) === epoch) return
  }
}

/** Gives a lease back; also that of a thread which is gone, by whoever has seen its end. */
export function endLease(memory: Uint32Array, slot: number): void {
  Atomics.store(memory, H_LEASES / 4 + slot, 0)
}

/** The same for a memory of which nothing else is held. */
export function endLeaseOf(memory: WebAssembly.Memory, slot: number): void {
  endLease(new Uint32Array(memory.buffer, 0, H_LEASES / 4 + slot + 1), slot)
}

/**
 * Nobody selects in a head any more whose owner is gone: the next one takes what comes, and a reader
 * that has not heard of it would answer without. What has been selected may be read to its end.
 */
export function retireHead(memory: WebAssembly.Memory): void {
  Atomics.store(
    new Uint32Array(memory.buffer, 0, H_SERVING / 4 + 1),
    H_SERVING / 4,
    SERVING_NO_MORE,
  )
}
