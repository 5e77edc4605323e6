/** What others hold of an ingester shard: its calls over a message port. */
import { type Client, connect } from '../../shared/actor/index.js'
import type { IngesterCalls } from './contract.js'

/** A selection runs in slices between turns of a busy shard. */
const CALL_DEADLINE_MS = 60_000
/** All heads are cut, one after the other. */
const FLUSH_DEADLINE_MS = 3_600_000

/** The calls of a shard. */
export type IngesterClient = Client<IngesterCalls>

/** Connects to a shard through the port that the supervisor made. */
export function connectIngester(
  port: Parameters<typeof connect>[0],
  index: number,
): IngesterClient {
  return connect<IngesterCalls>(port, {
    actor: `ingester/${index}`,
    deadlineMs: CALL_DEADLINE_MS,
    deadlinesMs: { flush: FLUSH_DEADLINE_MS, cutSeries: FLUSH_DEADLINE_MS },
  })
}
