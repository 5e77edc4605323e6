/** The composition of the server: parts are built in order, joined, and taken down again in reverse. */
import { resolve } from 'node:path'
import { QueryFrontend, queryFrontendConfigOf } from './actors/query-frontend/query-frontend.js'
import { createMainEnv, type MainEnv, startSupervisor } from './actors/supervisor/system.js'
import { httpConfigOf } from './http/config.js'
import { Lifecycle } from './http/lifecycle.js'
import { playClients, standIn } from './http/query-rehearsal.js'
import { playSenders } from './http/rehearsal.js'
import { createServer } from './http/server.js'
import {
  type Config,
  loadConfig,
  type PrintMode,
  printConfig,
  zoneRoots,
} from './shared/config/index.js'
import { lockFolders, onStopSignal, printLine } from './shared/env/index.js'

/** Starts the server and returns; signals end the process. */
export async function serve(flags: readonly string[], version: string): Promise<void> {
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
    const stop = await startServer(config, { folder: folders.join(', '), version }, main)
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

/** What the server says of itself. */
interface About {
  readonly folder: string
  readonly version: string
}

/** Takes the server down; `hurry` resolves when there is no time for what is in flight. */
type Stop = (hurry: Promise<void>) => Promise<string[]>

async function startServer(config: Config, about: About, main: MainEnv): Promise<Stop> {
  const { env } = main
  const http = httpConfigOf(config)
  const frontendConfig = queryFrontendConfigOf(config)
  const lifecycle = new Lifecycle(env, resolve(zoneRoots(config)[0]!), () =>
    process.kill(process.pid, 'SIGTERM'),
  )
  const system = await startSupervisor(config, main, {
    onFatal: () => process.exit(1),
    play: async (distributors, practice) => {
      const { limits, isLast } = practice
      if (!isLast) {
        await playClients(
          { ...standIn(limits), lifecycle },
          { http, frontend: frontendConfig },
          env,
          [1],
        )
      }
      await playSenders({ distributors, lifecycle, ...practice }, http, env)
    },
    playQueries: (stage) =>
      playClients({ ...stage, lifecycle }, { http, frontend: frontendConfig }, env),
  })
  const frontend = new QueryFrontend(env, system.queriers, frontendConfig)
  const backend = {
    ...system,
    frontend,
    lifecycle,
    configYaml: (mode: PrintMode) => printConfig(config, mode),
    version: about.version,
  }
  const server = await begin(() => createServer(backend, http, env), system)
  const port = await begin(() => server.listen(), system)
  announce(
    `http${http.tls === undefined ? '' : 's'}://${hostOf(http.listenAddress)}:${port}${http.pathPrefix}`,
    config,
    about,
  )
  return async (hurry) => {
    system.beginDrain()
    await Promise.race([env.timers.sleep(config.shutdown_delay), hurry])
    const halfMs = config['server.graceful_shutdown_timeout'] / 2
    await Promise.race([Promise.all([server.drain(), frontend.drain(halfMs)]), hurry])
    if (lifecycle.isShutdownPrepared('ingester'))
      await Promise.race([system.flushHeads([], true), hurry])
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

function announce(base: string, config: Config, { folder, version }: About): void {
  printLine(`nilometer ${version}`)
  printLine(`  push, remote write     ${base}/api/v1/push`)
  printLine(`  Grafana data source    ${base}${httpConfigOf(config).prometheusPrefix}`)
  printLine(`  data                   ${folder}`)
}

function hostOf(address: string): string {
  if (address === '' || address === '0.0.0.0' || address === '::') return '127.0.0.1'
  return address.includes(':') ? `[${address}]` : address
}
