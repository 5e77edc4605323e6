/** `nilo import`: what comes out is what promtool makes of the same text. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { runBlock } from '../../src/commands/block.js'
import { type ImportWorld, runImport } from '../../src/commands/import.js'
import { SeededPrng } from '../../src/shared/base/prng.js'
import { nodeDisk } from '../../src/shared/env/node-disk.js'
import { AppError } from '../../src/shared/errors/index.js'
import { labelsOf } from '../../src/shared/model/labels.js'
import { BlockImporter } from '../../src/shared/tsdb/index.js'
import { fixtureBlocks, scratchFolder } from '../support/blocks.js'
import { findComponent } from '../support/components.js'
import { createFakeEnv } from '../support/fake-env.js'

const FROM = Date.UTC(2025, 9, 9, 9, 30)

/** Each world has random bytes of its own. */
let seed = 0

function worldOf(stdin: string): ImportWorld & { readonly lines: string[] } {
  const lines: string[] = []
  return {
    lines,
    env: { ...createFakeEnv({ seed: ++seed }), disk: nodeDisk() },
    variables: {},
    stdin: Readable.from([Buffer.from(stdin)]),
    print: (line) => lines.push(line),
    progress: () => {},
  }
}

/** Some hours of counters and gauges as OpenMetrics, series by series. */
function textOf(series: number, samples: number): string {
  const lines: string[] = []
  for (let s = 0; s < series; s++) {
    for (let i = 0; i < samples; i++) {
      const t = (FROM + i * 30_000 + s) / 1000
      lines.push(`m_total{s="${s}",zone="${'ab'[s % 2]}é"} ${(i * (s + 1)) / 8} ${t}`)
    }
  }
  return `# TYPE m counter\n${lines.join('\n')}\n# EOF\n`
}

async function dump(folder: string): Promise<string[]> {
  const lines: string[] = []
  await runBlock(['dump', folder], (line) => lines.push(line))
  return lines.sort()
}

test('makes the blocks that promtool makes of the same text', async (t) => {
  const promtool = findComponent(t, 'promtool')
  if (promtool === undefined) return
  const folder = scratchFolder()
  const file = join(folder, 'text')
  writeFileSync(file, textOf(20, 700))
  const theirs = join(folder, 'theirs')
  execFileSync(promtool, ['tsdb', 'create-blocks-from', 'openmetrics', file, theirs])
  const ours = join(folder, 'ours')
  const world = worldOf('')
  await runImport([`-output=${ours}`, file], world)
  assert.deepEqual(await dump(ours), await dump(theirs))
  assert.equal(
    readdirSync(ours).length,
    readdirSync(theirs).filter((name) => name.length === 26).length,
  )
  assert.match(world.lines.at(-1)!, /^4 blocks of 20 series/)
  const bytes = (path: string) =>
    readdirSync(path)
      .map((name) => readFileSync(join(path, name, 'chunks/000001')).length)
      .sort()
  assert.deepEqual(bytes(ours), bytes(theirs).slice(-4))
  await runBlock(['verify', ours], () => {})
})

test('puts blocks in the bucket of a configuration', async () => {
  const folder = scratchFolder()
  const text = textOf(5, 400)
  await runImport([`-output=${join(folder, 'plain')}`, '-'], worldOf(text))
  const flags = ['-tenant=demo', `-data.dir=${join(folder, 'data')}`]
  const world = worldOf(text)
  await runImport([...flags, '-'], world)
  assert.match(world.lines.at(-1)!, /^3 blocks of 5 series in tenant demo of filesystem/)
  const tenant = join(folder, 'data/blocks/demo')
  assert.deepEqual(await dump(tenant), await dump(join(folder, 'plain')))
  const ulids = readdirSync(tenant).filter((name) => name.length === 26)
  for (const ulid of ulids) {
    const meta = JSON.parse(readFileSync(join(tenant, ulid, 'meta.json'), 'utf8'))
    assert.deepEqual(meta.thanos.files.at(-1), { rel_path: 'meta.json' })
  }
  assert.ok(!existsSync(join(folder, 'data/import.tmp')))
  // A Prometheus' data: what is there already stays.
  const again = worldOf('')
  await runImport([...flags, join(folder, 'plain')], again)
  assert.equal(again.lines.filter((line) => line.endsWith('copied')).length, 3)
  const third = worldOf('')
  await runImport([...flags, join(folder, 'plain')], third)
  assert.equal(third.lines.filter((line) => line.endsWith('is there already')).length, 3)
  await assert.rejects(
    runImport([...flags, `-output=${folder}`, '-'], worldOf('')),
    /usage: nilo import/,
  )
  await assert.rejects(runImport(['-tenant=demo', '-colour=red', '-'], worldOf('')), /colour/)
})

