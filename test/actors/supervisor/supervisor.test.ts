/** The supervisor with small actors of the test's own: links, restarts, rewiring, drain. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { RestartPolicy } from '../../../src/actors/supervisor/restart.js'
import { Supervisor, type SupervisorOptions } from '../../../src/actors/supervisor/supervisor.js'
import type { Link } from '../../../src/shared/actor/index.js'
import { NODE_CLOCK, NODE_TIMERS } from '../../../src/shared/env/index.js'
import { AppError } from '../../../src/shared/errors/index.js'
import { Doorbell } from '../../../src/shared/ringbuf/index.js'
import {
  createMetricBlock,
  MetricsRegistry,
  openMetrics,
} from '../../../src/shared/telemetry/index.js'
import { createFakeEnv, type FakeLog } from '../../support/fake-env.js'
import type { AskerNotice } from './asker-thread.js'
import type { SinkBoot } from './sink-thread.js'

const LOST = 2
const POLICY: RestartPolicy = {
  intensity: 5,
  periodMs: 60_000,
  backoffMinMs: 1,
  backoffMaxMs: 5,
}
const SINKS = 2

/** Main's side: numbers requests, awaits their answers, knows what a lost link had in flight. */
class Main {
  readonly bell = new Doorbell()
  private readonly links = new Map<
    number,
    { link: Link; waiting: Map<number, (ok: boolean) => void> }
  >()
  private nextId = 0

  link(link: Link): void {
    this.unlink(link.peer, link.index)
    this.links.set(link.index, { link, waiting: new Map() })
    this.bell.add(link.reader, link.port)
  }

  unlink(_peer: string, index: number): void {
    const old = this.links.get(index)
    if (old === undefined) return
    this.links.delete(index)
    this.bell.remove(old.link.reader)
    for (const resolve of old.waiting.values()) resolve(false)
  }

  generation(index: number): number {
    return this.links.get(index)?.link.generation ?? 0
  }

  /** Whether the request came through; false: the sender may try again. */
  send(index: number): Promise<boolean> {
    const to = this.links.get(index)
    const offset = to?.link.writer.reserve(1, 4) ?? -1
    if (to === undefined || offset < 0) return Promise.resolve(false)
    const id = this.nextId++
    const { data } = to.link.writer
    new DataView(data.buffer, data.byteOffset).setUint32(offset, id)
    const answer = new Promise<boolean>((resolve) => to.waiting.set(id, resolve))
    to.link.writer.commit()
    return answer
  }

  /** Takes answers until told to stop. */
  async listen(isStopped: () => boolean): Promise<void> {
    while (!isStopped()) {
      for (const { link, waiting } of this.links.values()) {
        while (link.reader.next()) {
          const { data, offset, kind } = link.reader
          const id = new DataView(data.buffer, data.byteOffset).getUint32(offset)
          const resolve = waiting.get(id)
          assert.ok(resolve !== undefined, `answer ${id} twice or for nobody`)
          waiting.delete(id)
          resolve(kind !== LOST)
        }
        link.reader.release()
      }
      await NODE_TIMERS.yieldNow()
      await this.bell.wait()
    }
  }
}

type TestSupervisor = Supervisor<number, number, AskerNotice>
const systems: TestSupervisor[] = []
after(() => Promise.all(systems.map((system) => system.drain())))

