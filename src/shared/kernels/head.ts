/**
 * The typed face of the head kernel (assembly/head.kernel.ts): its memory and its calls. Pointers
 * and counts cross as 32-bit numbers, which come back signed: `>>> 0` where they are addresses.
 */
import { KEY_BYTES } from './head-layout.js'
import { compileKernel } from './load.js'

/** Pages of a full memory: 4 GiB. Untouched pages cost nothing. */
export const HEAD_PAGES = 65536

/** What the kernel exports; the doc comments stand at the AssemblyScript functions. */
export interface HeadKernel {
  init(
    pages: number,
    columns: number,
    defineBytes: number,
    logBytes: number,
    readerSlots: number,
  ): number
  addTenant(at: number, length: number): number
  define(tenant: number, at: number, length: number, labelCount: number): number
  lookupPair(tenant: number, at: number, length: number): number
  check(
    from: number,
    count: number,
    oldest: number,
    oooOldest: number,
    behindOldest: number,
  ): number
  checkDeltas(from: number, count: number, oldest: number): number
  appendOutOfOrder(from: number, count: number): number
  oooAppended(): number
  truncateOutOfOrder(count: number): void
  clearCounts(): void
  clearRange(): void
  append(from: number, count: number): number
  publish(from: number, count: number): void
  rollback(from: number, count: number): void
  settle(ref: number): number
  closeFloats(ref: number): number
  histogramRow(ref: number): number
  histogramPut(
    ref: number,
    at: number,
    length: number,
    encoding: number,
    count: number,
    mint: number,
    maxt: number,
  ): number
  histogramClose(ref: number): number
  histogramLate(ref: number, at: number, length: number, encoding: number, t: number): number
  histogramRead(slot: number, ref: number): number
  lastTime(ref: number): number
  noteHistogram(ref: number, t: number): void
  overlaps(ref: number, mint: number, maxt: number): number
  overlapsNow(ref: number, mint: number, maxt: number): number
  readBegin(slot: number, ref: number, mint: number, maxt: number): number
  readBlock(slot: number): number
  readOutOfOrder(slot: number): number
  decodeXor(at: number, length: number, times: number, values: number): number
  logBegin(): void
  logRef(ref: number): number
  setLogRef(ref: number, number: number): void
  logSamples(tenant: number, from: number, count: number): number
  logFrame(tenant: number, from: number, count: number, lateFrom: number, lateCount: number): number
  logSeries(tenant: number, from: number, count: number): number
  logForget(): void
  addPair(tenant: number, at: number, length: number): number
  defineByPairs(tenant: number, count: number): number
  savePairs(from: number, to: number, most: number): number
  saveStates(from: number, to: number, most: number): number
  savedSampleCount(): number
  savedHoles(): number
  spillStage(from: number, to: number, before: number, most: number): number
  spillStagedBytes(): number
  spillStagedCount(): number
  spillLink(from: number, file: number, offset: number): number
  isSavedState(at: number, room: number): number
  adoptState(ref: number, at: number, hasLate: number): number
  truncateSeries(ref: number, before: number): number
  freezeLate(ref: number): number
  truncateLate(ref: number): void
  firstTime(ref: number): number
  giveBack(at: number, bytes: number): void
  beginChange(): void
  endChange(): void
  unlinkSeries(ref: number): number
  unlinkPair(pair: number): void
  releaseSeries(ref: number): void
  unlinkTenant(tenant: number): number
  releaseTenant(tenant: number): void
  releasePair(pair: number): void
  unlinkName(name: number): void
  releaseName(name: number): void
  nextEpoch(): number
  oldestLease(): number
  reclaimExtents(): void
  logDecode(at: number, length: number, from: number): number
  logDecodeOutOfOrder(at: number, length: number, from: number): number
}

/** Compiles the kernel; post the module to the threads that need it. */
export function compileHeadKernel(): WebAssembly.Module {
  return compileKernel('head')
}

/** A shard's memory, zeroed. A restarted shard needs a new one. */
export function createHeadMemory(pages: number = HEAD_PAGES): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: pages, maximum: HEAD_PAGES, shared: true })
}

/** The kernel over a memory: one instance per thread that works on it. */
export function instantiateHead(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): HeadKernel {
  const instance = new WebAssembly.Instance(module, { env: { memory } })
  return instance.exports as unknown as HeadKernel
}

/** Zeroes all that a kernel has laid out in a memory. What lies untouched stays so, and takes no room. */
export function wipeHead(memory: WebAssembly.Memory, bytes: number): void {
  const nothing = new Uint8Array(WIPE_BYTES)
  for (let at = 0; at < bytes; at += WIPE_BYTES) {
    const page = new Uint8Array(memory.buffer, at, WIPE_BYTES)
    if (Buffer.compare(page, nothing) !== 0) page.fill(0)
  }
}

/** Pages of memory are looked at one by one. */
const WIPE_BYTES = 4_096

/** Random bytes that `init` expects at H_KEY. */
export const HEAD_KEY_BYTES = KEY_BYTES
