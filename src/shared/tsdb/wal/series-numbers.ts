/**
 * Numbers of the series of one log → refs, or marks in their place. Numbers are never given twice, so
 * with series that come and go they grow without end, while those in use are few: pages, made as
 * they are needed.
 */

const PAGE_SHIFT = 12
const PAGE_MASK = (1 << PAGE_SHIFT) - 1

/** The map of one log. */
export class SeriesNumbers {
  private readonly pages: (Uint32Array | undefined)[] = []
  private readonly unknown: number

  /** @param unknown the mark of a number that stands for nothing */
  constructor(unknown: number) {
    this.unknown = unknown
  }

  get(number: number): number {
    const page = this.pages[number >>> PAGE_SHIFT]
    return page === undefined ? this.unknown : page[number & PAGE_MASK]!
  }

  set(number: number, ref: number): void {
    const at = number >>> PAGE_SHIFT
    let page = this.pages[at]
    if (page === undefined) {
      page = new Uint32Array(PAGE_MASK + 1).fill(this.unknown)
      this.pages[at] = page
    }
    page[number & PAGE_MASK] = ref
  }
}
