/**
 * A test actor in the distributor's place: passes each frame from main on to a sink (kind modulo
 * sinks), passes the sink's answer back, and answers LOST for what a sink that is gone had.
 */
import { connect, type Link, runActor } from '../../../src/shared/actor/index.js'
import type { SinkCalls } from './sink-thread.js'

export const DONE = 1
export const LOST = 2

runActor<{ sinks: number }>((_env, boot, host) => {
  let main: Link | undefined
  const sinks: (Link | undefined)[] = Array(boot.sinks).fill(undefined)
  const inFlight: Set<number>[] = sinks.map(() => new Set())
  const answer = (id: number, status: number): void => {
    if (main === undefined || !inFlight.some((ids) => ids.delete(id))) return
    const offset = main.writer.reserve(status, 4)
    if (offset < 0) throw new Error('answers must have room')
    new DataView(main.writer.data.buffer, main.writer.data.byteOffset).setUint32(offset, id)
    main.writer.commit()
  }
  const lose = (index: number): void => {
    sinks[index] = undefined
    for (const id of [...inFlight[index]!]) answer(id, LOST)
  }
  return {
    link(link) {
      if (link.peer === 'main') main = link
      else {
        lose(link.index)
        sinks[link.index] = link
      }
    },
    unlink(link) {
      if (link.peer === 'sink') lose(link.index)
    },
    calls: {
      relink: (index: number) => host.relink('sink', index),
      /** Calls another actor, or main. */
      ask: (peer: string): Promise<unknown> => {
        const port = host.open(peer, 0)
        return connect<SinkCalls>(port, { actor: peer, deadlineMs: 10_000 }).life()
      },
    },
    turn() {
      let isBusy = false
      for (const sink of sinks) {
        while (sink?.reader.next()) {
          answer(idAt(sink), DONE)
          isBusy = true
        }
        sink?.reader.release()
      }
      if (main?.reader.next()) {
        isBusy = true
        const id = idAt(main)
        const index = id % boot.sinks
        const sink = sinks[index]
        inFlight[index]!.add(id)
        const offset = sink?.writer.reserve(1, 4) ?? -1
        if (sink === undefined || offset < 0) answer(id, LOST)
        else {
          view(sink.writer.data).setUint32(offset, id)
          sink.writer.commit()
        }
        main.reader.release()
      }
      return isBusy
    },
    drain: async () => {},
  }
})

function idAt(link: Link): number {
  return view(link.reader.data).getUint32(link.reader.offset)
}

function view(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset)
}
