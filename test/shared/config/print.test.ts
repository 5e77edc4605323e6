/** The effective configuration as text. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { NO_REASON, REASONS } from '../../../src/shared/config/idle-reasons.js'
import { defaultConfig, loadConfig, printConfig } from '../../../src/shared/config/index.js'
import { KNOWN } from '../../../src/shared/config/lookup.js'

test('what is printed loads again to the same configuration', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-config-'))
  try {
    const { config } = await loadConfig([
      '-auth.no-auth-tenant=no',
      '-querier.timeout=90s',
      '-distributor.drop-label=a,b',
    ])
    const file = join(folder, 'printed.yaml')
    writeFileSync(file, printConfig(config))
    const { config: again } = await loadConfig([`-config.file=${file}`])
    assert.deepEqual(again, config)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('secrets are masked and keys without effect marked', () => {
  const config = defaultConfig({
    'blocks_storage.s3.secret_access_key': 'hunter2',
    'blocks_storage.s3.region': 'here',
    'querier.timeout': 90_000,
    memberlist: { password: 'hunter3', join: 'x' },
  })
  assert.equal(
    printConfig(config, 'diff'),
    `querier:
  timeout: 1m30s
blocks_storage:
  s3:
    region: here
    secret_access_key: ********
memberlist: {"password":"********","join":"x"} # no effect: There is one process and no gossip
`,
  )
  const text = printConfig(config)
  assert.doesNotMatch(text, /hunter/)
  assert.match(text, /^ {2}timeout: 1m30s$/m)
  assert.match(text, /^ {4}region: here$/m)
})

test('the difference from the defaults is empty when there is none', () => {
  assert.equal(printConfig(defaultConfig(), 'diff'), '{}\n')
})

test('says why a key has no effect, of each of them', () => {
  const idle = KNOWN.filter(({ row }) => row.effect === 'none')
  assert.ok(idle.length > 100)
  const bare = idle.filter(({ why }) => why === NO_REASON).map(({ key }) => key)
  assert.deepEqual(bare, [])
  const keys = idle.map(({ key }) => key)
  const unused = REASONS.filter(([pattern]) => !keys.some((key) => pattern.test(key)))
  assert.deepEqual(unused, [])
  const text = printConfig(defaultConfig({ 'limits.max_query_parallelism': 3 }), 'diff')
  assert.match(text, /max_query_parallelism: 3 # no effect: a query is not split/)
})
