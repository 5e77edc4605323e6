/** A front over scripted ends: what comes out of the front is under test, not what lies behind. */
import { request as httpRequest } from 'node:http'
import type { PushAnswer } from '../../src/actors/distributor/contract.js'
import type { QuerierPool } from '../../src/actors/querier/client.js'
import type { QuerierAnswer, QuerierTask } from '../../src/actors/querier/contract.js'
import { QueryFrontend } from '../../src/actors/query-frontend/query-frontend.js'
import { httpConfigOf } from '../../src/http/config.js'
import type { HttpConfig } from '../../src/http/handler.js'
import { Lifecycle } from '../../src/http/lifecycle.js'
import { createServer, type HttpServer } from '../../src/http/server.js'
import { Profiles } from '../../src/shared/actor/index.js'
import { defaultConfig } from '../../src/shared/config/index.js'
import { Limits } from '../../src/shared/limits/index.js'
import { createFakeEnv, type FakeEnv } from '../support/fake-env.js'
import { testLimits } from '../support/limits.js'

/** One push as it reached the sink. */
export interface ReceivedPush {
  readonly tenant: string
  readonly body: Buffer
}

/** A querier pool whose answers a test gives. */
export class ScriptedPool implements QuerierPool {
  readonly size = 2
  readonly tasks: QuerierTask[] = []
  readonly signals: AbortSignal[] = []
  answer: (task: QuerierTask, signal: AbortSignal) => Promise<QuerierAnswer> = async () =>
    answerOf('{"status":"success","data":[]}')

  run(task: QuerierTask, signal: AbortSignal): Promise<QuerierAnswer> {
    this.tasks.push(task)
    this.signals.push(signal)
    return this.answer(task, signal)
  }
}

export function answerOf(...pieces: string[]): QuerierAnswer {
  const bytes = pieces.map((text) => new TextEncoder().encode(text))
  return { pieces: bytes, samplesRead: 1, seriesRead: 1, tookMs: 1 }
}

export interface TestFront {
  readonly env: FakeEnv
  readonly server: HttpServer
  readonly port: number
  readonly pool: ScriptedPool
  readonly pushes: ReceivedPush[]
  /** Wishes for heads to be cut. */
  readonly flushes: { readonly tenants: readonly string[]; readonly isAwaited: boolean }[]
  /** What the next pushes are answered with. */
  pushAnswer: () => Promise<PushAnswer>
  readiness: { isReady: boolean; reason: string; percent: number }
}

/** A listening front on a free port; queries go to `queriers` when given, else to the script. */
export async function startFront(
  changes: Partial<HttpConfig> = {},
  queriers?: QuerierPool,
  files: Readonly<Record<string, string>> = {},
  overrides: Parameters<typeof testLimits>[1] = {},
): Promise<TestFront> {
  const env = createFakeEnv()
  for (const [path, text] of Object.entries(files)) {
    env.disk.makeFolder(path.slice(0, path.lastIndexOf('/')))
    env.disk.replaceFile(path, Buffer.from(text))
  }
  const pool = new ScriptedPool()
  const frontend = new QueryFrontend(env, queriers ?? pool, {
    outstandingPerTenantMax: 2,
    outstandingMax: 100,
    timeoutMs: 120_000,
    slowMs: 1_000,
    triesMax: 3,
  })
  const pushes: ReceivedPush[] = []
  const flushes: TestFront['flushes'] = []
  const config = { ...httpConfigOf(defaultConfig()), listenPort: 0, ...changes }
  const backend = {
    distributors: {
      push: (tenant: string, pieces: readonly Uint8Array[], length: number) => {
        const body = Buffer.concat(pieces)
        if (body.length !== length) throw new Error(`length ${length}, got ${body.length}`)
        pushes.push({ tenant, body })
        return front.pushAnswer()
      },
    },
    frontend,
    status: async () => ({
      readiness: front.readiness,
      children: [{ actor: 'ingester/0', state: 'running' }],
    }),
    cutSeries: async () => 0,
    profiles: new Profiles(env, () => new Map()),
    beginDeletion: () => () => {},
    flushHeads: async (tenants: readonly string[], isAwaited: boolean) => {
      flushes.push({ tenants, isAwaited })
    },
    metricsText: () => '# metrics\n',
    configYaml: (mode: string) => `target: ${mode}\n`,
    runtime: {
      limits: new Limits(testLimits({}, { acme: { ingestion_rate: 7 }, ...overrides })),
      hasFiles: () => true,
      print: (mode: string) => `overrides: ${mode}\n`,
    },
    findCompactor: () => undefined,
    compactorCount: 1,
    blockTenants: async () => ['acme'],
    discarded: () => ({ label_invalid: 2 }),
    haEntries: () => [],
    lifecycle: new Lifecycle(env, 'data', () => {}),
    totalOf: () => 3,
    rings: { members: () => [], forget: () => false },
    tenants: () => ['acme'],
    seriesOf: () => 5,
    version: '0.1.0',
  }
  const server = createServer(backend, config, env)
  const port = await server.listen()
  const front: TestFront = {
    env,
    server,
    port,
    pool,
    pushes,
    flushes,
    pushAnswer: async () => ({ status: 200, text: '', retryable: false }),
    readiness: { isReady: true, reason: '', percent: 100 },
  }
  return front
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

export interface Ask {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

/** One request on a connection of its own. */
export function ask(port: number, path: string, options: Ask = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, body } = options
    const request = httpRequest(
      { host: '127.0.0.1', port, path, method, headers, agent: false },
      (response) => {
        const pieces: Buffer[] = []
        response.on('data', (piece: Buffer) => pieces.push(piece))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(pieces).toString('latin1')
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text })
        })
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}

/** A form as POST sends it. */
export function form(fields: Record<string, string>): Ask {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(fields).toString(),
  }
}

/** Waits until something holds, letting sockets run in between. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve))
}
