/**
 * Log lines to a file descriptor, at once. A reader that does not keep up costs lines, never the
 * server: a full pipe is tried again for a moment, and once a line was lost further ones are tried
 * once each, since every try is a call to the system on a thread that has better to do.
 */

/** How often a full pipe is tried again before a line is lost. */
const TRIES_MAX = 50
/** How long after a lost line others are tried once: fifty tries take 2 ms. */
const STUCK_MS = 1_000

/** What the lines go to. */
export interface LogOutput {
  /** Takes bytes and says how many, or throws as `fs.writeSync` does. */
  write(bytes: Buffer): number
  /** Monotonic ms. */
  now(): number
}

/** Makes the function that writes lines. */
export function createLineWriter({ write, now }: LogOutput): (text: string) => void {
  let stuckUntil = Number.NEGATIVE_INFINITY
  let isCut = false
  return (text) => {
    // What is left of a line that went half must not swallow the next.
    let bytes = Buffer.from(isCut ? `\n${text}` : text)
    const whole = bytes.length
    const triesMax = now() < stuckUntil ? 1 : TRIES_MAX
    for (let tries = 0; tries < triesMax && bytes.length > 0; tries++) {
      try {
        bytes = bytes.subarray(write(bytes))
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code
        if (code !== 'EAGAIN' && code !== 'EINTR') return // nobody reads: a closed pipe
      }
    }
    if (bytes.length < whole) isCut = bytes.length > 0
    if (bytes.length > 0) stuckUntil = now() + STUCK_MS
  }
}
