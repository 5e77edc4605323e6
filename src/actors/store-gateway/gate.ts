/** Lets so many pieces of work go on at a time; the others wait in the order they came. */
export class Gate {
  private readonly most: number
  private running = 0
  private readonly waiting: (() => void)[] = []

  constructor(most: number) {
    this.most = Math.max(1, most)
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= this.most) await new Promise<void>((resolve) => this.waiting.push(resolve))
    else this.running++
    try {
      return await work()
    } finally {
      // The place goes to the next one, or is free.
      const next = this.waiting.shift()
      if (next === undefined) this.running--
      else next()
    }
  }
}
