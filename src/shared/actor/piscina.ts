/**
 * piscina, loaded by the thread that runs a pool, when it does: every actor's thread imports this
 * module's index, and piscina costs 10 MB of memory and 35 ms of CPU.
 */
import type * as piscina from 'piscina'
import { requirePackage } from '../base/commonjs.js'

let loaded: typeof piscina | undefined

/** The package. */
export function loadPiscina(): typeof piscina {
  loaded ??= requirePackage<typeof piscina>('piscina')
  return loaded
}
