/** The loops of a compactor, on a fake clock. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compactorConfigOf } from '../../../src/actors/compactor/client.js'
import { Compactor } from '../../../src/actors/compactor/compactor.js'
import type { CompactorBoot } from '../../../src/actors/compactor/contract.js'
import type { Task } from '../../../src/actors/compactor/task-loop.js'
import { createIntakeCell } from '../../../src/shared/base/intake.js'
import { defaultConfig } from '../../../src/shared/config/index.js'
import { compileHeadKernel } from '../../../src/shared/kernels/head.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { testLimits } from '../../support/limits.js'

const boot: CompactorBoot = {
  index: 0,
  count: 1,
  config: compactorConfigOf(defaultConfig()),
  limits: testLimits(),
  intake: createIntakeCell(),
  kernel: compileHeadKernel(),
}

test('tasks run, pause, run again; one that fails goes on, and a call wakes it', async () => {
  const env = createFakeEnv()
  const runs = { good: 0, bad: 0 }
  const tasks: Task[] = [
    { name: 'good', everyMs: 1000, run: async () => void runs.good++ },
    {
      name: 'bad',
      everyMs: 300,
      run: () => {
        runs.bad++
        return Promise.reject(new Error('no luck'))
      },
    },
  ]
  const compactor = new Compactor(env, boot, tasks)
  compactor.start()
  await env.timers.advance(999)
  assert.deepEqual(runs, { good: 1, bad: 4 })
  assert.equal(env.metrics.value('nilo_compactor_task_failures_total', 'bad'), 4)
  assert.ok(env.log.lines.some(({ fields }) => String(fields['err']).includes('no luck')))
  await compactor.calls.wake('good')
  await env.timers.advance(0)
  assert.deepEqual(runs, { good: 2, bad: 4 })
  await env.timers.advance(999)
  assert.equal(runs.good, 2)
  await env.timers.advance(1)
  assert.equal(runs.good, 3)
  await compactor.drain()
  await env.timers.advance(5000)
  assert.equal(runs.good, 3)
})

test('a drain waits for the safe point of what runs, and starts nothing more', async () => {
  const env = createFakeEnv()
  const log: string[] = []
  const task: Task = {
    name: 'long',
    everyMs: 10,
    async run(context) {
      log.push('begin')
      while (!context.isStopping()) await context.giveWay()
      log.push('end')
    },
  }
  const compactor = new Compactor(env, boot, [task])
  compactor.start()
  await env.timers.advance(5)
  await compactor.drain()
  assert.deepEqual(log, ['begin', 'end'])
  assert.equal(env.timers.pendingCount(), 0)
})
