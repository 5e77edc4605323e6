/**
 * A TCP proxy between the server and its bucket that does what networks do: connections are slow, are cut
 * in the middle, or stand still for a while, as a seed says. It knows nothing of what passes.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { mix } from './workload.js'

/** A running proxy. */
export interface TcpProxy {
  /** `127.0.0.1:PORT`. */
  readonly host: string
  /** What it has done to connections. */
  readonly counts: { connections: number; delays: number; cuts: number; stalls: number }
  /** From now on everything passes. */
  calm(): void
  stop(): Promise<void>
}

/** Bytes that pass, both ways together, before something is done. */
const BYTES_MAX = 400_000
const DELAY_MS_MAX = 300
const STALL_MS_MAX = 20_000

/** Starts a proxy to `target` (`host:port`). */
export async function startTcpProxy(target: string, seed: number): Promise<TcpProxy> {
  const [host, port] = target.split(':') as [string, string]
  const counts = { connections: 0, delays: 0, cuts: 0, stalls: 0 }
  const sockets = new Set<Socket>()
  let isCalm = false
  const server = createServer((near) => {
    const number = counts.connections++
    const far = connect(Number(port), host)
    const pair = [near, far]
    let left = 0
    let turn = 0
    const draw = (): number => mix(seed, number, turn, 77)
    const renew = (): void => {
      turn++
      left = draw() % BYTES_MAX
    }
    renew()
    const end = (): void => {
      for (const socket of pair) {
        socket.destroy()
        sockets.delete(socket)
      }
    }
    for (const socket of pair) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', end)
      socket.on('close', end)
    }
    const pass = async (from: Socket, to: Socket): Promise<void> => {
      for await (const part of from as AsyncIterable<Buffer>) {
        left -= part.length
        if (left < 0 && !isCalm) {
          const fate = draw() >>> 8
          renew()
          if (fate % 4 === 0) {
            counts.cuts++
            to.write(part.subarray(0, fate % part.length))
            return end()
          }
          const isStall = fate % 8 === 1
          counts[isStall ? 'stalls' : 'delays']++
          await sleep((fate >>> 4) % (isStall ? STALL_MS_MAX : DELAY_MS_MAX))
        }
        if (!to.write(part)) await once(to, 'drain').catch(end)
      }
      to.end()
    }
    pass(near, far).catch(end)
    pass(far, near).catch(end)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    calm: () => {
      isCalm = true
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
