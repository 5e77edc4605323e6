/** One sender of the soak over blocks: each push is sent until it gets its 2xx, then comes the next. */
import { remoteWriteBody, sendBody } from '../../../../test/support/remote-write.js'
import type { Target } from '../writer.js'
import { Deletions } from './deletions.js'
import { type BlocksStream, firstStepOf, seriesOfPush, tenantOf, timeOf } from './workload.js'

const RETRY_MS = 50
/** Data stay so far behind the clock. */
const BEHIND_MS = 7_200_000

/** How fast a sender goes. */
export interface WriterPace {
  /** Between two pushes, ms. */
  readonly pauseMs: number
  /** Whether the server has more on its hands than it should get: then senders wait. */
  isBehind(): boolean
}

/** Writes one stream. */
export class BlocksWriter {
  readonly stream: BlocksStream
  /** Pushes that were answered; the next one may be on its way. */
  acked = 0
  /** Pushes that were begun. */
  begun = 0
  /** Answers that a correct server does not give. */
  readonly complaints: string[] = []
  readonly deletions: Deletions
  private readonly target: Target
  private readonly pace: WriterPace
  private isStopping = false

  constructor(stream: BlocksStream, target: Target, pace: WriterPace) {
    this.stream = stream
    this.deletions = new Deletions(stream)
    this.target = target
    this.pace = pace
  }

  /** Pushes until told to stop, or until the data have come up to the clock. */
  async run(): Promise<void> {
    this.isStopping = false
    while (!this.isStopping) {
      const push = this.acked
      if (timeOf(this.stream, firstStepOf(push + 1)) > Date.now() - BEHIND_MS) return
      const body = remoteWriteBody(seriesOfPush(this.stream, push))
      this.begun = push + 1
      await this.send(body)
      this.acked = push + 1
      await sleep(this.pace.pauseMs)
      while (this.pace.isBehind() && !this.isStopping) await sleep(RETRY_MS)
    }
  }

  /** The push in hand is the last one. */
  stop(): void {
    this.isStopping = true
  }

  private async send(body: Uint8Array): Promise<void> {
    for (;;) {
      const url = await this.target.pushUrl()
      const { status, text } = await sendBody(url, body, tenantOf(this.stream))
      if (status >= 200 && status < 300) return
      if (status >= 400 && status < 500 && status !== 429) {
        if (this.complaints.length < 5)
          this.complaints.push(`push ${this.acked}: ${status} ${text}`)
      }
      await sleep(RETRY_MS)
    }
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
