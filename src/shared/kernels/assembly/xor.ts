/**
 * XOR chunks, encoding 1 of Prometheus tsdb/docs/format/chunks.md (Gorilla, VLDB 2015 §4.1):
 * decoding. The readable twin is tsdb/chunk/xor.ts; encoding stands in head-append.ts, where its
 * state is kept. Benchmark: bench/shared/tsdb/head.bench.ts.
 */

/** The 64 bits at a bit position, of which the first 57 are valid. Reads 8 bytes. */
function peek(start: u32, bit: u32): u64 {
  return bigEndian(load<u64>(start + (bit >> 3))) << u64(bit & 7)
}

/** All 64 bits at a bit position. Reads 9 bytes. */
function peekAll(start: u32, bit: u32): u64 {
  const at = start + (bit >> 3)
  const shift = u64(bit & 7)
  return (bigEndian(load<u64>(at)) << shift) | (u64(load<u8>(at, 8)) >> (8 - shift))
}

/** Reverses the bytes of a word. */
export function bigEndian(word: u64): u64 {
  const bytes = i64x2.splat(word)
  return i64x2.extract_lane(
    v128.shuffle<u8>(bytes, bytes, 7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8),
    0,
  )
}

/**
 * Decodes a chunk to columns. Twenty bytes per sample past the chunk's start must be readable and
 * the columns have room for all its samples (2-byte header).
 * @param times out, f64 ms
 * @param values out, f64 bits
 * @returns samples, or -1 when the bit stream ends early or a window is impossible
 */
export function decodeXor(start: u32, length: u32, times: u32, values: u32): i32 {
  if (length < 2) return -1
  const count = (u32(load<u8>(start)) << 8) | u32(load<u8>(start, 1))
  if (count == 0) return 0
  const end = times + (count << 3)
  // Sample 0: varint time, 64 bits of value.
  let at = start + 2
  let word: u64 = 0
  let shift: u64 = 0
  let byte: u64
  do {
    byte = u64(load<u8>(at++))
    word |= (byte & 127) << shift
    shift += 7
  } while (byte > 127 && shift < 70)
  let t = f64(i64((word >> 1) ^ (0 - (word & 1))))
  let v = bigEndian(load<u64>(at))
  store<f64>(times, t)
  store<u64>(values, v)
  at += 8
  if (count == 1) return at - start <= length ? 1 : -1
  // Sample 1: uvarint delta, value by XOR.
  word = 0
  shift = 0
  do {
    byte = u64(load<u8>(at++))
    word |= (byte & 127) << shift
    shift += 7
  } while (byte > 127 && shift < 70)
  let delta = i64(word)
  let step = f64(delta)
  t += step
  times += 8
  values += 8
  store<f64>(times, t)
  let bit = (at - start) << 3
  let bad: u32 = 0
  let trailing: u32 = 0
  let width: u32 = 64
  let bits = peek(start, bit)
  let used: u32 = 0
  for (;;) {
    // Here: `bits` at `bit`, `used` of them spent by the time; the time is stored, now the value.
    const rest = bits << u64(used)
    if (i64(rest) >= 0) {
      bit += used + 1
    } else {
      // 10: the last window; 11: five bits of leading zeros, six of width, a new one.
      const fresh = u32(rest >> 62) & 1
      const leading = u32(rest >> 57) & 31
      let wide = u32(rest >> 51) & 63
      wide = wide == 0 ? 64 : wide
      bad |= fresh & u32(leading + wide > 64)
      width = fresh ? wide : width
      trailing = fresh ? 64 - leading - wide : trailing
      bit += used + (fresh ? 13 : 2)
      v ^= (peekAll(start, bit) >> u64(64 - width)) << u64(trailing)
      bit += width
    }
    store<u64>(values, v)
    times += 8
    values += 8
    if (times >= end) break
    bits = peek(start, bit)
    // Runs of unchanged delta and value are two zero bits each.
    let run = min(u32(clz(bits)), 56) >> 1
    if (run > 0) {
      run = min(run, (end - times) >> 3)
      bit += run << 1
      do {
        t += step
        store<f64>(times, t)
        store<u64>(values, v)
        times += 8
        values += 8
      } while (--run > 0)
      if (times >= end) break
      bits = peek(start, bit)
    }
    used = 1
    if (i64(bits) < 0) {
      const ones = u32(clz(~bits))
      if (ones < 4) {
        const size = ones == 1 ? 14 : ones == 2 ? 17 : 20
        used = ones + 1 + size
        const raw = i64((bits << u64(ones + 1)) >> u64(64 - size))
        delta += raw > i64(1) << u64(size - 1) ? raw - (i64(1) << u64(size)) : raw
      } else {
        delta += i64(peekAll(start, bit + 4))
        bit += 68
        used = 0
        bits = peek(start, bit)
      }
      step = f64(delta)
    }
    t += step
    store<f64>(times, t)
  }
  return bad != 0 || bit > length << 3 ? -1 : i32(count)
}
