/** The reading thread of threads.test.ts: sums what it reads, sleeps on the doorbell when idle. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { Doorbell, RingReader } from '../../../src/shared/ringbuf/index.js'

const { buffer, port, count } = workerData as {
  buffer: SharedArrayBuffer
  port: MessagePort
  count: number
}
const reader = new RingReader(buffer)
const doorbell = new Doorbell()
doorbell.add(reader, port)
let taken = 0
let sum = 0
while (taken < count) {
  while (reader.next()) {
    let bytes = 0
    for (let at = 0; at < reader.length; at++) bytes += reader.data[reader.offset + at]!
    sum = (sum + bytes + reader.kind) | 0
    assertKind(reader.kind, taken++)
  }
  reader.release()
  if (taken < count) await doorbell.wait()
}
port.close()
parentPort?.postMessage(sum)

function assertKind(kind: number, expected: number): void {
  if (kind !== expected) throw new Error(`frame ${kind} where ${expected} was due`)
}
