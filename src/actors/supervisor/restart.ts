/**
 * When a crashed actor is started again: a pure function of its crash history. Each crash within
 * the period doubles the pause; more crashes than the intensity allows end the process, since an
 * actor that cannot live will not be healed by one more try.
 */

/** How patient the supervisor is with one child. */
export interface RestartPolicy {
  /** Crashes within the period that are put up with. */
  readonly intensity: number
  readonly periodMs: number
  readonly backoffMinMs: number
  readonly backoffMaxMs: number
}

/** What to do about a crash; `history` is what the next decision needs. */
export type RestartDecision =
  | { readonly kind: 'restart'; readonly afterMs: number; readonly history: readonly number[] }
  | { readonly kind: 'give-up'; readonly history: readonly number[] }

/**
 * Decides about a crash.
 *
 * @param history times of earlier crashes, ms, as the last decision returned it
 * @param nowMs of this crash, on the same clock
 */
export function decideRestart(
  history: readonly number[],
  nowMs: number,
  policy: RestartPolicy,
): RestartDecision {
  const recent = [...history.filter((at) => nowMs - at < policy.periodMs), nowMs]
  if (recent.length > policy.intensity) return { kind: 'give-up', history: recent }
  const backoffMs = policy.backoffMinMs * 2 ** (recent.length - 1)
  return { kind: 'restart', afterMs: Math.min(policy.backoffMaxMs, backoffMs), history: recent }
}
