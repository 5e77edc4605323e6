/**
 * The memory of the block kernel (assembly/block.kernel.ts): fixed cells and tables, then what one
 * series needs, laid out by the caller (tsdb/block/chunk-decoder.ts).
 *
 *   0 cells | B_TABLES checksum tables, 8 KiB | B_INPUT chunk bytes | offsets u32 | times f64 | values f64 | slack
 */

/** Cell, u32: what `decode` gave begins at this sample. */
export const B_FIRST = 0
/** Cell, u32: the chunk that was wrong. */
export const B_WRONG = 4
/** CRC-32C tables, slicing by eight: 8 × 256 u32. */
export const B_TABLES = 1024
/** Where the bytes of chunks may begin. */
export const B_INPUT = 16384
/**
 * Readable bytes that must follow the columns: the decoder reads up to 20 bytes a sample beyond a
 * chunk's start, whatever its header says, and a header says 65535 at most.
 */
export const B_SLACK = 65536 * 20

/** `scan`: a chunk does not end within the bytes, or its sample count is impossible. */
export const SCAN_CUT = -1
/** `scan`: a checksum is wrong. */
export const SCAN_CHECKSUM = -2
/** `scan`: there are chunks of another encoding than XOR. */
export const SCAN_MIXED = -3
