/**
 * Has pushes go through the whole server before there are any: V8 makes good code of what has run some
 * thousands of times, and takes a quarter more CPU for each sample until then. Distributors are the real
 * ones, which forget all of it afterwards. Ingesters are understudies in the threads and memories of the
 * real ones, several in a row, since code that has met one instance only is made for that one; what they
 * write goes below a folder of its own, which is removed. Nothing of it is counted, logged or stored.
 */
import { MessageChannel } from 'node:worker_threads'
import { type ActorThread, makeLink, openLink, type Understudy } from '../../shared/actor/index.js'
import type { Env } from '../../shared/env/index.js'
import type { Limits } from '../../shared/limits/index.js'
import { DistributorClient } from '../distributor/client.js'
import type { QueryStage } from '../querier/client.js'
import { rehearsalFolder } from './children.js'
import type { Stage } from './supervisor.js'

/** What made-up pushes are made up by. */
export interface Practice {
  /** Of `practiceLimits`. */
  readonly limits: Limits
  readonly isHaTrackerOn: boolean
  /** The last of several rounds. */
  readonly isLast: boolean
}

/** Sends pushes as senders do; more of them the last time. */
export type Play = (distributors: DistributorClient, isLast: boolean) => Promise<void>

/**
 * Two that are short and a long one: code that has met several instances of everything before V8
 * optimises it need not be made anew for the real ones.
 */
const ROUNDS = 3
/** A round that takes longer is given up, and the start goes on: a thread may have died in it, ms. */
const ROUND_MS_MAX = 15_000
/** Small, so that their ends are met. */
const RING = { downBytes: 256 << 10, upBytes: 8 << 10 }

/**
 * @param roots of local data, one a zone
 * @param stages the threads, none of whose actors is built yet
 */
export async function rehearse(
  env: Env,
  roots: readonly string[],
  stages: readonly Stage[],
  play: Play,
): Promise<void> {
  const distributors = stages.filter(({ spec }) => spec.kind === 'distributor')
  const ingesters = stages.filter(({ spec }) => spec.kind === 'ingester')
  const threads = distributors.map(({ thread }) => thread)
  const from = env.clock.monotonic()
  try {
    await Promise.all(threads.map((thread) => thread.start()))
    for (let round = 1; round <= ROUNDS; round++) {
      const client = new DistributorClient(env, threads.length)
      await Promise.all(threads.map((thread) => thread.rehearse()))
      await withUnderstudies(ingesters, async (understudies) => {
        await link(round, client, threads, understudies)
        const reading = client.run()
        if (round < ROUNDS) await meetResult()
        await within(env, play(client, round === ROUNDS)).finally(() => client.close())
        await reading
      })
      dropRehearsals(env, roots)
    }
    env.log.debug('pushes were rehearsed', { took_ms: Math.round(env.clock.monotonic() - from) })
  } catch (error) {
    env.log.warn('the rehearsal of pushes ended early', { err: String(error) })
    dropRehearsals(env, roots)
  }
  await Promise.all(threads.map((thread) => thread.forget()))
}

/** Code of ports that met no listener with a result would be thrown away for the first one: piscina's are such. */
async function meetResult(): Promise<void> {
  const { port1, port2 } = new MessageChannel()
  await new Promise<void>((resolve) => {
    port1.on('message', () => {
      resolve()
      return true
    })
    port2.postMessage(0)
  })
  port1.close()
}

/** @throws Error when the time of a round is over before it */
async function within(env: Env, round: Promise<void>): Promise<void> {
  let giveUp = (): void => {}
  const late = new Promise<void>((_, reject) => {
    giveUp = () => reject(new Error('a round took too long'))
  })
  const timer = env.timers.after(ROUND_MS_MAX, () => giveUp())
  await Promise.race([round, late]).finally(() => timer.cancel())
}

/** Removes what ingesters wrote in rehearsals. @param roots of local data, one a zone */
export function dropRehearsals(env: Env, roots: readonly string[]): void {
  for (const root of roots) env.disk.remove(rehearsalFolder(root))
}

/** Has queries asked before `/ready`; what goes wrong is no matter. */
export async function rehearseQueries(
  env: Env,
  stage: QueryStage,
  play: (stage: QueryStage) => Promise<void>,
): Promise<void> {
  const from = env.clock.monotonic()
  try {
    await within(env, play(stage))
    env.log.debug('queries were rehearsed', { took_ms: Math.round(env.clock.monotonic() - from) })
  } catch (error) {
    env.log.warn('the rehearsal of queries ended early', { err: String(error) })
  }
}

/** @param use what to do with one for each ingester; they end with it */
async function withUnderstudies(
  ingesters: readonly Stage[],
  use: (understudies: readonly Understudy[]) => Promise<void>,
): Promise<void> {
  const understudies = await Promise.all(
    ingesters.map(({ thread, spec, index }) => thread.understudy(spec.understudy?.(index) ?? {})),
  )
  try {
    await Promise.all(understudies.map((understudy) => understudy.start()))
    await use(understudies)
  } finally {
    await Promise.all(understudies.map((understudy) => understudy.end()))
  }
}

/** Links all as the real ones will be. */
async function link(
  generation: number,
  client: DistributorClient,
  distributors: readonly ActorThread[],
  ingesters: readonly Understudy[],
): Promise<void> {
  const options = { generation, ...RING }
  for (const [index, distributor] of distributors.entries()) {
    const name = { peer: 'distributor', index }
    for (const [shard, ingester] of ingesters.entries()) {
      const [down, up] = makeLink(name, { peer: 'ingester', index: shard }, options)
      await Promise.all([distributor.link(down), ingester.link(up)])
    }
    const [own, far] = makeLink({ peer: 'main', index: 0 }, name, options)
    await distributor.link(far)
    client.link(openLink(own))
  }
}
