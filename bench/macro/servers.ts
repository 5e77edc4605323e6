/** Servers that the macro benchmarks start: ours and its peers, each fresh in a folder of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { AS_SHIPPED, startNilo } from '../../test/support/nilo.js'
import { freePort } from '../../test/support/ports.js'
import { pinned, startProcess, waitForUrl } from '../../test/support/processes.js'
import { findShared } from '../../test/support/shared-material.js'

/** A started server as the load tool wants it. */
export interface Server {
  readonly name: string
  readonly url: string
  readonly pushPath: string
  readonly queryUrl: string
  readonly pid: number
  readonly data: string
  /** Stops it and removes its data. */
  stop(): Promise<void>
}

/** How a server is started. */
export interface ServerOptions {
  /** Cores that it may use: `0`, `0,2-3`; all of them unless told. */
  readonly cpus?: string | undefined
  /** Flags of nilometer. */
  readonly flags?: readonly string[]
}

/** Starts `nilometer`, or a peer of NILO_SHARED/tools/peers, and waits until it is ready. */
export async function startServer(
  name: string,
  { cpus, flags = [] }: ServerOptions = {},
): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), `versus-${name}-`))
  const drop = () => rmSync(folder, { recursive: true, force: true })
  if (name === 'nilometer') {
    const nilo = await startNilo(folder, [...AS_SHIPPED, ...flags], [], cpus)
    const stop = async () => {
      await nilo.stop()
      drop()
    }
    const { pid, queryUrl, pushUrl } = nilo
    return { name, pid, url: nilo.url, queryUrl, pushPath: pushUrl, data: folder, stop }
  }
  const port = await freePort()
  const script = findShared('tools/peers/start.sh')
  if (script === undefined) throw new Error('tools/peers is not there (NILO_SHARED)')
  const peer = startProcess({
    ...pinned(script, [name, folder, String(port)], cpus),
    env: { PEERS: process.env['PEERS'] ?? resolve('.cache/peers') },
  })
  const url = `http://127.0.0.1:${port}`
  await waitForUrl(`${url}${name === 'prometheus' ? '/-/ready' : '/health'}`, peer, 300_000)
  const stop = async () => {
    await peer.stop()
    drop()
  }
  const pushPath = `${url}/api/v1/write`
  return { name, pid: peer.pid, url, queryUrl: url, pushPath, data: join(folder, 'data'), stop }
}
