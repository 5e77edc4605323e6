/**
 * XXH64 with seed 0 (the xxHash specification, version 0.1.1), as Prometheus hashes label sets. On
 * 64-bit integers: for one hash per series, not per sample.
 */

const P1 = 0x9e3779b185ebca87n
const P2 = 0xc2b2ae3d27d4eb4fn
const P3 = 0x165667b19e3779f9n
const P4 = 0x85ebca77c2b2ae63n
const P5 = 0x27d4eb2f165667c5n

function u64(value: bigint): bigint {
  return BigInt.asUintN(64, value)
}

function rotate(value: bigint, bits: bigint): bigint {
  return u64(value << bits) | (value >> (64n - bits))
}

function round(lane: bigint, input: bigint): bigint {
  return u64(rotate(u64(lane + input * P2), 31n) * P1)
}

function merge(hash: bigint, lane: bigint): bigint {
  return u64((hash ^ round(0n, lane)) * P1 + P4)
}

/** The hash of some bytes, 0 ≤ hash < 2^64. */
export function xxhash64(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const { length } = bytes
  let at = 0
  let hash = P5
  if (length >= 32) {
    let a = u64(P1 + P2)
    let b = P2
    let c = 0n
    let d = u64(-P1)
    for (; at + 32 <= length; at += 32) {
      a = round(a, view.getBigUint64(at, true))
      b = round(b, view.getBigUint64(at + 8, true))
      c = round(c, view.getBigUint64(at + 16, true))
      d = round(d, view.getBigUint64(at + 24, true))
    }
    hash = u64(rotate(a, 1n) + rotate(b, 7n) + rotate(c, 12n) + rotate(d, 18n))
    hash = merge(merge(merge(merge(hash, a), b), c), d)
  }
  return finish(u64(hash + BigInt(length)), view, at)
}

/** Takes the last bytes, fewer than 32, and mixes. */
function finish(hash: bigint, view: DataView, at: number): bigint {
  const length = view.byteLength
  for (; at + 8 <= length; at += 8) {
    hash = u64(rotate(hash ^ round(0n, view.getBigUint64(at, true)), 27n) * P1 + P4)
  }
  if (at + 4 <= length) {
    hash = u64(rotate(hash ^ u64(BigInt(view.getUint32(at, true)) * P1), 23n) * P2 + P3)
    at += 4
  }
  for (; at < length; at++) {
    hash = u64(rotate(hash ^ u64(BigInt(view.getUint8(at)) * P5), 11n) * P1)
  }
  hash = u64((hash ^ (hash >> 33n)) * P2)
  hash = u64((hash ^ (hash >> 29n)) * P3)
  return hash ^ (hash >> 32n)
}
