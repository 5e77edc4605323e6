/**
 * FNV-1, 32 bits (multiply, then xor), as Mimir's distributor hashes series: tenant, then each label
 * name and value (draft-eastlake-fnv).
 */
const FNV_OFFSET = 2166136261
const FNV_PRIME = 16777619

/** Hashes bytes, going on from an earlier state; a u32. */
export function fnv1(bytes: Uint8Array, state: number = FNV_OFFSET): number {
  let hash = state
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash, FNV_PRIME) ^ bytes[i]!
  return hash >>> 0
}
