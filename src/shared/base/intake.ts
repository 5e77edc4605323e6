/**
 * How many pushes are inside the process, in a cell that all threads read: main notes it, and work
 * that can wait (compactor/stand-back.ts) stands back while it is not 0.
 */

/** Makes the cell, for the boot data of those who look at it. */
export function createIntakeCell(): SharedArrayBuffer {
  return new SharedArrayBuffer(4)
}

/** The cell, seen from one thread. */
export class IntakeCell {
  private readonly cell: Int32Array

  /** @param shared of `createIntakeCell` */
  constructor(shared: SharedArrayBuffer) {
    this.cell = new Int32Array(shared)
  }

  /** Notes how many there are; main alone does. Plain: whoever looks may learn of it a moment later. */
  note(count: number): void {
    this.cell[0] = count
  }

  /** Whether pushes are being taken at this moment. */
  isBusy(): boolean {
    return Atomics.load(this.cell, 0) > 0
  }
}
