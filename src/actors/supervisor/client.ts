/**
 * What other actors hold of the main thread: the block list over a message port. A port comes from
 * the actor's host: `connectMain(host.open('main', 0))`.
 */
import { type Client, connect } from '../../shared/actor/index.js'
import type { BlockListCalls, BlocksAnswer } from './contract.js'

/** The main thread may be busy with requests. */
const CALL_DEADLINE_MS = 30_000

/** The calls of the main thread. */
export type MainClient = Client<BlockListCalls>

/** Connects to the main thread. */
export function connectMain(port: Parameters<typeof connect>[0]): MainClient {
  return connect<BlockListCalls>(port, { actor: 'main', deadlineMs: CALL_DEADLINE_MS })
}

/** Tenants whose entries a reader keeps; beyond that it begins anew. */
const TENANTS_MAX = 1_000

/** The block list as a reader sees it: no call is made while its version is unchanged. */
export class BlockListReader {
  private readonly calls: Pick<MainClient, 'blocks'>
  private readonly version: Int32Array
  private readonly cached = new Map<string, BlocksAnswer>()

  /** @param cell the list's version cell */
  constructor(calls: Pick<MainClient, 'blocks'>, cell: SharedArrayBuffer) {
    this.calls = calls
    this.version = new Int32Array(cell)
  }

  /** The list's version now. */
  current(): number {
    return Atomics.load(this.version, 0)
  }

  /** A tenant's blocks, of the present version or a later one; at once where they are known. */
  blocks(tenant: string): BlocksAnswer | Promise<BlocksAnswer> {
    const version = this.current()
    // The first version is the empty list.
    if (version === 0) return { version, entries: [], isComplete: true, areHeadsNew: false }
    const cached = this.cached.get(tenant)
    if (cached !== undefined && cached.version === version) return cached
    return this.ask(tenant)
  }

  private async ask(tenant: string): Promise<BlocksAnswer> {
    const answer = await this.calls.blocks({ tenant })
    if (this.cached.size >= TENANTS_MAX) this.cached.clear()
    this.cached.set(tenant, answer)
    return answer
  }
}
