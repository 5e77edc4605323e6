/**
 * The pushes of a rehearsal, as bytes of HTTP/1.1: remote write bodies of made-up series, a dozen labels
 * and one sample each, the same series in the same order in every scrape. They are made once; times and
 * values move on in place, which is why the samples are literals in the compressed bodies.
 */

/** Series of the bodies by turns: few, since it is by bodies that code gets hot. */
const SIZES = [20, 15, 25, 40, 10]
const SERIES_PER_TARGET = 40
const SCRAPE_MS = 15_000
const SAMPLE = 18
const STRING = 10
const VALUE = 9
const TIMESTAMP = 16

/** A request whose samples can be changed. */
interface Request {
  readonly bytes: Buffer
  readonly first: number
  /** Where the values of its samples are; each is followed by a tag and the time. */
  readonly samples: readonly number[]
}

/** The requests of one scrape after the other. */
export class RehearsalRequests {
  private readonly requests: Request[] = []
  private readonly startMs: number
  private scrape = 0

  /**
   * @param path of the endpoint
   * @param tenants what the names of both begin with
   */
  constructor(path: string, series: number, startMs: number, tenants = 'rehearsal') {
    this.startMs = startMs
    for (let first = 0, i = 0; first < series; i++) {
      const count = Math.min(SIZES[i % SIZES.length]!, series - first)
      // Two tenants: what is made for one alone is made twice.
      this.requests.push(requestOf(path, `${tenants}-${i % 2}`, { first, count, startMs }))
      first += count
    }
  }

  /** Of a scrape. */
  get count(): number {
    return this.requests.length
  }

  /** A request of the present scrape; good until the next one. */
  at(index: number): Buffer {
    const { bytes, first, samples } = this.requests[index]!
    const time = this.startMs + this.scrape * SCRAPE_MS
    for (let i = 0; i < samples.length; i++) {
      const at = samples[i]!
      bytes.writeDoubleLE(valueAt(first + i, this.scrape), at)
      writeVarint(bytes, at + 9, time)
    }
    return bytes
  }

  /** Goes on to the next scrape. */
  next(): void {
    this.scrape++
  }
}

/** Constants, counters, and gauges with fractions. */
function valueAt(series: number, scrape: number): number {
  const kind = series % 3
  if (kind === 0) return series
  if (kind === 1) return series * 7 + scrape * (series % 11)
  return ((scrape * 37 + series * 11) % 1_000) / 7
}

function requestOf(
  path: string,
  tenant: string,
  { first, count, startMs }: { first: number; count: number; startMs: number },
): Request {
  const packer = new Packer()
  for (let series = first; series < first + count; series++) {
    const time = varint(startMs)
    const sample = [VALUE, ...new Uint8Array(8), TIMESTAMP, ...time]
    const last = [SAMPLE, sample.length, ...sample]
    const labels = labelsOf(series).map(labelField)
    const length = labels.reduce((sum, field) => sum + field.length, last.length)
    packer.add([STRING, ...varint(length)])
    for (const field of labels) packer.addAgain(field)
    packer.add(last)
    packer.mark(last.length - 3)
  }
  const body = packer.finish()
  const head = [
    `POST ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    'User-Agent: rehearsal',
    `Content-Length: ${body.length}`,
    'Content-Encoding: snappy',
    'Content-Type: application/x-protobuf',
    'X-Prometheus-Remote-Write-Version: 0.1.0',
    `X-Scope-OrgID: ${tenant}`,
  ]
  const start = Buffer.from(`${head.join('\r\n')}\r\n\r\n`)
  const samples = packer.marks.map((at) => at + body.length - packer.length + start.length)
  return { bytes: Buffer.concat([start, body]), first, samples }
}

/** Copies of snappy with two bytes of offset (format_description.txt): at most so long, so far back. */
const COPY_BYTES_MAX = 64
const COPY_BACK_MAX = 65_535
const LITERAL_BYTES_MAX = 60

/** Writes a snappy block: literals, and copies of what came before as a whole. */
class Packer {
  /** Places in the block without its head, noted by `mark`. */
  readonly marks: number[] = []
  private readonly packed: number[] = []
  private rawLength = 0
  /** Where it last came, by what it is. */
  private readonly places = new Map<string, number>()

  /** Of the block without its head. */
  get length(): number {
    return this.packed.length
  }

  /** Adds bytes as they are, at most 60. */
  add(bytes: readonly number[]): void {
    if (bytes.length > LITERAL_BYTES_MAX) throw new RangeError('a literal is too long')
    this.packed.push((bytes.length - 1) << 2, ...bytes)
    this.rawLength += bytes.length
  }

  /** Notes where the last so many bytes begin. */
  mark(bytes: number): void {
    this.marks.push(this.packed.length - bytes)
  }

  /** Adds what may have been added before: a copy then. */
  addAgain(bytes: Buffer): void {
    const key = bytes.toString('latin1')
    const back = this.rawLength - (this.places.get(key) ?? Number.NEGATIVE_INFINITY)
    this.places.set(key, this.rawLength)
    if (back > COPY_BACK_MAX || bytes.length > COPY_BYTES_MAX) {
      this.add([...bytes])
      return
    }
    this.packed.push(((bytes.length - 1) << 2) | 2, back & 255, back >> 8)
    this.rawLength += bytes.length
  }

  finish(): Buffer {
    return Buffer.from([...varint(this.rawLength), ...this.packed])
  }
}

function labelsOf(series: number): [string, string][] {
  const place = series % SERIES_PER_TARGET
  const target = Math.floor(series / SERIES_PER_TARGET)
  return [
    ['__name__', `rehearsal_of_kind_${place >> 1}_total`],
    ['cluster', 'rehearsal-one'],
    ['container', `server-${target % 7}`],
    ['endpoint', 'https-metrics'],
    ['id', `/slice/pod${(target * 2_654_435_761) % 4_294_967_296}/container`],
    ['image', `registry.example.org/server:v1.${target % 9}`],
    ['instance', `10.0.${target % 250}.17:10250`],
    ['interface', `eth${place % 2}`],
    ['job', 'rehearsal'],
    ['metrics_path', '/metrics/cadvisor'],
    ['namespace', `team-${target % 5}`],
    ['node', `pool-${target % 10}-node`],
    ['pod', `server-${target % 7}-${target}-abcde`],
  ]
}

/** A label as a field of a TimeSeries. */
function labelField([name, value]: [string, string]): Buffer {
  const [a, b] = [Buffer.from(name), Buffer.from(value)]
  const fields = [STRING, a.length, ...a, STRING + 8, b.length, ...b]
  return Buffer.from([STRING, fields.length, ...fields])
}

function varint(value: number): number[] {
  const bytes: number[] = []
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return [...bytes, left]
    bytes.push((left % 128) + 128)
  }
}

function writeVarint(into: Buffer, at: number, value: number): void {
  let end = at
  for (let left = value; ; left = Math.floor(left / 128)) {
    into[end++] = left < 128 ? left : (left % 128) + 128
    if (left < 128) return
  }
}
