/** A long text out of many short ones, joined some at a time: millions at once take too long in one go. */

const JOINED = 4096

/** Collects texts. */
export class TextParts {
  private readonly whole: string[] = []
  private parts: string[] = []

  push(text: string): void {
    this.parts.push(text)
    if (this.parts.length < JOINED) return
    this.whole.push(this.parts.join(''))
    this.parts = []
  }

  /** All of them in a row. */
  join(): string {
    return this.whole.join('') + this.parts.join('')
  }
}