function system(
  options: {
    modes?: SinkBoot['mode'][]
    policy?: RestartPolicy
    hangMs?: number
    isEnough?: (isUp: readonly boolean[]) => boolean
    rehearsePool?: () => Promise<void>
  } = {},
) {
  const registry = new MetricsRegistry()
  const block = createMetricBlock()
  registry.attach('main', block)
  const env = {
    ...createFakeEnv(),
    timers: NODE_TIMERS,
    clock: NODE_CLOCK,
    metrics: openMetrics(block, () => {}),
  }
  const main = new Main()
  const lives = Array<number>(SINKS).fill(0)
  const fatal: string[] = []
  const policy = options.policy ?? POLICY
  let helperLives = 0
  const common = { policy, startMs: 20_000, shutdownMs: 20_000 }
  const spec: SupervisorOptions<number, number, AskerNotice> = {
    env,
    logLevel: 'error',
    registry,
    services: { life: () => 'main' },
    ...(options.hangMs === undefined ? {} : { hangMs: options.hangMs }),
    ...(options.rehearsePool === undefined ? {} : { rehearsePool: options.rehearsePool }),
    children: [
      {
        ...common,
        kind: 'helper',
        count: 1,
        isOnDemand: true,
        entry: new URL('./sink-thread.js', import.meta.url),
        boot: (index): SinkBoot => ({ index, life: ++helperLives, mode: 'replaying' }),
      },
      {
        ...common,
        kind: 'sink',
        count: SINKS,
        ...(options.isEnough === undefined ? {} : { isEnough: options.isEnough }),
        entry: new URL('./sink-thread.js', import.meta.url),
        boot: (index): SinkBoot => {
          const life = ++lives[index]!
          return { index, life, mode: options.modes?.[life - 1] ?? 'normal' }
        },
      },
      {
        ...common,
        kind: 'relay',
        count: 1,
        entry: new URL('./relay-thread.js', import.meta.url),
        boot: () => ({ sinks: SINKS }),
      },
    ],
    links: [
      { from: 'main', to: 'relay', downBytes: 4096, upBytes: 65536 },
      { from: 'relay', to: 'sink', downBytes: 4096, upBytes: 4096 },
    ],
    pool: {
      kind: 'asker',
      size: 1,
      entry: new URL('./asker-thread.js', import.meta.url),
      policy,
      boot: undefined,
      heapMbMax: 64,
      notices: { kind: 'sink', notice: (index, port) => ({ index, life: lives[index]!, port }) },
    },
    main,
    onFatal: (reason) => fatal.push(reason),
  }
  const supervisor: TestSupervisor = new Supervisor(spec)
  systems.push(supervisor)
  return { supervisor, main, fatal, log: env.log as FakeLog, registry, lives }
}

async function until(isTrue: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = NODE_CLOCK.monotonic() + 20_000
  while (!(await isTrue())) {
    assert.ok(NODE_CLOCK.monotonic() < end, `waited in vain until ${what}`)
    await NODE_TIMERS.sleep(2)
  }
}

const never = (): AbortSignal => new AbortController().signal

test('a pool thread opens a port to main by its name', async () => {
  const { supervisor } = system()
  await supervisor.start()
  assert.equal(await supervisor.runTask(-2, never()), 'main'.length)
})

test('the server is ready when its pool has rehearsed, which it does once', async () => {
  let rehearsals = 0
  let end = (): void => {}
  const rehearsePool = (): Promise<void> => {
    rehearsals++
    return new Promise((resolve) => {
      end = resolve
    })
  }
  const { supervisor } = system({ rehearsePool })
  const readiness = async () => (await supervisor.status()).readiness
  await supervisor.start()
  await until(() => rehearsals === 1, 'the pool has warmed up')
  assert.equal((await readiness()).reason, 'asker is starting (1 of 1 threads)')
  assert.equal(await supervisor.runTask(-2, never()), 'main'.length, 'it works meanwhile')
  end()
  await until(async () => (await readiness()).isReady, 'ready')
  await supervisor.kill('asker/0')
  await until(async () => (await readiness()).isReady, 'ready again')
  assert.equal(rehearsals, 1)
})

