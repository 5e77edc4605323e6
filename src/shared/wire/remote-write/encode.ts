/**
 * Writes remote write 1.0 requests in pieces of whole series, for what comes in as text: everything
 * after is then that of a push. Texts are byte strings, one character per byte.
 */
import { fail } from '../../errors/index.js'

/** Bytes of a piece; one more series comes on top. */
const PIECE_BYTES = 4 << 20
/** Samples and metadata records of a request: short lines would make tens of millions of one body. */
const ITEMS_MAX = 2_000_000
/** A series' labels at most; no limit of a tenant allows nearly so many. */
const SERIES_BYTES_MAX = 1 << 20

/** A request in pieces, and how many samples and metadata records it has. */
export interface Written {
  readonly pieces: readonly Uint8Array[]
  readonly items: number
}

/** A request as it is written. */
export class RequestEncoder {
  private readonly pieces: Uint8Array[] = []
  private readonly bytesMax: number
  private data = Buffer.allocUnsafe(256 << 10)
  private at = 0
  private cutBytes = 0
  private items = 0

  /** @param bytesMax of the request: a line of many fields may be far longer when written out */
  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  /**
   * Adds a series of one sample. `labels` are names and values by turns.
   *
   * @throws AppError `bad-data` when its labels are absurdly long, or the request becomes too large or long
   */
  sample(labels: readonly string[], timeMs: number, value: number): void {
    let inner = SAMPLE_BYTES
    for (let i = 0; i < labels.length; i += 2) {
      const label = labelBytes(labels[i]!, labels[i + 1]!)
      inner += 1 + varintBytes(label) + label
    }
    if (inner > SERIES_BYTES_MAX)
      throw fail('bad-data', { text: 'a series of over 1 MiB of labels' })
    this.room(inner + 8)
    this.countItem()
    this.tag(10, inner)
    for (let i = 0; i < labels.length; i += 2) {
      this.tag(10, labelBytes(labels[i]!, labels[i + 1]!))
      this.text(10, labels[i]!)
      this.text(18, labels[i + 1]!)
    }
    this.tag(18, SAMPLE_BYTES - 2)
    this.data[this.at++] = 9
    this.at = this.data.writeDoubleLE(value, this.at)
    this.data[this.at++] = 16
    this.time(timeMs)
  }

  /** Adds a metadata record; `type` by number. */
  metadata(type: number, metric: string, help: string): void {
    const inner = 2 + textBytes(metric) + textBytes(help)
    if (inner > SERIES_BYTES_MAX) return
    this.room(inner + 8)
    this.countItem()
    this.tag(26, inner)
    this.data[this.at++] = 8
    this.data[this.at++] = type
    this.text(18, metric)
    this.text(34, help)
  }

  /** The request; nothing may be added after it. */
  take(): Written {
    this.cut()
    return { pieces: this.pieces, items: this.items }
  }

  private countItem(): void {
    if (++this.items <= ITEMS_MAX) return
    throw fail('bad-data', { text: `over ${ITEMS_MAX} samples in one body: send it in parts` })
  }

  private text(tag: number, text: string): void {
    this.tag(tag, text.length)
    this.at += this.data.write(text, this.at, 'latin1')
  }

  /** A time always takes ten bytes, so that a sample's length is known: int64, sign and all. */
  private time(timeMs: number): void {
    const whole = Math.trunc(timeMs)
    const high = Math.floor(whole / 2 ** 32)
    let low = whole - high * 2 ** 32
    let rest = high >>> 0
    for (let i = 0; i < 9; i++) {
      this.data[this.at++] = (low & 127) | 128
      low = ((low >>> 7) | (rest << 25)) >>> 0
      rest >>>= 7
    }
    this.data[this.at++] = low & 1
  }

  private tag(tag: number, length: number): void {
    this.data[this.at++] = tag
    let rest = length
    for (; rest > 127; rest >>>= 7) this.data[this.at++] = (rest & 127) | 128
    this.data[this.at++] = rest
  }

  private room(bytes: number): void {
    if (this.at >= PIECE_BYTES) this.cut()
    if (this.at + bytes <= this.data.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.data.length * 2, this.at + bytes))
    this.data.copy(larger, 0, 0, this.at)
    this.data = larger
  }

  private cut(): void {
    if (this.at === 0) return
    this.cutBytes += this.at
    if (this.cutBytes > this.bytesMax) {
      throw fail('bad-data', { text: `over ${this.bytesMax} bytes once written out as series` })
    }
    this.pieces.push(Uint8Array.from(this.data.subarray(0, this.at)))
    this.at = 0
  }
}

/** A sample field: tag, length, value, time. */
const SAMPLE_BYTES = 2 + 9 + 11

function labelBytes(name: string, value: string): number {
  return textBytes(name) + textBytes(value)
}

function textBytes(text: string): number {
  return 1 + varintBytes(text.length) + text.length
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest > 127; rest >>>= 7) bytes++
  return bytes
}
