/** `nilo block` over Prometheus' blocks: what it prints, and that it finds damage. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { runBlock } from '../../src/commands/block.js'
import { AppError } from '../../src/shared/errors/index.js'
import { fixtureBlocks, scratchFolder } from '../support/blocks.js'
import { findComponent } from '../support/components.js'
import { sharedPath } from '../support/shared-material.js'

async function lines(...args: string[]): Promise<string[]> {
  const found: string[] = []
  await runBlock(args, (line) => found.push(line))
  return found
}

test('lists, inspects and verifies blocks, one or a folder of them', async (t) => {
  const root = sharedPath('conformance/blocks', t)
  if (root === undefined) return
  const sources = fixtureBlocks(t)
  const list = await lines('ls', root)
  assert.equal(list.length, sources.length + 1)
  assert.match(list[0]!, /^ULID +FROM +TO +LEVEL +SERIES +SAMPLES/)
  const compacted = sources.find((source) => source.includes('/compacted/'))!
  assert.deepEqual(
    await lines('ls', compacted),
    list.filter((line) => /^ULID|01M7ZZRK8M/.test(line)),
  )
  assert.match(list.join('\n'), /2025-10-09T10:00:00Z +2025-10-09T11:59:30\.370Z +2 +17 +3590 +31/)
  const inspected = (await lines('inspect', compacted)).join('\n')
  assert.match(inspected, /17 series, 3590 samples, 31 chunks/)
  assert.match(inspected, /bytes per sample/)
  assert.match(inspected, /encodings: 1: 31/)
  assert.match(inspected, /parents: 01M7ZZPR5VBKZVR213ESH6MWQQ 01M7ZZPRCEK62M1DG2WAVC2KKE/)
  for (const line of await lines('verify', root)) assert.match(line, /: good, \d+ series/)
})

test('dumps what promtool dumps', async (t) => {
  const promtool = findComponent(t, 'promtool')
  const source = fixtureBlocks(t).find((path) => path.includes('/compacted/'))
  if (promtool === undefined || source === undefined) return
  const folder = scratchFolder()
  mkdirSync(join(folder, 'wal'))
  cpSync(source, join(folder, source.slice(-26)), { recursive: true })
  const run = (...args: string[]) =>
    execFileSync(promtool, ['tsdb', 'dump', ...args, folder], { encoding: 'utf8' })
      .trim()
      .split('\n')
  assert.deepEqual(sortedValues(await lines('dump', folder)), sortedValues(run()))
  const [min, max] = [1760006000000, 1760007000000]
  assert.deepEqual(
    sortedValues(await lines('dump', folder, `-min-time=${min}`, `--max-time=${max}`)),
    sortedValues(run(`--min-time=${min}`, `--max-time=${max}`)),
  )
  const match = '{__name__=~"a.*|r.*"}'
  const some = await lines('dump', folder, `-match=${match}`)
  assert.deepEqual(sortedValues(some), sortedValues(run(`--match=${match}`)))
})

/** promtool prints exponents of its own. */
function sortedValues(dump: readonly string[]): string[] {
  return dump
    .filter((line) => line !== '')
    .map((line) => {
      const [, labels, value, time] = /^(\{.*\}) (\S+) (\d+)$/s.exec(line)!
      return `${labels} ${Number(value!.replace('Inf', 'Infinity'))} ${time}`
    })
    .sort()
}

test('finds damage that only a full read shows, and says where', async (t) => {
  const [source] = fixtureBlocks(t)
  if (source === undefined) return
  const folder = scratchFolder()
  const copy = join(folder, source.slice(-26))
  const cases: [string, (bytes: Buffer) => Buffer, RegExp][] = [
    ['chunks/000001', (bytes) => flipped(bytes, bytes.length - 40), /damaged in chunks\/000001/],
    ['index', (bytes) => flipped(bytes, 60), /damaged in index: symbols: wrong checksum/],
    [
      'meta.json',
      (bytes) => edited(bytes, '"numSamples": ', '"numSamples": 1'),
      /meta.json has numSamples 1/,
    ],
    ['meta.json', (bytes) => edited(bytes, '"maxTime": 17', '"maxTime": 16'), /maxTime|minTime/],
  ]
  for (const [file, damage, expected] of cases) {
    cpSync(source, copy, { recursive: true })
    writeFileSync(join(copy, file), damage(readFileSync(join(copy, file))))
    const found: string[] = []
    await assert.rejects(
      runBlock(['verify', folder], (line) => found.push(line)),
      (error) => error instanceof AppError && /1 damaged/.test(error.message),
    )
    assert.match(found.join('\n'), /DAMAGED/)
    assert.match(found.join('\n'), expected)
  }
})

function flipped(bytes: Buffer, at: number): Buffer {
  bytes[at]! ^= 1
  return bytes
}

function edited(bytes: Buffer, from: string, to: string): Buffer {
  const text = bytes.toString()
  assert.ok(text.includes(from))
  return Buffer.from(text.replace(from, to))
}

test('refuses what it does not know', async () => {
  const folder = scratchFolder()
  await assert.rejects(lines('ls', folder), /there is no block in/)
  await assert.rejects(lines('ls'), /usage: nilo block/)
  await assert.rejects(lines('eat', folder), /nilo block eat is not known/)
  await assert.rejects(lines('dump', folder, '-min-time=soon'), /-min-time=soon is no time/)
  await assert.rejects(lines('dump', folder, '-colour=red'), /unknown flag -colour=red/)
  assert.match((await lines('help')).join(), /usage: nilo block/)
})
