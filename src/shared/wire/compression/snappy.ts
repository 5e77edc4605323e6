/** snappy in native code, loaded when it is first used: it takes 4 MB, and pushes do without. */
import type * as Snappy from 'snappy'
import { requirePackage } from '../../base/commonjs.js'

let loaded: typeof Snappy | undefined

/** The package. */
export function loadSnappy(): typeof Snappy {
  loaded ??= requirePackage<typeof Snappy>('snappy')
  return loaded
}
