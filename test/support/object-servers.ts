/**
 * Real object stores on the loopback interface, as scripts/test-components.sh fetches them: moto
 * (S3, in memory), OpenStack Swift with its s3api (on disk) and azurite (Azure Blob). Each is
 * started once for a test file; every test gets a bucket of its own.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { after, type TestContext } from 'node:test'
import { missing } from './missing.js'
import { freePort } from './ports.js'
import { type RunningProcess, startProcess, waitFor, waitForUrl } from './processes.js'

const root = resolve('.cache/components')
const PYTHON = '/usr/bin/python3'
const python = {
  PYTHONPATH: join(root, 'usr/lib/python3/dist-packages'),
  PYTHONDONTWRITEBYTECODE: '1',
  LD_LIBRARY_PATH: join(root, 'usr/lib/x86_64-linux-gnu'),
}

/** A started object store. */
export interface ObjectServer {
  /** `127.0.0.1:PORT`. */
  readonly host: string
  readonly url: string
}

/** Something that is started with the first test that asks, and stopped after the last. */
export function once<T>(start: (stops: (() => Promise<void>)[]) => Promise<T>): () => Promise<T> {
  const stops: (() => Promise<void>)[] = []
  let started: Promise<T> | undefined
  after(async () => {
    await started?.catch(() => {})
    for (const stop of stops.reverse()) await stop()
  })
  return () => {
    started ??= start(stops)
    return started
  }
}

/** Whether a component is there; where not, the test is skipped. */
export function hasComponent(t: TestContext, name: 'moto' | 'swift' | 'azurite'): boolean {
  const files = {
    moto: join(root, 'usr/bin/moto_server'),
    swift: join(root, 'usr/bin/swift-proxy-server'),
    azurite: join(root, 'azure/node_modules/azurite/package.json'),
  }
  const isThere = existsSync(files[name]) && (name === 'azurite' || existsSync(PYTHON))
  if (!isThere) missing(t, `${name} (scripts/test-components.sh fetches it)`)
  return isThere
}

/** S3 in memory; takes any credentials. Also answers STS. */
export async function startMoto(stops: (() => Promise<void>)[]): Promise<ObjectServer> {
  const port = await freePort()
  const args = [join(root, 'usr/bin/moto_server'), '-H', '127.0.0.1', '-p', String(port)]
  const program = startProcess({ command: PYTHON, args, env: python })
  stops.push(async () => void (await program.stop('SIGKILL')))
  await waitForUrl(`http://127.0.0.1:${port}/moto-api/data.json`, program)
  return serverAt(port)
}

/** Azure Blob; its account and key are the published ones. */
export async function startAzurite(
  stops: (() => Promise<void>)[],
  more: readonly string[] = [],
): Promise<ObjectServer> {
  const port = await freePort()
  const folder = temporaryFolder(stops)
  const entry = join(root, 'azure/node_modules/azurite/dist/src/blob/main.js')
  const args = ['--blobHost', '127.0.0.1', '--blobPort', String(port), '--location', folder]
  const flags = ['--silent', '--skipApiVersionCheck', '--disableTelemetry']
  const program = startProcess({
    command: process.execPath,
    args: [entry, ...args, ...flags, ...more],
  })
  stops.push(async () => void (await program.stop('SIGKILL')))
  await waitFor('azurite', program, () => opened(port))
  return serverAt(port)
}

/** The account of azurite: Microsoft publishes both. */
export const AZURITE = {
  account: 'devstoreaccount1',
  key: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
}

/** The user of Swift, which is also its S3 key. */
export const SWIFT = { user: 'test:tester', key: 'testing' }

