/** What the querier's kinds of queries share: what a cut answer says. */

/** Prometheus' warning in an answer that its limit has cut. */
export const TRUNCATED = 'results truncated due to limit'
