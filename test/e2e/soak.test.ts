/** A short soak; `npm run soak -- --kills 20` is the long one. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runSoak } from '../../bench/macro/soak/run.js'

test('kill -9 in the middle of pushes loses nothing that was acknowledged', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-soak-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const lines: string[] = []
  const result = await runSoak({
    kills: 3,
    seed: 20_251_121,
    betweenMsMax: 1500,
    pushesBetween: 30,
    writers: 3,
    flags: ['-wal.snapshot-bytes=20000'],
    folder,
    say: (line) => lines.push(line),
  })
  assert.deepEqual(result.wrong, [], lines.join('\n'))
  assert.ok(result.acked > 100, `only ${result.acked} pushes were acknowledged`)
  assert.ok(result.samplesFound > 1000)
  assert.equal(result.readyMs.length, 3)
})

test('nor does the end of single threads, with a sync before every answer', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-soak-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const lines: string[] = []
  const result = await runSoak({
    kills: 5,
    seed: 20_251_122,
    betweenMsMax: 600,
    pushesBetween: 30,
    writers: 4,
    workers: true,
    flags: ['-wal.fsync=always', '-wal.snapshot-bytes=20000'],
    folder,
    say: (line) => lines.push(line),
  })
  assert.deepEqual(result.wrong, [], lines.join('\n'))
  assert.ok(result.acked > 100, `only ${result.acked} pushes were acknowledged`)
})

test('with three zones shards die and a disk is lost, and not one push fails', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-soak-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const lines: string[] = []
  const result = await runSoak({
    kills: 3,
    seed: 20_251_123,
    betweenMsMax: 600,
    pushesBetween: 30,
    writers: 3,
    zones: 3,
    flags: ['-wal.snapshot-bytes=20000'],
    folder,
    say: (line) => lines.push(line),
  })
  assert.deepEqual(result.wrong, [], lines.join('\n'))
  assert.ok(result.acked > 100, `only ${result.acked} pushes were acknowledged`)
})
