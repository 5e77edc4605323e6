/**
 * A link between two actors: one ring buffer per direction and a message port that carries the
 * doorbell of both, and bodies too large for a ring. The supervisor makes links; after a restart
 * of either side a new one with the next generation replaces it on both.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { createRingbuf, RingReader, RingWriter } from '../ringbuf/index.js'

/** One side of a link, as it is posted to its actor. The port is transferred. */
export interface LinkEnd {
  /** Kind of the actor on the other side: `main`, `distributor`, `ingester`. */
  readonly peer: string
  /** Which one of its kind. */
  readonly index: number
  readonly generation: number
  readonly outgoing: SharedArrayBuffer
  readonly incoming: SharedArrayBuffer
  readonly port: MessagePort
}

/** One side of a link, opened by the thread that holds it. */
export interface Link {
  readonly peer: string
  readonly index: number
  readonly generation: number
  readonly writer: RingWriter
  readonly reader: RingReader
  readonly port: MessagePort
}

/** Names an actor as the other side of a link. */
export interface LinkPeer {
  readonly peer: string
  readonly index: number
}

/**
 * Makes a link.
 *
 * @param from its end writes `downBytes`, reads `upBytes`
 * @returns the ends of `from` and of `to`; each names the other
 */
export function makeLink(
  from: LinkPeer,
  to: LinkPeer,
  options: { generation: number; downBytes: number; upBytes: number },
): [LinkEnd, LinkEnd] {
  const { generation } = options
  const down = createRingbuf(options.downBytes, generation)
  const up = createRingbuf(options.upBytes, generation)
  const { port1, port2 } = new MessageChannel()
  return [
    { ...to, generation, outgoing: down, incoming: up, port: port1 },
    { ...from, generation, outgoing: up, incoming: down, port: port2 },
  ]
}

/** Opens an end; the doorbell message is the number 0. */
export function openLink(end: LinkEnd): Link {
  const { peer, index, generation, port } = end
  return {
    peer,
    index,
    generation,
    writer: new RingWriter(end.outgoing, () => port.postMessage(0)),
    reader: new RingReader(end.incoming),
    port,
  }
}
