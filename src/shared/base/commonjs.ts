/**
 * Packages in CommonJS, by `require`: Node reads the first one that a thread imports through a parser in
 * WebAssembly, which takes 3 MB of that thread's memory for good.
 */
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** Loads a package, or gives it again. */
export function requirePackage<Package>(name: string): Package {
  return require(name) as Package
}
