/**
 * Claims in shared cells: a row per purpose, in it a cell per claimant (a shard, a seat of the pool),
 * which only that one writes; so a thread that ends takes nothing along, its next life begins at 0.
 * Two claims at the same moment may both see the last room; the limit is 75 % of the machine for that.
 *
 *   i32 cells in KiB: 0 limit | 1 resident set | 16 + purpose × 64 + claimant
 *     | then 64: what a shard's memory has free inside, resident all the same
 */

/** What memory is claimed for. */
export const PURPOSES = ['head', 'caches', 'queries', 'bodies'] as const
/** One of PURPOSES. */
export type MemoryPurpose = (typeof PURPOSES)[number]

const CLAIMANTS_MAX = 64
const LIMIT = 0
const RESIDENT = 1
const ROWS = 16
const REUSABLE = ROWS + PURPOSES.length * CLAIMANTS_MAX
const KIB = 1024

/** The cells; every thread opens them with MemoryBudget. @param limitBytes 0: without limit */
export function createBudget(limitBytes: number): SharedArrayBuffer {
  const cells = new Int32Array(
    new SharedArrayBuffer((REUSABLE + CLAIMANTS_MAX) * Int32Array.BYTES_PER_ELEMENT),
  )
  cells[LIMIT] = Math.min(0x7fffffff, Math.floor(limitBytes / KIB))
  return cells.buffer as SharedArrayBuffer
}

/** A thread's view of the claims. Sums are looked up when asked for, never per sample. */
export class MemoryBudget {
  private readonly cells: Int32Array

  constructor(cells: SharedArrayBuffer) {
    this.cells = new Int32Array(cells)
  }

  /** Bytes that may be claimed in all; Infinity without a limit. */
  limit(): number {
    const limit = this.cells[LIMIT]!
    return limit === 0 ? Number.POSITIVE_INFINITY : limit * KIB
  }

  /** Sets what a claimant has; it is not asked whether there is room. */
  set(purpose: MemoryPurpose, claimant: number, bytes: number): void {
    Atomics.store(this.cells, cellOf(purpose, claimant), Math.ceil(bytes / KIB))
  }

  /** Raises what a claimant has to `bytes`; false, and nothing changes, when the limit forbids it. */
  tryRaise(purpose: MemoryPurpose, claimant: number, bytes: number): boolean {
    const cell = cellOf(purpose, claimant)
    const more = Math.ceil(bytes / KIB) - Atomics.load(this.cells, cell)
    if (more > 0 && this.total() + more * KIB > this.limit()) return false
    Atomics.store(this.cells, cell, Math.ceil(bytes / KIB))
    return true
  }

  /** Bytes claimed for a purpose. */
  claimed(purpose: MemoryPurpose): number {
    const from = cellOf(purpose, 0)
    let sum = 0
    for (let at = from; at < from + CLAIMANTS_MAX; at++) sum += Atomics.load(this.cells, at)
    return sum * KIB
  }

  /** Bytes claimed for all purposes. */
  total(): number {
    return PURPOSES.reduce((sum, purpose) => sum + this.claimed(purpose), 0)
  }

  /** Notes the resident set of the process, as main sees it every second. */
  noteResident(bytes: number): void {
    Atomics.store(this.cells, RESIDENT, Math.floor(bytes / KIB))
  }

  /** Sets what a claimant has given back inside its own memory, for itself to use again. */
  setReusable(claimant: number, bytes: number): void {
    Atomics.store(this.cells, REUSABLE + (claimant % CLAIMANTS_MAX), Math.floor(bytes / KIB))
  }

  /** The greater of what is claimed and what is resident and in use, as a share of the limit. */
  fullness(): number {
    let reusable = 0
    for (let at = REUSABLE; at < REUSABLE + CLAIMANTS_MAX; at++) {
      reusable += Atomics.load(this.cells, at)
    }
    const resident = (Atomics.load(this.cells, RESIDENT) - reusable) * KIB
    return Math.max(this.total(), resident) / this.limit()
  }
}

function cellOf(purpose: MemoryPurpose, claimant: number): number {
  return ROWS + PURPOSES.indexOf(purpose) * CLAIMANTS_MAX + (claimant % CLAIMANTS_MAX)
}
