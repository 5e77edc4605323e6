/** The heads of answers that are written past Node's server, with the headers that it would send. */
import { STATUS_CODES } from 'node:http'
import type { Clock } from '../shared/env/index.js'
import type { Reply } from './handler.js'

const DONE: Reply = { status: 200 }

/** Makes heads. */
export class AnswerHeads {
  private readonly clock: Clock
  private readonly keepAlive: string
  /** Of the answers' Date, and how it reads. */
  private second = -1
  private dateText = ''
  /** The answer to what went well, when there is nothing to say; '' before its first use in this second. */
  private doneText = ''

  /** @param idleMs how long a connection is kept on which nothing goes on */
  constructor(clock: Clock, idleMs: number) {
    this.clock = clock
    const seconds = Math.floor(idleMs / 1000)
    this.keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${seconds}\r\n`
  }

  /** The start of an answer: what frames its body, and the empty line, are still to come. */
  start({ status, headers }: Reply, isLast: boolean): string {
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nDate: ${this.date()}\r\n`
    for (const name in headers) head += `${name}: ${headers[name]}\r\n`
    return head + (isLast ? 'Connection: close\r\n' : this.keepAlive)
  }

  /** A whole answer: 200, without headers of its own and without a body. */
  done(): string {
    this.date()
    if (this.doneText === '') this.doneText = `${this.start(DONE, false)}content-length: 0\r\n\r\n`
    return this.doneText
  }

  private date(): string {
    const second = Math.floor(this.clock.now() / 1000)
    if (second !== this.second) {
      this.second = second
      this.doneText = ''
      this.dateText = new Date(second * 1000).toUTCString()
    }
    return this.dateText
  }
}
