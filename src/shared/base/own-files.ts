/**
 * Where files of ours lie beside the code, which runs in two forms: module by module, as compiled
 * (`dist/src`), and one file a thread (`dist/app`, made by `scripts/bundle.mjs`).
 */

const AS_COMPILED = import.meta.url.endsWith('/src/shared/base/own-files.js')
const COMPILED = new URL(AS_COMPILED ? '../../' : '../src/', import.meta.url)

/** What a thread starts with: `ingester`, `querier`, … */
export function threadEntry(actor: string): URL {
  if (AS_COMPILED) return new URL(`actors/${actor}/worker.js`, COMPILED)
  return new URL(`${actor}.js`, import.meta.url)
}

/** A kernel, by name. */
export function kernelFile(name: string): URL {
  return new URL(`shared/kernels/${name}.wasm`, COMPILED)
}

/** The project's package.json. */
export function packageFile(): URL {
  return new URL('../../package.json', COMPILED)
}
