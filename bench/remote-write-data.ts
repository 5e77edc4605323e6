/**
 * Remote write bodies as Prometheus sends them: 13 labels and some 420 label bytes a series, one
 * sample each, 2,000 series a body; the same series in the same order in every scrape.
 */
import { compressSync } from 'snappy'

const SERIES_PER_BODY = 2_000
const SCRAPE_MS = 15_000

/** One scrape: its bodies, compressed. */
export interface Scrape {
  readonly bodies: Uint8Array[]
  readonly rawBytes: number
}

/** Makes the bodies of a scrape, of remote write 1.0 or 2.0. */
export function scrapeOf(
  series: number,
  scrape: number,
  now: number,
  makeBody: (from: number, to: number, time: number) => Buffer = bodyOf,
): Scrape {
  const bodies: Uint8Array[] = []
  let rawBytes = 0
  for (let from = 0; from < series; from += SERIES_PER_BODY) {
    const raw = makeBody(from, Math.min(series, from + SERIES_PER_BODY), now + scrape * SCRAPE_MS)
    rawBytes += raw.length
    bodies.push(compressSync(raw))
  }
  return { bodies, rawBytes }
}

/** The uncompressed bodies of a scrape, to be moved on in time with `moveTo`. */
export interface RawScrape {
  readonly bodies: readonly {
    readonly raw: Buffer
    readonly from: number
    readonly ends: Uint32Array
  }[]
}

/** Makes a scrape whose times and values are then replaced in place: far quicker than a new one. */
export function rawScrapeOf(series: number, time: number): RawScrape {
  const bodies: { raw: Buffer; from: number; ends: Uint32Array }[] = []
  for (let from = 0; from < series; from += SERIES_PER_BODY) {
    const to = Math.min(series, from + SERIES_PER_BODY)
    const ends: number[] = []
    bodies.push({ raw: bodyOf(from, to, time, ends), from, ends: Uint32Array.from(ends) })
  }
  return { bodies }
}

/** Gives all samples of a raw body another time, whose varint is as long, and their values at it. */
export function moveTo(body: RawScrape['bodies'][number], time: number): Uint8Array {
  const stamp = varint(time)
  for (const [i, end] of body.ends.entries()) {
    stamp.copy(body.raw, end - stamp.length)
    body.raw.writeDoubleLE(valueAt(body.from + i, time), end - stamp.length - 9)
  }
  return compressSync(body.raw)
}

/** The value of a series at a time in ms. */
export function valueAt(index: number, time: number): number {
  return index * 7 + time / 1_000
}

function bodyOf(from: number, to: number, time: number, ends: number[] = []): Buffer {
  const parts: Buffer[] = []
  let bytes = 0
  for (let index = from; index < to; index++) {
    const labels = labelsOf(index).map(([name, value]) =>
      field(10, Buffer.concat([field(10, Buffer.from(name)), field(18, Buffer.from(value))])),
    )
    const fields = [...labels, sampleField(time, valueAt(index, time))]
    const series = field(10, Buffer.concat(fields))
    parts.push(series)
    bytes += series.length
    ends.push(bytes)
  }
  return Buffer.concat(parts)
}

/** The same series as remote write 2.0: symbols numbered as they come, the metadata with each series. */
export function bodyV2Of(from: number, to: number, time: number): Buffer {
  const symbols = new Map([['', 0]])
  const refOf = (text: string): Buffer => {
    const known = symbols.get(text)
    if (known === undefined) symbols.set(text, symbols.size)
    return varint(known ?? symbols.size - 1)
  }
  const series: Buffer[] = []
  for (let index = from; index < to; index++) {
    const labels = labelsOf(index)
    const refs = field(10, Buffer.concat(labels.flat().map(refOf)))
    const help = refOf(`Packets of kind ${index % 40} that were dropped.`)
    const metadata = field(42, Buffer.concat([Buffer.from([8, 1, 24]), help]))
    const sample = sampleField(time, valueAt(index, time))
    series.push(field(42, Buffer.concat([refs, sample, metadata])))
  }
  const texts = [...symbols.keys()].map((text) => field(34, Buffer.from(text)))
  return Buffer.concat([...texts, ...series])
}

function labelsOf(index: number): [string, string][] {
  const pod = Math.floor(index / 40)
  return [
    ['__name__', `container_network_receive_packets_dropped_${index % 40}_total`],
    ['cluster', 'production-europe-west1'],
    ['container', `application-server-${pod % 17}`],
    ['endpoint', 'https-metrics'],
    ['id', `/kubepods/burstable/pod${(pod * 2_654_435_761) % 4_294_967_296}/container`],
    ['image', `registry.example.org/team/application:v1.${pod % 9}.2`],
    ['instance', `10.${pod % 250}.${(pod >> 3) % 250}.17:10250`],
    ['interface', `eth${index % 2}`],
    ['job', 'kubelet'],
    ['metrics_path', '/metrics/cadvisor'],
    ['namespace', `team-${pod % 31}`],
    ['node', `gke-production-pool-${pod % 100}-node`],
    ['pod', `application-server-${pod % 17}-${pod}-abcde`],
  ]
}

function sampleField(time: number, value: number): Buffer {
  const number = Buffer.alloc(8)
  number.writeDoubleLE(value)
  return field(18, Buffer.concat([Buffer.from([9]), number, Buffer.from([16]), varint(time)]))
}

function field(tag: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tag]), varint(bytes.length), bytes])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  while (value >= 128) {
    bytes.push((value % 128) + 128)
    value = Math.floor(value / 128)
  }
  bytes.push(value)
  return Buffer.from(bytes)
}
