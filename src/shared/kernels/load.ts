/** Reads and compiles a kernel that `scripts/prepare.mjs` built. */
import { readFileSync } from 'node:fs'
import { kernelFile } from '../base/own-files.js'

/**
 * Compiles `<name>.wasm`. The module may be posted to other threads, which then only instantiate.
 *
 * @param name of the kernel: `write-request` for assembly/write-request.kernel.ts
 */
export function compileKernel(name: string): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(kernelFile(name)))
}
