/**
 * One sender of the soak. Pushes in order, one at a time; when a push does not get its 2xx, half of
 * the time it sends the very same again until it does (as Prometheus would), and otherwise gives it
 * up, after which its samples may be there or not.
 */
import { remoteWriteBody, sendBody } from '../../../test/support/remote-write.js'
import { mix, type Stream, seriesOfPush, tenantOf } from './workload.js'

/** What became of a push. */
export type Fate = 'acked' | 'open'

/** Where to push now; waits while no server runs. */
export interface Target {
  pushUrl(): Promise<string>
}

/** Milliseconds between pushes, and before a push is sent again. */
const PAUSE_MS = 2
const RETRY_MS = 25

export class Writer {
  readonly stream: Stream
  /** Fate of every push so far, by its number. */
  readonly fates: Fate[] = []
  /** Answers that a correct server does not give to these pushes. */
  readonly complaints: string[] = []
  /** Pushes that were sent more than once. */
  resent = 0
  /** Answers other than 2xx. */
  refused = 0
  /** The last of them. */
  refusal = ''
  private readonly target: Target
  private isStopping = false

  constructor(stream: Stream, target: Target) {
    this.stream = stream
    this.target = target
  }

  /** Pushes until told to stop. */
  async run(): Promise<void> {
    while (!this.isStopping) {
      const push = this.fates.length
      const body = remoteWriteBody(seriesOfPush(this.stream, push))
      const mayGiveUp = mix(this.stream.seed, this.stream.writer, push, 7) % 2 === 0
      this.fates.push('open')
      if (await this.send(body, mayGiveUp)) this.fates[push] = 'acked'
      await sleep(PAUSE_MS)
    }
  }

  /** The push in hand is the last one. */
  stop(): void {
    this.isStopping = true
  }

  private async send(body: Uint8Array, mayGiveUp: boolean): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      const url = await this.target.pushUrl()
      const { status, text } = await sendBody(url, body, tenantOf(this.stream.writer))
      if (status >= 200 && status < 300) return true
      this.refused += 1
      this.refusal = `${status} ${text}`
      if (status >= 400 && status < 500) this.complaints.push(`${status} ${text}`)
      if (mayGiveUp || this.isStopping || (status >= 400 && status < 500)) return false
      if (tries === 1) this.resent += 1
      await sleep(RETRY_MS)
    }
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