test('killing each kind of worker under load: all requests end, the rest goes on, all come back', async () => {
  const { supervisor, main, fatal, lives } = system()
  await supervisor.start()
  await until(async () => (await supervisor.status()).readiness.isReady, 'ready')
  let isStopped = false
  let isDeaf = false
  const listening = main.listen(() => isDeaf)
  const outcome = { done: 0, lost: 0, answered: 0, refused: 0 }
  const senders = Array.from({ length: 8 }, async () => {
    while (!isStopped) {
      if (await main.send(0)) outcome.done++
      else {
        outcome.lost++
        await NODE_TIMERS.sleep(1)
      }
    }
  })
  const asker = (async () => {
    for (let at = 0; !isStopped; at++) {
      try {
        assert.ok((await supervisor.runTask(at % SINKS, never())) >= 1)
        outcome.answered++
      } catch (error) {
        assert.ok(error instanceof AppError && error.id === 'actor-down', String(error))
        outcome.refused++
        await NODE_TIMERS.sleep(1)
      }
    }
  })()
  after(() => {
    isStopped = true
    isDeaf = true
    main.bell.poke()
  })
  for (const actor of ['sink/0', 'relay/0', 'sink/1', 'asker/0']) {
    const before = { ...outcome }
    await until(
      () => outcome.done > before.done + 20 && outcome.answered > before.answered + 5,
      'load',
    )
    const restarts = await restartsOf(supervisor, actor)
    await supervisor.kill(actor)
    await until(
      async () => (await restartsOf(supervisor, actor)) > restarts,
      `${actor} was restarted`,
    )
    await until(async () => (await supervisor.status()).readiness.isReady, `${actor} is back`)
    const after = { ...outcome }
    await until(
      () => outcome.done > after.done + 20 && outcome.answered > after.answered + 5,
      `requests go on after ${actor}`,
    )
  }
  isStopped = true
  await Promise.all([...senders, asker])
  isDeaf = true
  main.bell.poke()
  await listening
  assert.deepEqual(lives, [2, 2])
  assert.ok(outcome.lost > 0)
  assert.deepEqual(fatal, [])
  // relay/0 died once, each sink once: every link to them has moved on.
  assert.equal(main.generation(0), 2)
  const { links } = await supervisor.status()
  const generations = Object.fromEntries(links.map(({ link, generation }) => [link, generation]))
  assert.deepEqual(generations, { 'main/0-relay/0': 2, 'relay/0-sink/0': 3, 'relay/0-sink/1': 3 })
  const text = supervisor.metrics()
  assert.match(text, /nilo_actor_restarts_total\{actor="sink"\} 2\n/)
  assert.match(text, /nilo_actor_restarts_total\{actor="asker"\} 1\n/)
  const frames = Number(
    /nilo_ringbuf_frames_total\{link="main\/0-relay\/0"\} (\d+)\n/.exec(text)![1],
  )
  assert.ok(frames >= outcome.done * 2)
  assert.deepEqual(await supervisor.drain(), [])
})

test('a pool thread calls the new life of a restarted shard', async () => {
  const { supervisor, lives } = system()
  await supervisor.start()
  await until(
    () =>
      supervisor.runTask(1, never()).then(
        () => true,
        () => false,
      ),
    'answer',
  )
  await supervisor.kill('sink/1')
  await until(
    () =>
      supervisor.runTask(1, never()).then(
        (life) => life === 2,
        () => false,
      ),
    'the second life answers',
  )
  assert.deepEqual(lives, [1, 2])
  // A task that runs for ever ends with its thread.
  const controller = new AbortController()
  const endless = supervisor.runTask(-1, controller.signal)
  setImmediate(() => controller.abort())
  await assert.rejects(endless, AppError)
  await until(
    () =>
      supervisor.runTask(1, never()).then(
        (life) => life === 2,
        () => false,
      ),
    'answer',
  )
  await supervisor.drain()
})

test('an actor whose loop stands still is ended and restarted', async () => {
  const { supervisor, main, lives, log } = system({ modes: ['hanging'], hangMs: 3_000 })
  await supervisor.start()
  let isStopped = false
  const listening = main.listen(() => isStopped)
  // A frame for each sink, from which it never comes back.
  const lost = await Promise.all([main.send(0), main.send(0)])
  assert.deepEqual(lost, [false, false])
  await until(() => main.send(0), 'an answer of the second life')
  await until(() => main.send(0), 'an answer of the second life')
  // On a busy machine one that gets no processor for so long is ended as well.
  await until(async () => Math.min(...lives) >= 2, 'a second life of both')
  const ended = log.lines.filter(({ msg }) => msg === 'actor stands still, ending it')
  assert.deepEqual([...new Set(ended.map(({ fields }) => fields['child']))].sort(), [
    'sink/0',
    'sink/1',
  ])
  isStopped = true
  main.bell.poke()
  await listening
  await supervisor.drain()
})

test('an end that asks gets a new generation of its link', async () => {
  const { supervisor, main } = system()
  await supervisor.start()
  let isStopped = false
  const listening = main.listen(() => isStopped)
  after(() => {
    isStopped = true
    main.bell.poke()
  })
  await until(() => main.send(0), 'an answer')
  const { connect } = await import('../../../src/shared/actor/index.js')
  const relay = connect<{ relink(index: number): void }>(supervisor.openPort('relay', 0)!, {
    actor: 'relay/0',
    deadlineMs: 10_000,
  })
  await relay.relink(1)
  await until(
    async () =>
      (await supervisor.status()).links.some(
        ({ link, generation }) => link === 'relay/0-sink/1' && generation === 2,
      ),
    'a second generation',
  )
  for (let at = 0; at < 4; at++) await until(() => main.send(0), 'an answer')
  isStopped = true
  main.bell.poke()
  await listening
  await supervisor.drain()
})