/** Swift with one replica on one folder, its s3api and tempauth. */
export async function startSwift(stops: (() => Promise<void>)[]): Promise<ObjectServer> {
  const folder = temporaryFolder(stops)
  const ports = {
    proxy: await freePort(),
    object: await freePort(),
    container: await freePort(),
    account: await freePort(),
    memcached: await freePort(),
  }
  const conf = join(folder, 'conf')
  mkdirSync(conf)
  mkdirSync(join(folder, 'devices/one'), { recursive: true })
  writeFileSync(join(conf, 'swift.conf'), SWIFT_CONF)
  for (const kind of ['object', 'container', 'account'] as const) {
    const builder = join(conf, `${kind}.builder`)
    const device = `r1z1-127.0.0.1:${ports[kind]}/one`
    for (const args of [['create', '4', '1', '0'], ['add', device, '1'], ['rebalance']]) {
      await runToEnd('swift-ring-builder', [builder, ...args])
    }
    writeFileSync(join(conf, `${kind}.conf`), storageConf(kind, ports[kind], folder))
  }
  writeFileSync(join(conf, 'proxy.conf'), proxyConf(ports, conf))
  const user = userInfo().username
  const options = ['-u', user, '-l', '127.0.0.1', '-p', String(ports.memcached), '-U', '0']
  const cache = startProcess({
    command: join(root, 'usr/bin/memcached'),
    args: options,
    env: python,
  })
  stops.push(async () => void (await cache.stop('SIGKILL')))
  let proxy: RunningProcess = cache
  for (const kind of ['object', 'container', 'account', 'proxy'] as const) {
    const script = join(root, `usr/bin/swift-${kind}-server`)
    const args = ['-c', SWIFT_MAIN, conf, script, join(conf, `${kind}.conf`)]
    const program = startProcess({ command: PYTHON, args, env: python })
    stops.push(async () => void (await program.stop('SIGTERM', 3000)))
    await waitFor(`swift ${kind}`, program, () => opened(ports[kind]), 60_000)
    proxy = program
  }
  await waitForUrl(`http://127.0.0.1:${ports.proxy}/info`, proxy)
  return serverAt(ports.proxy)
}

/** Runs a server with a swift.conf that is not in /etc/swift. */
const SWIFT_MAIN = `
import runpy, sys
from swift.common import utils
utils.set_swift_dir(sys.argv[1])
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name='__main__')
`

const SWIFT_CONF = '[swift-hash]\nswift_hash_path_suffix = nilo\nswift_hash_path_prefix = nilo\n'

function storageConf(kind: string, port: number, folder: string): string {
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
user = ${userInfo().username}
swift_dir = ${join(folder, 'conf')}
devices = ${join(folder, 'devices')}
mount_check = false
log_name = ${kind}
log_facility =
[pipeline:main]
pipeline = ${kind}-server
[app:${kind}-server]
use = egg:swift#${kind}
`
}

function proxyConf(ports: { proxy: number; memcached: number }, conf: string): string {
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${ports.proxy}
workers = 0
user = ${userInfo().username}
swift_dir = ${conf}
[pipeline:main]
pipeline = catch_errors proxy-logging cache listing_formats s3api tempauth bulk slo dlo copy proxy-server
[app:proxy-server]
use = egg:swift#proxy
allow_account_management = true
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:${ports.memcached}
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
min_segment_size = 1048576
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = ${SWIFT.key} .admin http://127.0.0.1:${ports.proxy}/v1/AUTH_test
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:copy]
use = egg:swift#copy
`
}

async function runToEnd(name: string, args: readonly string[]): Promise<void> {
  const command = { command: PYTHON, args: [join(root, 'usr/bin', name), ...args], env: python }
  const program = startProcess(command)
  const { code } = await program.exited
  // swift-ring-builder ends with 1 where there was something to warn of.
  if (code !== 0 && code !== 1) throw new Error(`${name} ${args.join(' ')}: ${program.output()}`)
}

function temporaryFolder(stops: (() => Promise<void>)[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-objects-'))
  stops.push(async () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function serverAt(port: number): ObjectServer {
  return { host: `127.0.0.1:${port}`, url: `http://127.0.0.1:${port}` }
}

/** true when something listens. */
function opened(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(undefined))
  })
}
