/**
 * Material that lies beside the checkout: conformance suites and tools, in `NILO_SHARED` (default
 * `../shared`). A test that needs a file of it is skipped with the reason when it is not there;
 * with `CI` set it fails.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { TestContext } from 'node:test'
import { missing } from './missing.js'

/** Path of a file below the shared folder; undefined after the test was skipped for want of it. */
export function sharedFile(t: TestContext, path: string): string | undefined {
  const file = resolve(process.env['NILO_SHARED'] ?? '../shared', path)
  if (existsSync(file)) return file
  missing(t, `${path} of the shared material (NILO_SHARED)`)
  return undefined
}
