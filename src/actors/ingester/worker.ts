/** The thread of an ingester shard. */
import { runActor } from '../../shared/actor/index.js'
import type { LimitsData } from '../../shared/limits/index.js'
import type { IngesterBoot } from './contract.js'
import { Ingester } from './ingester.js'

runActor<IngesterBoot>((env, boot) => {
  const ingester = new Ingester(env, boot)
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
