/** The thread of a compactor. */
import { runActor } from '../../shared/actor/index.js'
import { Compactor } from './compactor.js'
import type { CompactorBoot } from './contract.js'
import { compactorTasks } from './tasks.js'

runActor<CompactorBoot>((env, boot) => {
  const compactor = new Compactor(env, boot, compactorTasks({ env, boot }))
  compactor.start()
  return {
    turn: () => false,
    calls: compactor.calls,
    drain: () => compactor.drain(),
  }
})
