/** The thread of a store-gateway shard. */
import { moveOnce, runActor } from '../../shared/actor/index.js'
import { connectMain } from '../supervisor/client.js'
import type { StoreGatewayBoot } from './contract.js'
import { StoreGateway } from './store-gateway.js'

runActor<StoreGatewayBoot>(async (env, boot, host) => {
  const gateway = await StoreGateway.create(env, boot, connectMain(host.open('main', 0)))
  gateway.start()
  moveOnce()
  void gateway.practise()
  return {
    turn: () => false,
    calls: gateway.calls,
    status: () => ({ readyPercent: 100, isServing: true, details: gateway.details() }),
    drain: () => gateway.drain(),
  }
})
