/**
 * Reads sockets into one buffer that all of them share. Hot: as streams, Node allocates 64 KiB for
 * every read, and a body of a push leaves several of those to the garbage collector, each with a
 * Buffer and a tick of the stream. `net.Socket` reads into a buffer of its caller's when it is made
 * with `onread`, which a server's sockets are not: what that option sets is set here afterwards, by
 * the names that Node 20 gives it. A socket that does not know them (of a Node to come) is
 * read as a stream.
 */
import type { Socket } from 'node:net'

/** Two reads take most bodies of pushes. */
const READ_BYTES = 256 << 10

/** How a socket is read; made by `readShared`. */
export interface SharedReads {
  /** The socket is read as a stream, each read into memory of its own. */
  readonly leavesGarbage: boolean
  /** From now on what comes goes to the socket's stream. */
  giveBack(): void
}

interface Handle {
  useUserBuffer?(buffer: Uint8Array): void
}

type Internals = Record<symbol, unknown> & { readonly _handle?: Handle | null }

let shared: Buffer | undefined

/**
 * Has a fresh socket's bytes taken as they come.
 *
 * @param take is handed bytes that are good until it returns
 */
export function readShared(socket: Socket, take: (bytes: Buffer) => void): SharedReads {
  const internals = socket as unknown as Internals
  const [buffer, callback] = ['kBuffer', 'kBufferCb'].map((name) => symbolOf(socket, name))
  const handle = internals._handle
  if (buffer === undefined || callback === undefined || handle?.useUserBuffer === undefined) {
    socket.on('data', take)
    return { leavesGarbage: true, giveBack: () => void socket.off('data', take) }
  }
  shared ??= Buffer.allocUnsafeSlow(READ_BYTES)
  const room = shared
  let isOurs = true
  internals[buffer] = room
  internals[callback] = (bytes: number): boolean => {
    const came = room.subarray(0, bytes)
    if (!isOurs) return socket.push(Buffer.from(came))
    take(came)
    return true
  }
  handle.useUserBuffer(room)
  // Nobody hears of the end of a stream that is not read.
  socket.resume()
  return {
    leavesGarbage: false,
    giveBack: () => {
      isOurs = false
    },
  }
}

function symbolOf(socket: Socket, name: string): symbol | undefined {
  return Object.getOwnPropertySymbols(socket).find(({ description }) => description === name)
}
