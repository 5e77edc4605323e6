/** ULIDs, the names of blocks: 48 bits of time and 80 random ones in Crockford's base 32. */

const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/**
 * A ULID of a time (ms since the epoch) and 10 random bytes: 26 characters that sort by time.
 */
export function ulidOf(ms: number, random: Uint8Array): string {
  let text = ''
  for (let rest = ms, i = 0; i < 10; i++) {
    text = DIGITS[rest % 32]! + text
    rest = Math.floor(rest / 32)
  }
  let held = 0
  let bits = 0
  for (let i = 0; i < 10; i++) {
    held = (held << 8) | random[i]!
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += DIGITS[(held >>> bits) & 31]!
    }
    held &= 31
  }
  return text
}

/** The time of a ULID, ms since the epoch. */
export function ulidTime(ulid: string): number {
  let ms = 0
  for (let i = 0; i < 10; i++) ms = ms * 32 + DIGITS.indexOf(ulid[i]!)
  return ms
}

/** The 16 bytes of a ULID. */
export function ulidBytes(ulid: string): Uint8Array {
  const bytes = new Uint8Array(16)
  // 26 digits are 130 bits: the first digit has two that are 0.
  let held = 0
  let bits = -2
  let at = 0
  for (const digit of ulid) {
    held = (held << 5) | DIGITS.indexOf(digit)
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = held >>> bits
      held &= (1 << bits) - 1
    }
  }
  return bytes
}
