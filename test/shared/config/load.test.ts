/** Files and flags → configuration, and what is said about those that are wrong. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { configSlice, defaultConfig, loadConfig } from '../../../src/shared/config/index.js'
import { AppError } from '../../../src/shared/errors/index.js'
import { sharedPath } from '../../support/shared-material.js'

const folder = mkdtempSync(join(tmpdir(), 'nilo-config-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let files = 0

function yaml(text: string): string {
  const path = join(folder, `${files++}.yaml`)
  writeFileSync(path, text)
  return path
}

async function complaint(args: readonly string[]): Promise<string> {
  try {
    await loadConfig(args)
  } catch (error) {
    assert.ok(error instanceof AppError && error.id === 'config-invalid', String(error))
    return error.message.replaceAll(folder, 'DIR')
  }
  assert.fail(`${args.join(' ')} was accepted`)
}

test('no arguments give the defaults, frozen', async () => {
  const { config, ignored } = await loadConfig([])
  assert.equal(config['server.http_listen_address'], '127.0.0.1')
  assert.equal(config['server.http_listen_port'], 9009)
  assert.equal(config['data.dir'], './data')
  assert.equal(config['limits.ingestion_rate'], 0)
  assert.equal(config['querier.max_samples'], 50_000_000)
  assert.equal(config['limits.enable_delayed_name_removal'], false)
  assert.deepEqual(ignored, [])
  assert.ok(Object.isFrozen(config))
  assert.deepEqual(config, defaultConfig())
})

test('flags are taken in every form that Go takes', async () => {
  const { config } = await loadConfig([
    '-server.http-listen-port=9010',
    '--server.http-listen-address=0.0.0.0',
    '-data.dir',
    '/var/nilo',
    '-querier.enable-delayed-name-removal',
    '--auth.multitenancy-enabled=false',
    '-querier.timeout=1.5m',
    '-compactor.block-ranges=2h,12h',
  ])
  assert.equal(config['server.http_listen_port'], 9010)
  assert.equal(config['server.http_listen_address'], '0.0.0.0')
  assert.equal(config['data.dir'], '/var/nilo')
  assert.equal(config['limits.enable_delayed_name_removal'], true)
  assert.equal(config['multitenancy_enabled'], false)
  assert.equal(config['querier.timeout'], 90_000)
  assert.deepEqual(config['compactor.block_ranges'], [7_200_000, 43_200_000])
})

test('flags win over files, later files over earlier ones', async () => {
  const first = yaml('server: {http_listen_port: 1, log_level: warn}\ndata: {dir: one}\n')
  const second = yaml('server:\n  http_listen_port: 2\n')
  const args = ['-server.http-listen-port=3', `-config.file=${first},${second}`]
  const { config } = await loadConfig(args)
  assert.equal(config['server.http_listen_port'], 3)
  assert.equal(config['server.log_level'], 'warn')
  assert.equal(config['data.dir'], 'one')
  const { config: without } = await loadConfig(args.slice(1))
  assert.equal(without['server.http_listen_port'], 2)
})

test('values are read by the type of their key', async () => {
  const file = yaml(`
multitenancy_enabled: no
no_auth_tenant: yes
server:
  http_listen_port: 0755
  log_level:
distributor: {max_recv_msg_size: 100MB}
limits:
  drop_labels: [a, "b,c"]
  promote_otel_resource_attributes: x, y
  active_series_custom_trackers: {dev: '{job="x"}'}
  max_label_names_per_series: 60
memberlist: {join_members: [a, b], anything: {at: all}}
blocks_storage: &storage
  backend: s3
`)
  const { config, ignored } = await loadConfig([`-config.file=${file}`])
  assert.equal(config['multitenancy_enabled'], false)
  assert.equal(config['no_auth_tenant'], 'yes')
  assert.equal(config['server.http_listen_port'], 755)
  assert.equal(config['server.log_level'], 'info')
  assert.equal(config['distributor.max_recv_msg_size'], 104_857_600)
  assert.deepEqual(config['limits.drop_labels'], ['a', 'b,c'])
  assert.deepEqual(config['limits.promote_otel_resource_attributes'], ['x', 'y'])
  assert.deepEqual(config['limits.active_series_custom_trackers'], { dev: '{job="x"}' })
  assert.deepEqual(config['memberlist'], { join_members: ['a', 'b'], anything: { at: 'all' } })
  assert.ok(ignored.includes('memberlist'))
  assert.ok(!ignored.includes('limits.max_label_names_per_series'))
})

test('a wrong key or value is named with its line and what was expected', async () => {
  const file = yaml(`server:
  http_listen_prt: 80
  log_level: loud
limits:
  creation_grace_period: ten minutes
  ingestion_rate: -1
max_label_names_per_series: 3
querier: 5
`)
  assert.equal(
    await complaint([`-config.file=${file}`]),
    [
      `DIR/${files - 1}.yaml:2:3: unknown key server.http_listen_prt; did you mean server.http_listen_port?`,
      `DIR/${files - 1}.yaml:3:3: server.log_level: expected one of debug, info, warn, error, got "loud"`,
      `DIR/${files - 1}.yaml:5:3: limits.creation_grace_period: expected a duration (30s, 1h30m, 7d), at least 0, got "ten minutes"`,
      `DIR/${files - 1}.yaml:6:3: limits.ingestion_rate: expected a number, at least 0, got "-1"`,
      `DIR/${files - 1}.yaml:7:1: unknown key max_label_names_per_series; did you mean limits.max_label_names_per_series?`,
      `DIR/${files - 1}.yaml:8:1: querier: expected a block of keys`,
    ].join('\n'),
  )
})

test('wrong flags are named too', async () => {
  assert.equal(
    await complaint(['-server.http-listen-prt=80', '-server.http-listen-port=eighty', 'stray']),
    [
      'unexpected argument stray: flags are -name=value, switches -name=true',
      'unknown flag -server.http-listen-prt; did you mean -server.http-listen-port?',
      'flag -server.http-listen-port: expected a whole number from 0 to 65535, got "eighty"',
    ].join('\n'),
  )
  assert.equal(await complaint(['-data.dir']), 'flag -data.dir needs a value')
  assert.equal(await complaint(['-zzz=1']), 'unknown flag -zzz')
})

test('broken YAML and missing files are complaints with a place', async () => {
  const broken = yaml('server: {http_listen_port: 1\nlimits: {}\n')
  assert.match(await complaint([`-config.file=${broken}`]), /^DIR\/\d+\.yaml:\d+:\d+: \S/)
  const double = yaml('target: all\ntarget: all\n')
  assert.match(await complaint([`-config.file=${double}`]), /:2:1: Map keys must be unique/)
  assert.match(await complaint([`-config.file=${join(folder, 'none')}`]), /cannot be read: ENOENT/)
})

test('the environment is expanded when asked for', async () => {
  const file = yaml('data: {dir: "$' + '{WHERE}/x"}\nno_auth_tenant: $' + '{WHO:someone}\n')
  const environment = { WHERE: '/srv' }
  const args = [`-config.file=${file}`, '-config.expand-env']
  const { config } = await loadConfig(args, environment)
  assert.equal(config['data.dir'], '/srv/x')
  assert.equal(config['no_auth_tenant'], 'someone')
  const { config: plain } = await loadConfig(args.slice(0, 1), environment)
  assert.equal(plain['data.dir'], '$' + '{WHERE}/x')
})

test("the tutorial's file loads unchanged", async (t) => {
  const file = sharedPath('conformance/config/structured-config.yaml', t)
  if (file === undefined) return
  const { config } = await loadConfig([`-config.file=${file}`])
  assert.equal(config['limits.max_label_names_per_series'], 60)
  assert.equal(config['limits.compactor_blocks_retention_period'], 30 * 86_400_000)
  assert.equal(config['blocks_storage.s3.region'], 'REGION')
  assert.equal(config['ingester.ring.replication_factor'], 3)
})

test('a slice holds the keys below a prefix', () => {
  const limits = configSlice(defaultConfig({ 'limits.max_label_name_length': 7 }), 'limits')
  assert.equal(limits.max_label_name_length, 7)
  assert.equal(limits.max_label_value_length, 2048)
  assert.equal('timeout' in limits, false)
})

test('a storage takes from common.storage what it is not given itself', async () => {
  const file = yaml(
    `common:
  storage:
    backend: s3
    s3: {bucket_name: common, endpoint: s3.example.org, max_retries: 4}
    swift: {auth_url: http://keystone/v3}
blocks_storage:
  s3: {bucket_name: blocks}
`,
  )
  const { config, given } = await loadConfig([`-config.file=${file}`])
  assert.equal(config['blocks_storage.backend'], 's3')
  assert.equal(config['blocks_storage.s3.bucket_name'], 'blocks')
  assert.equal(config['blocks_storage.s3.endpoint'], 's3.example.org')
  assert.equal(config['blocks_storage.s3.max_retries'], 4)
  assert.deepEqual(config['blocks_storage.swift'], { auth_url: 'http://keystone/v3' })
  assert.equal(config['ruler_storage.s3.bucket_name'], 'common')
  assert.equal(given.has('blocks_storage.s3.endpoint'), false)
})
