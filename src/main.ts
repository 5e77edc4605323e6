#!/usr/bin/env node
/**
 * Entry of the process: its commands, and the composition of the server. What a command does lives
 * in the module that it is about; here the parts are built in order, joined, and taken down again
 * in reverse (docs/architecture.md, start and stop).
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { QueryFrontend, queryFrontendConfigOf } from './actors/query-frontend/query-frontend.js'
import { createMainEnv, startSupervisor } from './actors/supervisor/system.js'
import { httpConfigOf } from './http/config.js'
import { Lifecycle } from './http/lifecycle.js'
import { createServer } from './http/server.js'
import { blocksBucketConfig } from './shared/blocks/index.js'
import { checkBucketConfig } from './shared/bucket/index.js'
import {
  type Config,
  loadConfig,
  type PrintMode,
  printConfig,
  zoneRoots,
} from './shared/config/index.js'
import { lockFolders, nodeDisk, onStopSignal } from './shared/env/index.js'
import { AppError, fail } from './shared/errors/index.js'

const HELP = `usage: nilo [command] [flags]

  serve          runs the server (the default)
  block          lists, inspects, verifies and dumps blocks (nilo block help)
  bench          load on any server that takes remote write, and what it costs that (nilo bench help)
  import         makes blocks of OpenMetrics text, or copies a Prometheus' (nilo import help)
  new-token      makes a bearer token and its line for access.file
  hash-password  reads a password from stdin, prints its hash for access.file
  check-config   checks files and flags, prints what differs from the defaults
  version        prints the version
  help           prints this

Flags are Mimir's: -config.file=FILE, -server.http-listen-port=9009, -data.dir=DIR …
All of them: docs/reference/config.md`

await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<void> {
  const hasCommand = args[0] !== undefined && !args[0].startsWith('-')
  const command = hasCommand ? args[0] : 'serve'
  const flags = hasCommand ? args.slice(1) : args
  try {
    if (command === 'help' || flags.some((flag) => /^--?(h|help|help-all)$/.test(flag))) {
      console.log(HELP)
    } else if (command === 'version' || flags.some((flag) => /^--?version$/.test(flag))) {
      console.log(`nilometer ${version()} (Node ${process.versions.node})`)
    } else if (command === 'check-config') await checkConfig(flags)
    else if (command === 'new-token' || command === 'hash-password') {
      const { runSecrets } = await import('./http/access/secrets.js')
      await runSecrets(command, { stdin: process.stdin, print: (line) => console.log(line) })
    } else if (command === 'block') {
      await (await import('./commands/block.js')).runBlock(flags, (line) => console.log(line))
    } else if (command === 'import') await importData(flags)
    else if (command === 'bench') {
      const { clock, timers } = createMainEnv('warn').env
      const world = { clock, timers, print: (line: string) => console.log(line) }
      if (!(await (await import('./commands/bench.js')).runBench(flags, world))) process.exit(1)
    } else if (command === 'serve') await serve(flags)
    else throw fail('bad-data', { text: `unknown command ${command}; \`nilo help\` lists them` })
  } catch (error) {
    complain(error)
    process.exit(1)
  }
}

async function checkConfig(flags: readonly string[]): Promise<void> {
  const { config, ignored } = await loadConfig(flags, process.env)
  checkBucketConfig(blocksBucketConfig(config), nodeDisk())
  console.log(`# The configuration is good. What differs from the defaults:`)
  console.log(printConfig(config, 'diff').trimEnd())
  if (ignored.length > 0) console.log(`# Accepted without effect: ${ignored.join(', ')}`)
}

async function importData(flags: readonly string[]): Promise<void> {
  const { runImport } = await import('./commands/import.js')
  await runImport(flags, {
    env: createMainEnv('warn').env,
    variables: process.env,
    stdin: process.stdin,
    print: (line) => console.log(line),
    progress: (line) => console.error(line),
  })
}

/** Starts the server and returns; signals end the process. */
async function serve(flags: readonly string[]): Promise<void> {
  const { config, given, ignored } = await loadConfig(flags, process.env)
  const folders = zoneRoots(config).map((root) => resolve(root))
  const lock = lockFolders(folders)
  const main = createMainEnv(config['server.log_level'])
  if (ignored.length > 0) {
    main.env.log.info('configuration keys without effect', { keys: ignored.join(',') })
  }
  const copies = config['ingester.ring.replication_factor']
  if (given.has('ingester.ring.replication_factor') && copies > folders.length) {
    const zones = folders.length
    main.env.log.info('replication factor in force: one copy a zone', { copies, zones })
  }
  try {
    const stop = await startServer(config, folders.join(', '), main)
    onStopSignal(main.env.log, async (hurry) => {
      const failed = await stop(hurry)
      lock.release()
      main.env.log.info('stopped', { unsynced: failed.length > 0 ? failed.join(',') : undefined })
      process.exit(failed.length === 0 ? 0 : 1)
    })
  } catch (error) {
    lock.release()
    throw error
  }
}

/** Takes the server down; `hurry` resolves when there is no time for what is in flight. */
type Stop = (hurry: Promise<void>) => Promise<string[]>

async function startServer(
  config: Config,
  folder: string,
  main: ReturnType<typeof createMainEnv>,
): Promise<Stop> {
  const { env } = main
  const system = await startSupervisor(config, main, { onFatal: () => process.exit(1) })
  const frontend = new QueryFrontend(env, system.queriers, queryFrontendConfigOf(config))
  const http = httpConfigOf(config)
  const lifecycle = new Lifecycle(env, resolve(zoneRoots(config)[0]!), () =>
    process.kill(process.pid, 'SIGTERM'),
  )
  const backend = {
    ...system,
    frontend,
    lifecycle,
    configYaml: (mode: PrintMode) => printConfig(config, mode),
    version: version(),
  }
  const server = await begin(() => createServer(backend, http, env), system)
  const port = await begin(() => server.listen(), system)
  announce(
    `http${http.tls === undefined ? '' : 's'}://${hostOf(http.listenAddress)}:${port}${http.pathPrefix}`,
    config,
    folder,
  )
  return async (hurry) => {
    system.beginDrain()
    await Promise.race([env.timers.sleep(config.shutdown_delay), hurry])
    const halfMs = config['server.graceful_shutdown_timeout'] / 2
    await Promise.race([Promise.all([server.drain(), frontend.drain(halfMs)]), hurry])
    if (lifecycle.isShutdownPrepared()) await Promise.race([system.flushHeads([], true), hurry])
    return await system.drain()
  }
}

/** Takes the system down again when the front cannot begin. */
async function begin<T>(
  work: () => T | Promise<T>,
  system: { drain(): Promise<unknown> },
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await system.drain()
    throw error
  }
}

function announce(base: string, config: Config, folder: string): void {
  console.log(`nilometer ${version()}`)
  console.log(`  push, remote write     ${base}/api/v1/push`)
  console.log(`  Grafana data source    ${base}${config['api.prometheus_http_prefix']}`)
  console.log(`  data                   ${folder}`)
}

function hostOf(address: string): string {
  if (address === '' || address === '0.0.0.0' || address === '::') return '127.0.0.1'
  return address.includes(':') ? `[${address}]` : address
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

/** The caller's and the world's errors by their text, ours with the stack. */
function complain(error: unknown): void {
  const isPlain = error instanceof AppError && error.id !== 'internal'
  const text = isPlain ? error.message : error instanceof Error ? error.stack : String(error)
  for (const line of (text ?? '').split('\n')) console.error(`nilo: ${line}`)
}
