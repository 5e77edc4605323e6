/**
 * piscina, loaded by the threads that use it, when they do: every actor's thread imports this
 * module's index, and piscina costs 10 MB of memory and 35 ms of CPU.
 */
import { createRequire } from 'node:module'
import type * as piscina from 'piscina'

let loaded: typeof piscina | undefined

/** The package. */
export function loadPiscina(): typeof piscina {
  loaded ??= createRequire(import.meta.url)('piscina') as typeof piscina
  return loaded
}
