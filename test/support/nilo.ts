/** The built server as a process of its own, for tests end to end and the soak. */
import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { join, resolve } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { pinned, type RunningProcess, startProcess, waitFor, waitForUrl } from './processes.js'

/** The entry that `npm start` runs. */
export const MAIN = fileURLToPath(new URL('../../app/main.js', import.meta.url))

/** Without work that only pays in a long life. */
const COLD = ['-querier.warm-up-enabled=false', '-distributor.warm-up-enabled=false']
/** Undoes that, for benchmarks. */
export const AS_SHIPPED: readonly string[] = [
  '-querier.warm-up-enabled=true',
  '-distributor.warm-up-enabled=true',
]

/** A running server. */
export interface Nilo extends RunningProcess {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string
  readonly pushUrl: string
  /** What stands before `/api/v1/query`. */
  readonly queryUrl: string
}

/** Starts the server with flags, and Node with others, on some cores; does not wait for anything. */
export function runNilo(
  args: readonly string[],
  nodeFlags: readonly string[] = [],
  cpus?: string,
): RunningProcess {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is not built`)
  return startProcess(pinned(process.execPath, [...nodeFlags, MAIN, ...args], cpus))
}

/** A running server that speaks TLS, with the certificates of test/support/tls. */
export interface SecureNilo extends RunningProcess {
  readonly port: number
  /** `https://127.0.0.1:PORT`. */
  readonly url: string
}

/** Starts the server with TLS and waits until it is ready. Certificate and key are copied to `folder`. */
export async function startSecureNilo(
  folder: string,
  args: readonly string[],
): Promise<SecureNilo> {
  copyFileSync(tlsFile('server-1.pem'), join(folder, 'cert.pem'))
  copyFileSync(tlsFile('server-1-key.pem'), join(folder, 'key.pem'))
  const program = runNilo([
    'serve',
    `-data.dir=${join(folder, 'data')}`,
    '-server.http-listen-port=0',
    `-server.http-tls-cert-path=${join(folder, 'cert.pem')}`,
    `-server.http-tls-key-path=${join(folder, 'key.pem')}`,
    ...args,
  ])
  const port = await waitFor('the port', program, async () => {
    const found = /https:\/\/[\d.]+:(\d+)\/api/.exec(program.output())?.[1]
    return found === undefined ? undefined : Number(found)
  })
  await waitFor('ready', program, async () => {
    const asked = await askTls(port, '/ready').catch(() => undefined)
    return asked?.status === 200 ? true : undefined
  })
  return { ...program, port, url: `https://127.0.0.1:${port}` }
}

/** A file of test/support/tls. */
export function tlsFile(name: string): string {
  return resolve('test/support/tls', name)
}

/** An answer over TLS, and the name in the server's certificate. */
export interface TlsAnswer {
  readonly status: number
  readonly server: string
  readonly body: string
}

/** One request over TLS on a connection of its own, with a client certificate when one is named. */
export function askTls(
  port: number,
  path: string,
  options: {
    readonly client?: string
    readonly body?: string | Uint8Array
    readonly headers?: Readonly<Record<string, string>>
  } = {},
): Promise<TlsAnswer> {
  const { client, body, headers = {} } = options
  const pem = (name: string): Buffer => readFileSync(tlsFile(name))
  const identity =
    client === undefined ? {} : { cert: pem(`${client}.pem`), key: pem(`${client}-key.pem`) }
  const method = body === undefined ? 'GET' : 'POST'
  const place = { host: '127.0.0.1', port, path, method, headers }
  return new Promise((done, reject) => {
    const asked = httpsRequest(
      { ...place, ...identity, ca: pem('ca.pem'), agent: false },
      (response) => {
        const socket = response.socket as TLSSocket
        const server = String(socket.getPeerCertificate().subject?.CN)
        let text = ''
        response.setEncoding('utf8').on('data', (piece: string) => {
          text += piece
        })
        response.on('end', () => done({ status: response.statusCode ?? 0, server, body: text }))
      },
    )
    asked.on('error', reject)
    asked.end(body)
  })
}

/**
 * Starts the server on a free port with its data in `folder`, and waits until it is ready. Its queriers
 * do not warm up unless `args` say so: hundreds of servers that live for seconds would do it for nothing.
 */
export async function startNilo(
  folder: string,
  args: readonly string[] = [],
  nodeFlags: readonly string[] = [],
  cpus?: string,
): Promise<Nilo> {
  const program = runNilo(
    ['serve', `-data.dir=${folder}`, '-server.http-listen-port=0', ...COLD, ...args],
    nodeFlags,
    cpus,
  )
  const url = await waitFor('the push URL', program, async () => {
    return /(http:\/\/[\d.]+:\d+)\/api\/v1\/push/.exec(program.output())?.[1]
  })
  await waitForUrl(`${url}/ready`, program)
  return { ...program, url, pushUrl: `${url}/api/v1/push`, queryUrl: `${url}/prometheus` }
}
