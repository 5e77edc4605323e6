/** The hash of bytes (decision 0033), made from its definition. */

/** Bytes of the vectors that a text is hashed as: padded to 64, or the last 64 once more. */
function vectorsOf(text: Buffer): Buffer {
  if (text.length < 64) return Buffer.concat([text, Buffer.alloc(64 - text.length)])
  const whole = text.subarray(0, Math.floor((text.length - 1) / 64) * 64)
  return Buffer.concat([whole, text.subarray(-64)])
}

/** The hash of a text, 16 bytes; the key is longer than the text by KEY_SLACK_BYTES. */
export function hashOfBytes(text: Buffer, key: Buffer): Buffer {
  const vectors = vectorsOf(text)
  const pairs = vectors.length / 32
  const wordOf = (keyAt: number, at: number): number => {
    const word = at < 0 || at >= vectors.length ? 0 : vectors.readInt16LE(at)
    return ((word + key.readInt16LE(keyAt)) << 16) >> 16
  }
  const x = (i: number, word: number): number =>
    i < 0 ? wordOf((i + 3) * 16 + word * 2, -1) : wordOf(48 + i * 32 + word * 2, i * 32 + word * 2)
  const y = (i: number, word: number): number =>
    i < pairs
      ? wordOf(64 + i * 32 + word * 2, i * 32 + 16 + word * 2)
      : wordOf(48 + pairs * 32 + (i - pairs) * 16 + word * 2, -1)
  const hash = Buffer.alloc(16)
  for (let s = 0; s < 4; s++) {
    for (let lane = 0; lane < 4; lane++) {
      let sum = 0
      for (let j = 0; j - s < pairs; j++) {
        for (const word of [lane * 2, lane * 2 + 1]) sum = (sum + x(j - s, word) * y(j, word)) | 0
      }
      const to = ((lane + 4 - s) % 4) * 4
      hash.writeInt32LE((hash.readInt32LE(to) + sum) | 0, to)
    }
  }
  return hash
}
