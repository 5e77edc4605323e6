/** The thread of an ingester shard. */
import { disconnect, runActor } from '../../shared/actor/index.js'
import type { LimitsData } from '../../shared/limits/index.js'
import { type CompactorClient, connectCompactor } from '../compactor/client.js'
import { connectMain } from '../supervisor/client.js'
import type { IngesterBoot } from './contract.js'
import { Ingester } from './ingester.js'

runActor<IngesterBoot>((env, boot, host) => {
  const main = connectMain(host.open('main', 0))
  const askCompactor = async <T>(ask: (compactor: CompactorClient) => Promise<T>): Promise<T> => {
    const compactor = connectCompactor(host.open('compactor', 0), 0)
    try {
      return await ask(compactor)
    } finally {
      disconnect(compactor)
    }
  }
  const zone = boot.place === undefined ? {} : { zone: boot.place.zone }
  const ingester = new Ingester(env, boot, {
    async addBlocks(tenant, entries) {
      const add = entries.map((entry) => ({ ...entry, ...zone }))
      const version = await main.changeBlocks({ tenant, add })
      // Shipped at once; it would see them by itself a while later.
      askCompactor((compactor) => compactor.wake('ship')).catch((error: unknown) =>
        env.log.debug('the compactor was not woken', { err: String(error) }),
      )
      return version
    },
    keepLocal: (folder, ulids) => main.keepLocal({ folder, ulids }),
    build: (request) =>
      askCompactor((compactor) => compactor.build(request)).finally(() => host.poke()),
    renew: (damage) => host.renew(damage),
  })
  return {
    turn: () => ingester.turn(),
    hasMore: () => ingester.hasMore(),
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
