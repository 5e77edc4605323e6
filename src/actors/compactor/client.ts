/** What others hold of a compactor: its calls over a message port. */
import { type Client, connect } from '../../shared/actor/index.js'
import type { CompactorCalls } from './contract.js'

/** Control calls only ask. */
const CALL_DEADLINE_MS = 5_000

/** The calls of a compactor. */
export type CompactorClient = Client<CompactorCalls>

/** Connects through a port that the actor's host or the supervisor opened. */
export function connectCompactor(
  port: Parameters<typeof connect>[0],
  index: number,
): CompactorClient {
  return connect<CompactorCalls>(port, {
    actor: `compactor/${index}`,
    deadlineMs: CALL_DEADLINE_MS,
  })
}
