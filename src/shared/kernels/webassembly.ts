/**
 * The part of the WebAssembly JavaScript interface that kernels need. TypeScript has it in its
 * `dom` library only, which would bring a browser's globals along.
 */
export {}

declare global {
  namespace WebAssembly {
    interface MemoryDescriptor {
      initial: number
      maximum?: number
      shared?: boolean
    }
    class Memory {
      constructor(descriptor: MemoryDescriptor)
      readonly buffer: ArrayBuffer | SharedArrayBuffer
      grow(pages: number): number
    }
    class Module {
      constructor(bytes: Uint8Array)
      static imports(module: Module): { module: string; name: string; kind: string }[]
      static exports(module: Module): { name: string; kind: string }[]
    }
    class Instance {
      constructor(module: Module, imports?: Record<string, Record<string, unknown>>)
      readonly exports: Record<string, unknown>
    }
  }
}
