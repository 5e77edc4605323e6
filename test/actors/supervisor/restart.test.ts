import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideRestart, type RestartPolicy } from '../../../src/actors/supervisor/restart.js'

const POLICY: RestartPolicy = {
  intensity: 4,
  periodMs: 10_000,
  backoffMinMs: 100,
  backoffMaxMs: 500,
}

/** Pauses decided for crashes at these times; −1 for giving up. */
function pauses(times: readonly number[]): number[] {
  let history: readonly number[] = []
  return times.map((at) => {
    const decision = decideRestart(history, at, POLICY)
    history = decision.history
    return decision.kind === 'restart' ? decision.afterMs : -1
  })
}

test('each crash within the period doubles the pause, up to the most', () => {
  assert.deepEqual(pauses([0, 10, 20, 30]), [100, 200, 400, 500])
})

test('more crashes within the period than the intensity allows end it', () => {
  assert.deepEqual(pauses([0, 1, 2, 3, 4]), [100, 200, 400, 500, -1])
})

test('crashes older than the period are forgiven', () => {
  assert.deepEqual(pauses([0, 1, 2, 3, 10_001, 10_002]), [100, 200, 400, 500, 400, 400])
  assert.deepEqual(pauses([0, 20_000, 40_000, 60_000, 80_000]), [100, 100, 100, 100, 100])
})

test('the history stays as short as the intensity', () => {
  let history: readonly number[] = []
  for (let at = 0; at < 1_000; at++) history = decideRestart(history, at * 3_000, POLICY).history
  assert.ok(history.length <= POLICY.intensity)
})
