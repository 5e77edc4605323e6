/** What a test does when something it needs is not on this machine. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'

/** Skips the test with the reason; with `CI` set, where everything must be there, fails it. */
export function missing(t: TestContext, what: string): void {
  if (process.env['CI']) assert.fail(`${what} is missing, and with CI set it must not be`)
  t.skip(`needs ${what}`)
}
