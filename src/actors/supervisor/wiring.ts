/**
 * Who streams to whom, and who may call whom. Makes links (ring buffers and a port) between every
 * pair of the table as soon as both run, a new generation of them when either restarts or an end
 * asks for it, and gives pool threads a port to every shard.
 */
import {
  type ActorThread,
  type Link,
  type LinkEnd,
  type LinkPeer,
  makeLink,
  openLink,
  type PoolSeat,
} from '../../shared/actor/index.js'
import { ringStats } from '../../shared/ringbuf/index.js'
import type { Log } from '../../shared/telemetry/index.js'
import type { LinkStatus } from './contract.js'

/** A row of the table: every actor of one kind has a link to every one of the other. */
export interface LinkSpec {
  /** Writes the larger stream; `main` is this thread. */
  readonly from: string
  readonly to: string
  /** Ring sizes, powers of two. */
  readonly downBytes: number
  readonly upBytes: number
}

/** What main does with its own ends. */
export interface MainEnds {
  /** Takes a link to an actor, in place of an earlier one: what was in flight on that is lost. */
  link(link: Link): void
  /** The actor is gone until the next `link`. */
  unlink(peer: string, index: number): void
}

/** How pool threads learn of shards. */
export interface SeatNotices<Message> {
  /** Kind of the actors that pool threads call. */
  readonly kind: string
  /** What to post to a pool thread about a shard that runs; `port` answers its calls and is moved. */
  notice(index: number, port: ReturnType<ActorThread['open']>): Message
}

interface Running {
  readonly peer: LinkPeer
  readonly thread: ActorThread | undefined
}

/** The wires of the running system. */
export class Wiring<Message> {
  private readonly specs: readonly LinkSpec[]
  private readonly main: MainEnds
  private readonly notices: SeatNotices<Message> | undefined
  private readonly log: Log
  private readonly running = new Map<string, Running>()
  private readonly seats = new Map<number, PoolSeat<Message>>()
  /** Per link, `distributor/0-ingester/1`: the end that `from` has, of the newest generation. */
  private readonly links = new Map<string, LinkEnd>()
  private readonly generations = new Map<string, number>()
  /** Counts of older generations, so that totals never go back. */
  private readonly past = new Map<string, { frames: number; stalls: number; wakes: number }>()

  constructor(
    specs: readonly LinkSpec[],
    main: MainEnds,
    notices: SeatNotices<Message> | undefined,
    log: Log,
  ) {
    this.specs = specs
    this.main = main
    this.notices = notices
    this.log = log
    this.running.set('main/0', { peer: { peer: 'main', index: 0 }, thread: undefined })
  }

  /** An actor runs (again): links it with all that run, and tells the pool. */
  up(peer: LinkPeer, thread: ActorThread): void {
    const entered: Running = { peer, thread }
    this.running.set(nameOf(peer), entered)
    for (const other of this.running.values()) {
      const spec = this.findSpec(entered.peer, other.peer)
      if (spec?.from === peer.peer) this.link(spec, entered, other)
      else if (spec !== undefined) this.link(spec, other, entered)
    }
    if (peer.peer === this.notices?.kind) {
      for (const seat of this.seats.values()) this.tell(seat, entered)
    }
  }

  /** An actor is gone. Its peers see their ports close. */
  down(peer: LinkPeer): void {
    this.running.delete(nameOf(peer))
    for (const [key, end] of this.links) {
      if (!key.split('-').includes(nameOf(peer))) continue
      this.keepCounts(key, end)
      this.links.delete(key)
      if (key.startsWith('main/')) {
        end.port.close()
        this.main.unlink(peer.peer, peer.index)
      }
    }
  }

  /** An end asks for a new generation (it met what it cannot know). */
  relink(one: LinkPeer, other: LinkPeer): void {
    const a = this.running.get(nameOf(one))
    const b = this.running.get(nameOf(other))
    const spec = this.findSpec(one, other)
    if (a === undefined || b === undefined || spec === undefined) return
    this.log.warn('link gets a new generation', { link: `${nameOf(one)}-${nameOf(other)}` })
    if (spec.from === one.peer) this.link(spec, a, b)
    else this.link(spec, b, a)
  }

  /** A pool thread sat down: gives it a port to every shard that runs. */
  seat(seat: PoolSeat<Message>): void {
    this.seats.set(seat.index, seat)
    for (const actor of this.running.values()) {
      if (actor.peer.peer === this.notices?.kind) this.tell(seat, actor)
    }
  }

  /** A pool thread is gone. */
  unseat(seat: PoolSeat<Message>): void {
    if (this.seats.get(seat.index) === seat) this.seats.delete(seat.index)
  }

  /** The links that stand, with their counts. */
  status(): LinkStatus[] {
    return [...this.links].map(([link, end]) => ({
      link,
      generation: end.generation,
      down: ringStats(end.outgoing),
      up: ringStats(end.incoming),
    }))
  }

  /** Frames, stalls and wakes of every link since the start, over all generations. */
  totals(): Map<string, { frames: number; stalls: number; wakes: number }> {
    const totals = new Map(this.past)
    for (const [key, end] of this.links) totals.set(key, this.countsWith(key, end))
    return totals
  }

  private link(spec: LinkSpec, from: Running, to: Running): void {
    const key = `${nameOf(from.peer)}-${nameOf(to.peer)}`
    const old = this.links.get(key)
    if (old !== undefined) this.keepCounts(key, old)
    const generation = (this.generations.get(key) ?? 0) + 1
    this.generations.set(key, generation)
    const [fromEnd, toEnd] = makeLink(from.peer, to.peer, { generation, ...spec })
    this.links.set(key, fromEnd)
    this.give(key, to, toEnd)
    if (from.thread !== undefined) this.give(key, from, fromEnd)
    else {
      if (old !== undefined) old.port.close()
      this.main.link(openLink(fromEnd))
    }
  }

  private give(link: string, to: Running, end: LinkEnd): void {
    // A thread that dies meanwhile gets a new link with its next life.
    to.thread?.link(end).catch((error: unknown) => {
      this.log.debug('link end was not taken', { link, err: String(error) })
    })
  }

  private tell(seat: PoolSeat<Message>, shard: Running): void {
    if (shard.thread === undefined || this.notices === undefined) return
    const port = shard.thread.open()
    seat.send(this.notices.notice(shard.peer.index, port), [port])
  }

  private findSpec(one: LinkPeer, other: LinkPeer): LinkSpec | undefined {
    return this.specs.find(
      ({ from, to }) =>
        (from === one.peer && to === other.peer) || (from === other.peer && to === one.peer),
    )
  }

  private keepCounts(key: string, end: LinkEnd): void {
    this.past.set(key, this.countsWith(key, end))
  }

  private countsWith(key: string, end: LinkEnd): { frames: number; stalls: number; wakes: number } {
    const past = this.past.get(key) ?? { frames: 0, stalls: 0, wakes: 0 }
    const down = ringStats(end.outgoing)
    const up = ringStats(end.incoming)
    return {
      frames: past.frames + down.frames + up.frames,
      stalls: past.stalls + down.stalls + up.stalls,
      wakes: past.wakes + down.wakes + up.wakes,
    }
  }
}

function nameOf(peer: LinkPeer): string {
  return `${peer.peer}/${peer.index}`
}