test('takes standard input, and samples in any order', async () => {
  const folder = scratchFolder()
  const text = textOf(10, 300)
  const lines = text.trim().split('\n').slice(1, -1)
  const prng = new SeededPrng(9)
  for (let i = lines.length - 1; i > 0; i--) {
    const j = prng.nextU32() % (i + 1)
    const kept = lines[i]!
    lines[i] = lines[j]!
    lines[j] = kept
  }
  // Doubles: the first one of a time counts, as it stood in the text.
  const doubled = [...lines, ...lines.slice(0, 50).map((line) => line.replace(/} \S+/, '} 99'))]
  await runImport([`-output=${join(folder, 'a')}`, '-'], worldOf(text))
  await runImport([`-output=${join(folder, 'b')}`, '-'], worldOf(`${doubled.join('\n')}\n# EOF`))
  assert.deepEqual(await dump(join(folder, 'b')), await dump(join(folder, 'a')))
})

test('has few chunks in the blocks even when few may be open', async () => {
  const folder = scratchFolder()
  const importer = new BlockImporter(nodeDisk(), {
    folder: join(folder, 'out'),
    scratch: join(folder, 'scratch'),
    ulid: () => '01HV0000000000000000000001',
    openMax: 3,
  })
  const start = Math.ceil(FROM / 7_200_000) * 7_200_000
  for (let i = 0; i < 100; i++) {
    for (let s = 0; s < 50; s++) {
      const bytes = Buffer.from(`s${s}`)
      const parse = () => labelsOf({ __name__: 'm', s: String(s) })
      importer.append(
        importer.series(bytes, 0, bytes.length, parse),
        start + i * 60_000,
        0x40000000 + i,
        s,
      )
    }
  }
  for await (const { stats } of importer.finish()) {
    assert.deepEqual([stats.numSamples, stats.numSeries, stats.numChunks], [5000, 50, 50])
  }
  assert.ok(!existsSync(join(folder, 'scratch')))
})

test("copies a Prometheus' blocks, leaves out what is damaged or there", async (t) => {
  const sources = fixtureBlocks(t)
  if (sources.length === 0) return
  const folder = scratchFolder()
  const data = join(folder, 'data')
  for (const source of sources) cpSync(source, join(data, source.slice(-26)), { recursive: true })
  mkdirSync(join(data, 'wal'))
  const bad = join(data, sources[0]!.slice(-26), 'index')
  const bytes = readFileSync(bad)
  bytes[100]! ^= 1
  writeFileSync(bad, bytes)
  const output = join(folder, 'out')
  const world = worldOf('')
  await assert.rejects(
    runImport([`-output=${output}`, data], world),
    (error) => error instanceof AppError && /1 damaged blocks/.test(error.message),
  )
  assert.equal(readdirSync(output).length, sources.length - 1)
  await runBlock(['verify', output], () => {})
  const again = worldOf('')
  await assert.rejects(runImport([`-output=${output}`, data], again), /1 damaged/)
  assert.equal(
    again.lines.filter((line) => line.endsWith('is there already')).length,
    sources.length - 1,
  )
})

test('leaves no block of text that is wrong, and says the line', async () => {
  const folder = scratchFolder()
  const text = textOf(3, 500).replace(' 60.5 ', ' sixty ')
  await assert.rejects(
    runImport([`-output=${folder}/out`, '-'], worldOf(text)),
    /line \d+: the value is no number/,
  )
  await assert.rejects(
    runImport([`-output=${folder}/out`, '-'], worldOf('a{x="\0"} 1 1\n# EOF')),
    /zero byte/,
  )
  await assert.rejects(
    runImport([`-output=${folder}/out`, `${folder}/none`], worldOf('')),
    /there is no/,
  )
  await assert.rejects(runImport(['-'], worldOf('')), /usage: nilo import/)
  assert.deepEqual(readdirSync(join(folder, 'out')), [])
})
