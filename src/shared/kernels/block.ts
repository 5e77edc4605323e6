/** The typed face of the block kernel (assembly/block.kernel.ts): its memory and its calls. */
import { compileKernel } from './load.js'

/** What the kernel exports; the doc comments stand at the AssemblyScript functions. */
export interface BlockCalls {
  init(): void
  crc32c(at: number, length: number): number
  scan(start: number, length: number, offsets: number, count: number): number
  decode(
    start: number,
    offsets: number,
    count: number,
    times: number,
    values: number,
    mint: number,
    maxt: number,
  ): number
}

/** An instance of the kernel and its memory, which grows when its owner asks. */
export interface BlockKernel {
  readonly calls: BlockCalls
  readonly memory: WebAssembly.Memory
}

const PAGES = 64

/** Makes the kernel, its memory and its tables. */
export function openBlockKernel(): BlockKernel {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: 65536 })
  const instance = new WebAssembly.Instance(compileKernel('block'), { env: { memory } })
  const calls = instance.exports as unknown as BlockCalls
  calls.init()
  return { calls, memory }
}
