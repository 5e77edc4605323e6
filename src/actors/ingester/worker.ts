/** The thread of an ingester shard. */
import { disconnect, runActor } from '../../shared/actor/index.js'
import type { LimitsData } from '../../shared/limits/index.js'
import { connectCompactor } from '../compactor/client.js'
import { connectMain } from '../supervisor/client.js'
import type { IngesterBoot } from './contract.js'
import { Ingester } from './ingester.js'

runActor<IngesterBoot>((env, boot, host) => {
  const main = connectMain(host.open('main', 0))
  const ingester = new Ingester(env, boot, {
    addBlocks: (tenant, add) => main.changeBlocks({ tenant, add }),
    build: async (request) => {
      const compactor = connectCompactor(host.open('compactor', 0), 0)
      try {
        return await compactor.build(request)
      } finally {
        disconnect(compactor)
        host.poke()
      }
    },
  })
  return {
    turn: () => ingester.turn(),
    link: (link) => ingester.linkDistributor(link.index, link),
    calls: ingester.calls,
    status: () => {
      const { readyPercent, isServing, ...details } = ingester.status()
      return { readyPercent, isServing, details, damage: ingester.damage() }
    },
    apply: (limits) => ingester.takeLimits(limits as LimitsData),
    drain: () => ingester.drain(),
  }
})
