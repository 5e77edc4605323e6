/**
 * Blocks that a real Prometheus wrote, in a filesystem bucket: a server that has nothing else, and a
 * real Prometheus started on the same blocks, answer alike.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { blockDifferences, type Span } from '../support/block-queries.js'
import { fixtureBlocks, scratchFolder } from '../support/blocks.js'
import { findComponent, startPrometheus } from '../support/components.js'
import { MAIN, startNilo } from '../support/nilo.js'
import { waitFor } from '../support/processes.js'

const FIXTURE_SPAN: Span = {
  start: Date.parse('2025-10-09T10:00:00Z') / 1000,
  end: Date.parse('2025-10-09T13:00:00Z') / 1000,
}

/** Blocks by tenant: the fixtures, one tenant for each folder of them. */
function tenantsOf(blocks: readonly string[]): Map<string, string[]> {
  const tenants = new Map<string, string[]>()
  for (const block of blocks) {
    const tenant = block.split('/').at(-2)!
    tenants.set(tenant, [...(tenants.get(tenant) ?? []), block])
  }
  return tenants
}

/** Blocks of promtool's own making: counters and gauges with gaps over five hours. */
function promtoolBlocks(promtool: string, folder: string, from: number): string[] {
  const lines: string[] = ['# TYPE made counter', '# TYPE level gauge']
  for (let series = 0; series < 40; series++) {
    for (let i = 0; i < 5 * 240; i++) {
      if ((i + series) % 97 < 5) continue
      const at = from + i * 15 + (series % 3)
      lines.push(`made_total{instance="a${series}",job="x"} ${i * (series + 1)} ${at}`)
    }
  }
  for (let i = 0; i < 5 * 240; i++) {
    lines.push(`level{instance="b1"} ${Math.sin(i / 7) * 1e6} ${from + i * 15}`)
  }
  mkdirSync(folder, { recursive: true })
  const text = join(folder, 'made.om')
  writeFileSync(text, `${lines.join('\n')}\n# EOF\n`)
  const out = join(folder, 'out')
  const made = spawnSync(promtool, ['tsdb', 'create-blocks-from', 'openmetrics', text, out])
  assert.equal(made.status, 0, String(made.stderr))
  return readdirSync(out)
    .filter((name) => name.length === 26)
    .map((name) => join(out, name))
}

async function checkTenant(
  t: TestContext,
  options: {
    readonly prometheus: string
    readonly folder: string
    readonly blocks: readonly string[]
    readonly ours: { url: string; tenant: string }
    readonly span: Span
  },
): Promise<void> {
  const { prometheus, folder, blocks, ours, span } = options
  for (const block of blocks)
    cpSync(block, join(folder, 'data', block.split('/').at(-1)!), { recursive: true })
  const server = await startPrometheus({ binary: prometheus, folder, config: () => '' })
  try {
    const { differences, nonEmpty } = await blockDifferences(server, ours, span)
    assert.deepEqual(differences, [])
    assert.ok(nonEmpty >= 20, `${nonEmpty} answers had something in them`)
    t.diagnostic(`${nonEmpty} answers were not empty`)
  } finally {
    await server.stop()
  }
}

test('answers from blocks of a filesystem bucket as a Prometheus on the same blocks', async (t) => {
  const prometheus = findComponent(t, 'prometheus')
  const promtool = findComponent(t, 'promtool')
  const fixtures = fixtureBlocks(t)
  if (prometheus === undefined || promtool === undefined || fixtures.length === 0) return
  const folder = scratchFolder()
  const tenants = tenantsOf(fixtures)
  const madeFrom = Date.parse('2025-11-02T05:10:00Z') / 1000
  tenants.set('promtool', promtoolBlocks(promtool, join(folder, 'made'), madeFrom))
  const bucket = join(folder, 'bucket')
  for (const [tenant, blocks] of tenants) {
    for (const block of blocks)
      cpSync(block, join(bucket, tenant, block.split('/').at(-1)!), { recursive: true })
  }
  const nilo = await startNilo(join(folder, 'nilo'), [
    `-blocks-storage.filesystem.dir=${bucket}`,
    '-query-frontend.max-total-query-length=0',
  ])
  t.after(() => nilo.stop())
  for (const [tenant, blocks] of tenants) {
    const span = tenant === 'promtool' ? { start: madeFrom, end: madeFrom + 18_000 } : FIXTURE_SPAN
    await t.test(tenant, (t) =>
      checkTenant(t, {
        prometheus,
        folder: join(folder, tenant),
        blocks,
        ours: { url: nilo.queryUrl, tenant },
        span,
      }),
    )
  }
})

test('blocks that are imported into an empty bucket beside a running server are found', async (t) => {
  const folder = scratchFolder()
  const bucket = `-blocks-storage.filesystem.dir=${join(folder, 'bucket')}`
  const nilo = await startNilo(join(folder, 'nilo'), [
    bucket,
    '-blocks-storage.bucket-store.sync-interval=200ms',
  ])
  t.after(() => nilo.stop())
  const at = Date.parse('2025-11-02T05:10:00Z') / 1000
  const text = join(folder, 'made.om')
  writeFileSync(text, `# TYPE level gauge\nlevel{job="x"} 7 ${at}\n# EOF\n`)
  const flags = ['-tenant=acme', bucket, `-scratch=${join(folder, 'scratch')}`]
  const imported = spawnSync(process.execPath, [MAIN, 'import', ...flags, text])
  assert.equal(imported.status, 0, String(imported.stderr))
  const url = `${nilo.queryUrl}/api/v1/query?query=level&time=${at + 10}`
  await waitFor('the block', nilo, async () => {
    const answer = await fetch(url, { headers: { 'X-Scope-OrgID': 'acme' } })
    return (await answer.text()).includes(`[${at + 10},"7"]`) ? true : undefined
  })
})
