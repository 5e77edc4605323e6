/**
 * Remote write bodies that are sent again and again with other times and values, as a sender's are:
 * encoded once, then two fields per sample are written over and the whole is compressed. Message 1.0
 * is `prometheus.WriteRequest`, 2.0 `io.prometheus.write.v2.Request`. For `nilo bench`.
 */
import type { Label, Labels } from '../../model/labels.js'
import { loadSnappy } from '../compression/index.js'

/** Which message. */
export type WriteProtocol = '1.0' | '2.0'

/** Bytes of a time's varint: fixed, so that it can be written over; good from 1971 to the year 2109. */
const TIME_BYTES = 6
/** A sample message: value f64 (field 1), time (field 2). */
const SAMPLE_BYTES = 9 + 1 + TIME_BYTES

/** A body with one sample of each of its series. */
export class RequestTemplate {
  readonly series: number
  private readonly raw: Buffer
  /** [series] where the value of each series' sample stands. */
  private readonly valueAt: Uint32Array

  /** @param labels of the series, each sorted by name */
  constructor(labels: readonly Labels[], protocol: WriteProtocol) {
    const { parts, ends } = protocol === '1.0' ? encodeV1(labels) : encodeV2(labels)
    this.raw = Buffer.concat(parts)
    this.series = labels.length
    this.valueAt = Uint32Array.from(ends, (end) => end - SAMPLE_BYTES + 1)
  }

  /**
   * The body, compressed, of one time.
   * @param value of a series, by its place
   */
  fill(time: number, value: (index: number) => number): Uint8Array {
    const raw = this.raw
    const low = time % 2 ** 28
    const high = Math.floor(time / 2 ** 28)
    for (let i = 0; i < this.valueAt.length; i++) {
      const at = this.valueAt[i]!
      raw.writeDoubleLE(value(i), at)
      const to = at + 9
      for (let byte = 0; byte < 4; byte++) raw[to + byte] = ((low >>> (7 * byte)) & 127) | 128
      raw[to + 4] = (high & 127) | 128
      raw[to + 5] = (high >>> 7) & 127
    }
    return loadSnappy().compressSync(raw)
  }
}

/** Parts of a message, and where each series' sample ends in the whole. */
interface Encoded {
  readonly parts: Buffer[]
  readonly ends: number[]
}

function encodeV1(labels: readonly Labels[]): Encoded {
  const parts = labels.map((set) => {
    const fields = set.map(({ name, value }) => {
      return field(1, Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.from(value))]))
    })
    return field(1, Buffer.concat([...fields, field(2, emptySample())]))
  })
  return { parts, ends: endsOf(parts, 0) }
}

function encodeV2(labels: readonly Labels[]): Encoded {
  const symbols = new Map<string, number>([['', 0]])
  const refOf = (text: string): Buffer => {
    const known = symbols.get(text) ?? symbols.size
    symbols.set(text, known)
    return varint(known)
  }
  const series = labels.map((set) => {
    const refs = set.flatMap(({ name, value }: Label) => [refOf(name), refOf(value)])
    return field(5, Buffer.concat([field(1, Buffer.concat(refs)), field(2, emptySample())]))
  })
  const texts = [...symbols.keys()].map((text) => field(4, Buffer.from(text)))
  const start = texts.reduce((sum, part) => sum + part.length, 0)
  return { parts: [...texts, ...series], ends: endsOf(series, start) }
}

function endsOf(parts: readonly Buffer[], start: number): number[] {
  let end = start
  return parts.map((part) => {
    end += part.length
    return end
  })
}

function emptySample(): Buffer {
  const sample = Buffer.alloc(SAMPLE_BYTES)
  sample[0] = 9
  sample[9] = 16
  return sample
}

function field(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128)
  return Buffer.from([...bytes, rest])
}
