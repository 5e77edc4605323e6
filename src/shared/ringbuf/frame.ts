/**
 * A frame in a ring buffer, little endian, starting at a multiple of 8:
 *
 *   0 length u32 | 4 kind u32 | payload[length] | pad to 8
 *
 * A length of 0xffffffff says that nothing follows up to the end of the data area: frames never
 * wrap, so that a reader (a kernel too) sees each payload in one piece.
 */

/** Kind and length before each payload. */
export const FRAME_HEADER_BYTES = 8

/** The wrap marker, as an i32. */
export const WRAP = -1

/** Bytes that a frame with this payload takes in the ring. */
export function frameBytes(payloadBytes: number): number {
  return FRAME_HEADER_BYTES + ((payloadBytes + 7) & ~7)
}

/**
 * The largest payload that a ring takes. At half the size a frame always finds room in an empty
 * ring: what a wrap leaves unused is smaller than the frame.
 */
export function payloadBytesMax(sizeBytes: number): number {
  return sizeBytes / 2 - FRAME_HEADER_BYTES
}

/**
 * How many frames of at most `payloadBytes` are sure to fit in a ring at once, wherever its
 * cursors stand: one wrap may leave almost a frame unused. Whoever promises never to be short of
 * room (acks) counts frames in flight against this.
 */
export function framesFitting(sizeBytes: number, payloadBytes: number): number {
  const frame = frameBytes(payloadBytes)
  if (payloadBytes > payloadBytesMax(sizeBytes)) return 0
  return Math.max(1, Math.floor((sizeBytes - (frame - 8)) / frame))
}
