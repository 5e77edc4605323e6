/**
 * Where things lie in the memory of the JSON kernel, one per thread that writes answers. Read by
 * the kernel (assembly/json.kernel.ts) and by its TypeScript face, so there is only one list.
 * Plain numbers only: the file is compiled by tsc and by asc.
 *
 *   64 KiB  J_POWERS   617 powers of ten × (low u64, high u64), see json.ts
 *           J_PAIRS    "00" "01" … "99"
 *           J_NEXT     u32: where a call that stopped at its limit goes on
 *           J_HEAD     bytes that stand before the number of every row of a vector
 *           J_SLOTS    J_BLOCK × 24 B: `,[<time>,"` of every step, length in the last byte
 *           J_TIMES    f64[J_BLOCK] ms
 *           J_VALUES   f64[J_BLOCK]
 *           J_PRESENT  u32[J_BLOCK / 32]: which steps have a value
 *           J_ROWS     J_BLOCK × (address u32, length u32) of the labels of a vector's rows
 *           J_OUT      the piece that is being written, J_OUT_BYTES and J_SLACK behind it
 *           J_LABELS   label sets as JSON, J_LABEL_BYTES; filled from the start, then anew
 */
export const J_POWERS = 65536
export const J_POWER_MIN = -292
export const J_POWER_COUNT = 617
export const J_PAIRS = 75408
export const J_NEXT = 75608
export const J_HEAD = 75616
/** Steps, samples or rows of one call. */
export const J_BLOCK = 16384
export const J_SLOTS = 81920
export const J_TIMES = 475136
export const J_VALUES = 606208
export const J_PRESENT = 737280
export const J_ROWS = 739328
export const J_OUT = 870400
export const J_OUT_BYTES = 1048576
/** The kernel stops before the limit it is given, but may write this far past it. */
export const J_SLACK = 256
export const J_LABELS = 1919232
export const J_LABEL_BYTES = 8388608
/** 64 KiB pages in all. */
export const J_PAGES = 158