test('what starts on demand is started by the first port to it, restarted, and drained', async () => {
  const { supervisor, registry } = system()
  await supervisor.start()
  const { connect } = await import('../../../src/shared/actor/index.js')
  const relay = connect<{ ask(peer: string): unknown }>(supervisor.openPort('relay', 0)!, {
    actor: 'relay/0',
    deadlineMs: 10_000,
  })
  const helper = async () => (await supervisor.status()).children[0]!
  assert.equal((await helper()).state, 'stopped')
  await until(async () => (await supervisor.status()).readiness.isReady, 'ready without it')
  assert.equal(await relay.ask('main'), 'main')
  await assert.rejects(relay.ask('nobody'), (error) => {
    return error instanceof AppError && error.id === 'actor-down'
  })
  assert.deepEqual(await Promise.all([relay.ask('helper'), relay.ask('helper')]), [1, 1])
  await until(async () => (await helper()).state === 'running', 'it runs')
  assert.equal((await supervisor.status()).readiness.isReady, true)
  await supervisor.kill('helper/0')
  await until(
    () =>
      relay.ask('helper').then(
        (life) => life === 2,
        () => false,
      ),
    'its second life answers',
  )
  assert.deepEqual(await supervisor.drain(), [])
  assert.equal(registry.value('cortex_ingester_ingested_samples_total', 'drained'), SINKS + 1)
})

test('too many restarts end the system, with a last line that names the actor', async () => {
  const policy = { ...POLICY, intensity: 2 }
  const modes: SinkBoot['mode'][] = ['normal', 'crash-at-start', 'crash-at-start', 'crash-at-start']
  const { supervisor, fatal, log } = system({ policy, modes })
  await supervisor.start()
  await supervisor.kill('sink/0')
  await until(() => fatal.length > 0, 'it gives up')
  assert.match(fatal[0]!, /^sink\/0 was restarted too often, the last time it ended with code 1$/)
  const last = log.lines.at(-1)!
  assert.deepEqual([last.level, last.msg, last.fields['child']], ['error', 'giving up', 'sink/0'])
  assert.equal(fatal.length, 1)
  assert.equal((await supervisor.status()).readiness.isReady, false)
  await supervisor.drain()
})

test('an actor that cannot start the first time fails the start with its error', async () => {
  const { supervisor, fatal } = system({ modes: ['crash-at-start'] })
  await assert.rejects(supervisor.start(), (error) => {
    assert.ok(error instanceof AppError)
    assert.match(error.message, /sink will not start|is not running/)
    return true
  })
  assert.deepEqual(fatal, [])
})

test('readiness tells who is not there yet, and why', async () => {
  const replaying = system({ modes: ['replaying'] })
  await replaying.supervisor.start()
  assert.deepEqual((await replaying.supervisor.status()).readiness, {
    isReady: false,
    reason: 'sink/0 replays its log (43 %)',
    percent: 43.7,
  })
  const readOnly = system({ modes: ['read-only'] })
  await readOnly.supervisor.start()
  assert.deepEqual((await readOnly.supervisor.status()).readiness, {
    isReady: false,
    reason: 'sink/0 takes no writes',
    percent: 100,
  })
  const enough = system({
    modes: ['read-only'],
    isEnough: (isUp) => isUp.length === SINKS && !isUp.includes(true),
  })
  await enough.supervisor.start()
  await until(
    async () => (await enough.supervisor.status()).readiness.isReady,
    'ready although none takes writes',
  )
  readOnly.supervisor.beginDrain()
  const { readiness } = await readOnly.supervisor.status()
  assert.equal(readiness.reason, 'the server is shutting down')
})

test('drain lets actors finish, in reverse order of their start, and keeps their counts', async () => {
  const { supervisor, registry } = system()
  await supervisor.start()
  assert.deepEqual(await supervisor.drain(), [])
  assert.equal(registry.value('cortex_ingester_ingested_samples_total', 'drained'), SINKS)
  const { children } = await supervisor.status()
  assert.deepEqual(children.map(({ actor, state }) => [actor, state]).slice(0, 4), [
    ['helper/0', 'stopped'],
    ['sink/0', 'stopped'],
    ['sink/1', 'stopped'],
    ['relay/0', 'stopped'],
  ])
  await assert.rejects(supervisor.runTask(0, never()), AppError)
})

async function restartsOf(supervisor: TestSupervisor, actor: string): Promise<number> {
  const { children } = await supervisor.status()
  const kind = actor.startsWith('asker') ? 'asker' : actor
  return children.find((child) => child.actor === kind)!.restarts
}
