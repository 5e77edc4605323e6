/** A test actor in the ingester's place: answers every frame with itself, and calls by what it took. */
import { type Link, runActor } from '../../../src/shared/actor/index.js'

export interface SinkBoot {
  readonly index: number
  readonly life: number
  readonly mode: 'normal' | 'crash-at-start' | 'replaying' | 'read-only' | 'hanging'
}

export interface SinkCalls {
  life(): number
}

runActor<SinkBoot>((env, boot) => {
  if (boot.mode === 'crash-at-start') throw new Error('sink will not start')
  const links = new Set<Link>()
  let taken = 0
  return {
    calls: { life: () => boot.life } satisfies SinkCalls,
    link: (link) => links.add(link),
    unlink: (link) => links.delete(link),
    turn() {
      let isBusy = false
      for (const { reader, writer } of links) {
        while (reader.next()) {
          while (boot.mode === 'hanging') taken++
          const offset = writer.reserve(reader.kind, reader.length)
          if (offset < 0) throw new Error('answers must have room')
          writer.data.set(
            reader.data.subarray(reader.offset, reader.offset + reader.length),
            offset,
          )
          writer.commit()
          taken++
          isBusy = true
        }
        reader.release()
      }
      return isBusy
    },
    status: () => ({
      readyPercent: boot.mode === 'replaying' ? 43.7 : 100,
      isServing: boot.mode !== 'read-only',
      details: { taken },
    }),
    drain: async () => {
      env.metrics.cell('cortex_ingester_ingested_samples_total', 'drained').add(1)
    },
  }
})
