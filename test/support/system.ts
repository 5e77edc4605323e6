/** The whole system in this process, threads and all, behind a listener: for tests over HTTP. */
import assert from 'node:assert/strict'
import {
  QueryFrontend,
  queryFrontendConfigOf,
} from '../../src/actors/query-frontend/query-frontend.js'
import { createMainEnv, type System, startSupervisor } from '../../src/actors/supervisor/system.js'
import { httpConfigOf } from '../../src/http/config.js'
import { Lifecycle } from '../../src/http/lifecycle.js'
import { createServer, type HttpServer } from '../../src/http/server.js'
import {
  type Config,
  defaultConfig,
  type PrintMode,
  printConfig,
} from '../../src/shared/config/index.js'

/** A running system. */
export interface TestSystem {
  readonly system: System
  readonly server: HttpServer
  readonly url: string
  /** When the process was asked to stop. */
  readonly stops: readonly number[]
  readonly pushUrl: string
  /** What stands before `/api/v1/query`. */
  readonly queryUrl: string
  /** The value of a metric on `/metrics`; undefined where there is no such line. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number | undefined>
  stop(): Promise<void>
}

/** Starts it with its data in `folder`, and waits until it is ready. */
export async function startSystem(
  folder: string,
  changes: Partial<Config> = {},
): Promise<TestSystem> {
  const config = defaultConfig({
    'data.dir': folder,
    'server.http_listen_port': 0,
    'server.log_level': 'error',
    ...changes,
  })
  const main = createMainEnv('error')
  const system = await startSupervisor(config, main, {
    cores: 2,
    onFatal: (reason) => assert.fail(reason),
  })
  const { env } = main
  const stops: number[] = []
  const backend = {
    ...system,
    frontend: new QueryFrontend(env, system.queriers, queryFrontendConfigOf(config)),
    configYaml: (mode: PrintMode) => printConfig(config, mode),
    lifecycle: new Lifecycle(env, folder, () => stops.push(Date.now())),
    version: '0.1.0',
  }
  const server = createServer(backend, httpConfigOf(config), env)
  const url = `http://127.0.0.1:${await server.listen()}`
  while ((await fetch(`${url}/ready`)).status !== 200) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return {
    system,
    server,
    url,
    stops,
    pushUrl: `${url}/api/v1/push`,
    queryUrl: `${url}/prometheus`,
    metric: async (name, labels = {}) =>
      findMetric(await (await fetch(`${url}/metrics`)).text(), name, labels),
    async stop() {
      await server.drain()
      assert.deepEqual(await system.drain(), [])
    },
  }
}

function findMetric(
  text: string,
  name: string,
  labels: Readonly<Record<string, string>>,
): number | undefined {
  for (const line of text.split('\n')) {
    if (line.startsWith('#') || line.split(/[{ ]/)[0] !== name) continue
    const isOf = ([label, value]: [string, string]): boolean => line.includes(`${label}="${value}"`)
    if (Object.entries(labels).every(isOf)) return Number(line.slice(line.lastIndexOf(' ') + 1))
  }
  return undefined
}
