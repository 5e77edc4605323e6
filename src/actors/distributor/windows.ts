/** Bodies that are larger than what is walked at once: brought to the kernel piece by piece. */
import * as layout from '../../shared/kernels/assembly/write-request-layout.js'
import type { ApartBody, WriteRequestKernel } from '../../shared/kernels/write-request.js'

/** What is still to be walked of a body. */
export interface Windows {
  hasMore(): boolean
  /** Brings the next piece to where the kernel walks; its length, 0 when there is none. */
  next(): number
  /** Samples, exemplars and metadata of the whole body; undefined when the kernel is to count them. */
  countItems(format: number): number | undefined
}

/** Pieces of a body that was decompressed apart: whole series, `bytesMax` or one series each. */
export class ApartWindows implements Windows {
  private readonly kernel: WriteRequestKernel
  private readonly apart: ApartBody
  private readonly bytesMax: number
  private at: number

  constructor(kernel: WriteRequestKernel, apart: ApartBody, bytesMax: number) {
    this.kernel = kernel
    this.apart = apart
    this.bytesMax = bytesMax
    this.at = apart.at
  }

  hasMore(): boolean {
    return this.at < this.apart.end
  }

  next(): number {
    const { at } = this
    if (at === this.apart.end) return 0
    const most = Math.min(at + this.bytesMax, this.apart.end)
    const end = this.apart.exports.cut(at, this.apart.end, most)
    this.kernel.bytes.set(this.apart.bytes.subarray(at, end), this.kernel.body)
    this.at = end
    return end - at
  }

  countItems(format: number): number {
    const { apart } = this
    // The first page of that memory is free.
    apart.exports.countItems(0, apart.at, apart.end, format)
    const view = new DataView(apart.bytes.buffer)
    return view.getUint32(layout.ITEM_SAMPLES, true) + view.getUint32(layout.ITEM_OTHERS, true)
  }
}

/** A body that was made in pieces of whole series. */
export class PieceWindows implements Windows {
  private readonly kernel: WriteRequestKernel
  private readonly pieces: readonly Uint8Array[]
  private readonly items: number | undefined
  private taken = 0

  constructor(
    kernel: WriteRequestKernel,
    pieces: readonly Uint8Array[],
    items: number | undefined,
  ) {
    this.items = items
    this.kernel = kernel
    this.pieces = pieces
  }

  hasMore(): boolean {
    return this.taken < this.pieces.length
  }

  next(): number {
    const piece = this.pieces[this.taken++]
    if (piece === undefined) return 0
    const { bytes, body } = this.kernel
    // One that was unpacked to where the kernel walks lies there already.
    if (piece.buffer !== bytes.buffer || piece.byteOffset !== body) bytes.set(piece, body)
    return piece.length
  }

  countItems(): number | undefined {
    return this.items
  }
}
