/**
 * Where tests find the material that lies beside the checkout (conformance scripts, tools): the
 * folder in NILO_SHARED, `../shared` unless told. A test that needs something from there and does
 * not find it is skipped with the reason; with CI set it fails instead.
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { TestContext } from 'node:test'

const root = resolve(process.env.NILO_SHARED ?? '../shared')

/** The path of something in the shared material, or undefined when it is not there. */
export function findShared(path: string): string | undefined {
  const full = join(root, path)
  return existsSync(full) ? full : undefined
}

/** For `test(name, { skip: skipWithout('conformance/promqltest') }, …)`: false or the reason. */
export function skipWithout(path: string): string | false {
  if (findShared(path) !== undefined || process.env.CI) return false
  return `${join(root, path)} is not there (NILO_SHARED says where the material is)`
}

/**
 * The path of something in the shared material. Where it is missing the test is skipped and the
 * answer is undefined; with CI set it throws.
 */
export function sharedPath(path: string, context?: TestContext): string | undefined {
  const full = findShared(path)
  if (full !== undefined) return full
  const reason = `${join(root, path)} is not there (NILO_SHARED says where the material is)`
  if (process.env.CI || context === undefined) throw new Error(reason)
  context.skip(reason)
  return undefined
}
