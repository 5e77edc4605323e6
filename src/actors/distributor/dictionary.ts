/**
 * Which series ids a link has defined: one bit per id, in the kernel's memory. The kernel sets it
 * with the define in the open frame (assembly/define-rows.ts); here it is taken back when that frame
 * is given up, so that to everybody else it is set when the frame is committed (architecture §8.8).
 */
import type { ShardRegion, WriteRequestKernel } from '../../shared/kernels/write-request.js'

/** The ids defined on one link. */
export class Dictionary {
  private readonly kernel: WriteRequestKernel
  private readonly at: number

  constructor(kernel: WriteRequestKernel, shard: ShardRegion) {
    this.kernel = kernel
    this.at = shard.defined
  }

  /** Forgets an id whose define was never committed. */
  remove(id: number): void {
    const at = this.at + (id >>> 3)
    this.kernel.bytes[at] = this.kernel.bytes[at]! & ~(1 << (id & 7))
  }

  /** A new generation of the link: nothing is defined. */
  clear(): void {
    this.kernel.bytes.fill(0, this.at, this.at + (this.kernel.sizes.seriesIdsMax >>> 3))
  }
}
