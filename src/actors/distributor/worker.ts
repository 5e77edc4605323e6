/** The thread of a distributor. */
import { runActor } from '../../shared/actor/index.js'
import type { LimitsData } from '../../shared/limits/index.js'
import type { DistributorBootData, OversizeBody } from './contract.js'
import { Distributor } from './distributor.js'

runActor<DistributorBootData>((env, boot, host) => {
  const distributor = new Distributor(env, {
    ...boot,
    onRelink: (shard) => host.relink('ingester', shard),
    poke: () => host.poke(),
  })
  return {
    turn: () => distributor.turn(),
    hasMore: () => distributor.hasMore(),
    link: (link) => {
      if (link.peer === 'main') distributor.linkMain(link)
      else distributor.linkShard(link.index, link)
    },
    unlink: (link) => {
      if (link.peer === 'ingester') distributor.unlinkShard(link.index, link)
    },
    receive: (_link, message) => {
      distributor.takeOversize(message as OversizeBody)
      host.poke()
    },
    status: () => {
      const { isServing, ...details } = distributor.status()
      return { readyPercent: 100, isServing, details }
    },
    apply: (limits) => distributor.takeLimits(limits as LimitsData),
    rehearse: () => distributor.rehearse(),
    forget: () => distributor.forget(),
    drain: () => distributor.drain(),
  }
})
