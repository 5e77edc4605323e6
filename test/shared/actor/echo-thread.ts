/** A small actor for the runtime's tests: echoes frames, and fails in every way on demand. */
import { type Link, runActor } from '../../../src/shared/actor/index.js'

export interface EchoBoot {
  readonly mode: 'normal' | 'fail-at-start'
}

export interface EchoCalls {
  greet(name: string): string
  never(): Promise<void>
  throwLater(): void
  spin(): void
  exit(code: number): void
  relink(): void
  oversize(): string[]
}

runActor<EchoBoot>((env, boot, host) => {
  if (boot.mode === 'fail-at-start') throw new Error('will not start')
  const links = new Map<string, Link>()
  const oversize: string[] = []
  let shallThrow = false
  const calls: EchoCalls = {
    greet: (name) => `hello ${name}`,
    never: () => new Promise(() => {}),
    throwLater: () => {
      shallThrow = true
      host.poke()
    },
    spin: () => {
      for (;;);
    },
    exit: (code) => process.exit(code),
    relink: () => host.relink('main', 0),
    oversize: () => oversize,
  }
  env.metrics.cell('nilo_actor_restarts_total', 'echo').add(1)
  return {
    calls,
    turn() {
      if (shallThrow) throw new Error('thrown in a turn')
      let isBusy = false
      for (const link of links.values()) isBusy = echo(link) || isBusy
      return isBusy
    },
    link: (link) => links.set(`${link.peer}/${link.index}`, link),
    receive: (link, message) =>
      oversize.push(`${link.peer}/${link.index}: ${(message as Uint8Array).length}`),
    status: () => ({ readyPercent: 100, isServing: true, details: { links: links.size } }),
    drain: () => env.timers.sleep(1),
  }
})

function echo(link: Link): boolean {
  const { reader, writer } = link
  if (!reader.next()) return false
  const offset = writer.reserve(reader.kind, reader.length)
  if (offset < 0) throw new Error('the answers must have room')
  writer.data.set(reader.data.subarray(reader.offset, reader.offset + reader.length), offset)
  reader.release()
  writer.commit()
  return true
}
