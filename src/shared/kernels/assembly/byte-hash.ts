/**
 * A keyed universal hash of bytes, 128 bits. Hot: bench/shared/kernels/write-request.bench.ts, where it
 * is two thirds of what the walk costs.
 *
 * NH of UMAC (Black, Halevi, Krawczyk, Krovetz, Rogaway 1999) over signed words of 16 bits, of which
 * one instruction multiplies eight pairs. A text is pairs of vectors of 16 bytes; to each vector one of
 * the key is added, word by word:
 *
 *   x₋₃ x₋₂ x₋₁          of the key alone
 *   x₀ y₀ x₁ y₁ …        the text, to n pairs
 *   yₙ yₙ₊₁ yₙ₊₂         of the key alone
 *
 * and each x is multiplied with the next four y: sum s, of 0 to 3, is that of all xⱼ₋ₛ · yⱼ, mod 2^32 in
 * four lanes. The four sums are added up, each turned by another number of lanes.
 *
 * Two texts of one length have one hash with a chance of 2^-60 at most, whatever a sender knows but
 * the key; nothing is said of texts of two lengths. Why: docs/decisions/0033-hash-of-short-words.md.
 */

/** Adds the products of words that stand at one place, two by two. */
function dot(sum: v128, x: v128, y: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(x, y))
}

/** A vector of the text, with its key. */
function keyed(at: usize, key: usize): v128 {
  return i16x8.add(v128.load(at), v128.load(key))
}

/**
 * The hash of n bytes, with n + KEY_SLACK_BYTES of key. Of texts below 64 bytes, which are padded with
 * zeros, 64 are read; of others the last 64 overlap those before.
 */
export function hashBytes(key: usize, p: usize, n: u32): v128 {
  let s0 = i32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  // The last three x.
  let x3 = v128.load(key)
  let x2 = v128.load(key, 16)
  let x1 = v128.load(key, 32)
  let k = key + 48
  let m0: v128, m1: v128, m2: v128, m3: v128
  if (n >= 64) {
    const last = p + n - 64
    while (p < last) {
      const y = keyed(p + 16, k + 16)
      const x = keyed(p, k)
      s0 = dot(s0, x, y)
      s1 = dot(s1, x1, y)
      s2 = dot(s2, x2, y)
      s3 = dot(s3, x3, y)
      const z = keyed(p + 48, k + 48)
      x3 = x1
      x1 = keyed(p + 32, k + 32)
      s0 = dot(s0, x1, z)
      s1 = dot(s1, x, z)
      s2 = dot(s2, x3, z)
      s3 = dot(s3, x2, z)
      x2 = x
      // Now the last three are x1, x2, x3.
      p += 64
      k += 64
    }
    m0 = v128.load(last)
    m1 = v128.load(last, 16)
    m2 = v128.load(last, 32)
    m3 = v128.load(last, 48)
  } else {
    m0 = v128.and(v128.load(p), bytesBelow(n, 0))
    m1 = v128.and(v128.load(p, 16), bytesBelow(n, 16))
    m2 = v128.and(v128.load(p, 32), bytesBelow(n, 32))
    m3 = v128.and(v128.load(p, 48), bytesBelow(n, 48))
  }
  const y0 = i16x8.add(m1, v128.load(k, 16))
  const x0 = i16x8.add(m0, v128.load(k))
  s0 = dot(s0, x0, y0)
  s1 = dot(s1, x1, y0)
  s2 = dot(s2, x2, y0)
  s3 = dot(s3, x3, y0)
  const y1 = i16x8.add(m3, v128.load(k, 48))
  x3 = i16x8.add(m2, v128.load(k, 32))
  s0 = dot(s0, x3, y1)
  s1 = dot(s1, x0, y1)
  s2 = dot(s2, x1, y1)
  s3 = dot(s3, x2, y1)
  // The last three are x3, x0, x1: they meet the y of the key alone.
  const y2 = v128.load(k, 64)
  s1 = dot(s1, x3, y2)
  s2 = dot(s2, x0, y2)
  s3 = dot(s3, x1, y2)
  const y3 = v128.load(k, 80)
  s2 = dot(s2, x3, y3)
  s3 = dot(s3, x0, y3)
  s3 = dot(s3, x3, v128.load(k, 96))
  return sumOf(s0, s1, s2, s3)
}

/** The sum of all, each turned, so that what differs in one lane shows in four. */
function sumOf(s0: v128, s1: v128, s2: v128, s3: v128): v128 {
  const t1 = v128.shuffle<i32>(s1, s1, 1, 2, 3, 0)
  const t2 = v128.shuffle<i32>(s2, s2, 2, 3, 0, 1)
  const t3 = v128.shuffle<i32>(s3, s3, 3, 0, 1, 2)
  return i32x4.add(i32x4.add(s0, t1), i32x4.add(t2, t3))
}

/** Ones in the bytes of a vector, `from` bytes into a text of n, that are of the text; n below 64. */
function bytesBelow(n: u32, from: u8): v128 {
  const rest = i8x16.sub_sat_u(i8x16.splat(<i8>n), i8x16.splat(<i8>from))
  return i8x16.lt_u(i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), rest)
}
