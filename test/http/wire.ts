/** Requests as bytes on a connection, and the answers as they come. */
import { connect, type Socket } from 'node:net'
import { type TestFront, until } from './support.js'

/** A request that is always Node's, and answered at once. */
export const READY = 'GET /ready HTTP/1.1\r\nHost: x\r\n\r\n'

/** A connection, and what has come on it. */
export interface Wire {
  readonly socket: Socket
  readonly closed: Promise<void>
  received(): string
  /** Answers so far. */
  count(): number
}

/** Connects. */
export function wire(front: TestFront): Wire {
  const socket = connect(front.port, '127.0.0.1')
  let text = ''
  socket.setNoDelay(true)
  socket.on('data', (piece) => {
    text += piece.toString('latin1')
  })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
  const count = (): number => text.split('HTTP/1.1 ').length - 1
  return { socket, closed, received: () => text, count }
}

/** Lets the server read what was sent. */
export async function settle(front: TestFront): Promise<void> {
  const other = wire(front)
  other.socket.write(READY)
  await until(() => other.count() === 1)
  other.socket.destroy()
}

/** Sends bytes in pieces, each read before the next; the answer, once there is one. */
export async function answerTo(front: TestFront, pieces: readonly string[]): Promise<string> {
  const { socket, received, count } = wire(front)
  for (const piece of pieces) {
    socket.write(piece)
    await settle(front)
  }
  await until(() => count() === 1)
  socket.destroy()
  return received()
}

/** Sends one request, and another when the first is answered; all answers, once the server has hung up. */
export async function answersUntilEnd(
  front: TestFront,
  first: string,
  second: string,
): Promise<string> {
  const { socket, received, count, closed } = wire(front)
  socket.write(first)
  await until(() => count() === 1)
  socket.write(second)
  await closed
  return received()
}

/** An answer without what differs by time and spelling: status, headers by name, body. */
export function parts(text: string): {
  status: string
  headers: Map<string, string>
  body: string
} {
  const [head = '', ...body] = text.split('\r\n\r\n')
  const [line = '', ...lines] = head.split('\r\n')
  const headers = lines.map((one): [string, string] => {
    const colon = one.indexOf(':')
    return [one.slice(0, colon).toLowerCase(), one.slice(colon + 1).trim()]
  })
  const timed = new Map(headers.sort(([a], [b]) => (a < b ? -1 : 1)))
  timed.delete('date')
  return { status: line, headers: timed, body: body.join('\r\n\r\n') }
}
