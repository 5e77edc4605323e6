/** Samples that both sides of concurrent.test.ts can tell without talking to each other. */

/** Time of sample `index` of a series: mostly steady, with jumps past a lane's range. */
export function timeAt(ref: number, index: number): number {
  return 1_600_000_000_000 + index * 15_000 + (index % 7) + Math.floor(index / 50) * 2 ** 33 + ref
}

/** Its value: every bit is in use now and then. */
export function valueAt(ref: number, index: number): number {
  return index % 3 === 0 ? index : Math.sin(index * 31 + ref) * 10 ** (index % 9)
}
