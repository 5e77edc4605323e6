/** The thread of a store-gateway shard. */
import { moveOnce, runActor } from '../../shared/actor/index.js'
import { connectMain } from '../supervisor/client.js'
import type { StoreGatewayBoot } from './contract.js'
import { StoreGateway } from './store-gateway.js'

/** The first question most often comes with the start, and is not to wait for practice. */
const PRACTICE_AFTER_MS = 1_000

runActor<StoreGatewayBoot>(async (env, boot, host) => {
  const gateway = await StoreGateway.create(env, boot, connectMain(host.open('main', 0)))
  gateway.start()
  moveOnce()
  env.timers.after(PRACTICE_AFTER_MS, () => void gateway.practise())
  return {
    turn: () => false,
    calls: gateway.calls,
    status: () => ({ readyPercent: 100, isServing: true, details: gateway.details() }),
    drain: () => gateway.drain(),
  }
})
