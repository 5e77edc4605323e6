/**
 * Blocks that we cut, with nothing else in its folder, under a real Prometheus; the same in our
 * bucket, a folder and S3: the 34 queries of the load tool have equal answers, our blocks are no larger
 * than those that Prometheus cuts of the same pushes, and S3 is asked no more often than it need be.
 * The same command over more samples is `npm run blocks -- --ours --bucket filesystem,s3`.
 */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { scratchFolder } from '../support/blocks.js'
import { findComponent } from '../support/components.js'
import { hasComponent } from '../support/object-servers.js'
import { startProcess } from '../support/processes.js'
import { sharedPath } from '../support/shared-material.js'

const COMMAND = fileURLToPath(new URL('../../bench/macro/blocks.js', import.meta.url))

test('blocks of ours: equal answers under Prometheus, in a folder and in S3', async (t) => {
  const hasTool = sharedPath('tools/bench', t) !== undefined
  if (!hasTool || findComponent(t, 'prometheus') === undefined || !hasComponent(t, 'moto')) return
  const folder = scratchFolder()
  const cache = join(folder, 'workload')
  mkdirSync(cache)
  // Data that begin in the middle of a range of two hours and go on to its end: both make one block of
  // it, with chunks that are spread over the rest of the range, 150 samples each.
  const end = Math.floor(Date.now() / 7_200_000) * 7200 - 30
  const args = [
    '--end',
    String(end),
    '--ours',
    '--answers',
    '--series',
    '1600',
    '--scrapes',
    '300',
    '--rounds',
    '1',
  ]
  const run = startProcess({
    command: process.execPath,
    args: [COMMAND, ...args, '--bucket', 'filesystem,s3', '--keep', join(folder, 'blocks')],
    env: { BENCH_CACHE: cache, PEERS: resolve('.cache/components') },
  })
  t.after(() => run.stop('SIGKILL'))
  const { code } = await run.exited
  const output = run.output()
  assert.equal(code, 0, output)
  assert.equal(output.match(/equal answers 34\/34/g)?.length, 2, output)
  const asked = /S3: (\d+) ranges of chunks/.exec(output)?.[1]
  assert.ok(Number(asked) > 0, output)
})
