/**
 * Samples that a query looks at, step by step, as Prometheus counts them for `stats=all`
 * (util/stats/query_stats.go): a window counts all its samples at each step, a histogram counts as
 * many as it is large. Counted only when asked for.
 */

/** Counts of one evaluation: a query, or a part of it with steps of its own. */
export class StepSamples {
  total = 0
  /** [steps] undefined where only the sum is wanted. */
  readonly perStep: Float64Array | undefined

  /** @param steps 0: the sum only */
  constructor(steps: number) {
    this.perStep = steps > 0 ? new Float64Array(steps) : undefined
  }

  /** Counts samples at a step. */
  add(step: number, samples: number): void {
    this.total += samples
    if (this.perStep !== undefined && step < this.perStep.length) this.perStep[step]! += samples
  }

  /** The same number at each of so many steps. */
  addEach(steps: number, samples: number): void {
    for (let step = 0; step < steps; step++) this.add(step, samples)
  }

  /** Counts a row's points: one for a float, a histogram by its size. */
  addPoints(
    present: Uint32Array,
    wordBase: number,
    steps: number,
    extra: (step: number) => number,
  ): void {
    for (let step = 0; step < steps; step++) {
      if (((present[wordBase + (step >>> 5)]! >>> (step & 31)) & 1) === 0) continue
      this.add(step, 1 + extra(step))
    }
  }
}
