/** Where senders and askers of a soak find the server that runs now. */
import type { Nilo } from '../../../test/support/nilo.js'
import type { Target } from './writer.js'

const PARK_MS_MAX = 60_000

/** The server that runs now; who wants it waits here while there is none. */
export class ServerSlot implements Target {
  private current: Nilo | undefined
  private waiting: ((server: Nilo) => void)[] = []

  set(server: Nilo): void {
    this.current = server
    for (const go of this.waiting.splice(0)) go(server)
  }

  clear(): void {
    this.current = undefined
  }

  /** Settles when so many wait. */
  async allWait(count: number): Promise<void> {
    const until = performance.now() + PARK_MS_MAX
    while (this.waiting.length < count) {
      if (performance.now() > until) throw new Error('a push was not answered for a minute')
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async pushUrl(): Promise<string> {
    return (await this.server()).pushUrl
  }

  async queryUrl(): Promise<string> {
    return (await this.server()).queryUrl
  }

  private async server(): Promise<Nilo> {
    return this.current ?? (await new Promise<Nilo>((go) => this.waiting.push(go)))
  }
}
