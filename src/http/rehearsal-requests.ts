/**
 * The pushes of a rehearsal, as bytes of HTTP/1.1: remote write bodies of made-up series, a dozen labels
 * and one sample each, the same series in the same order in every scrape. They are made once; times and
 * values move on in place, which is why the samples are literals in the compressed bodies.
 */

import {
  type Limits,
  PRACTICE_DROPPED_LABEL,
  PRACTICE_TENANTS,
  type TenantLimits,
} from '../shared/limits/index.js'
import { compareUtf8 } from '../shared/model/labels.js'

/** Series of the bodies by turns: few, since it is by bodies that code gets hot. */
const SIZES = [20, 15, 25, 40, 10]
const SERIES_PER_TARGET = 40
const SCRAPE_MS = 15_000
/** So many of them between changes: a tenant comes to have as many series as its tables grow for. */
const SCRAPES_PER_CHANGE = 3
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

type Pair = readonly [name: string, value: string]

/** A made-up tenant, and what its limits have labels for. */
export interface PlayedTenant {
  readonly name: string
  /** A label that is dropped is among some series'. */
  readonly isRelabeled: boolean
  /** Names of the labels of cluster and replica, where pairs are looked for. */
  readonly ha: { readonly cluster: string; readonly replica: string } | undefined
}

/** Those of the rehearsal's beginning, and those that come later. @param limits of practice */
export function playedTenants(
  limits: Limits,
  isHaTrackerOn: boolean,
): readonly [readonly PlayedTenant[], readonly PlayedTenant[]] {
  const tenantOf = (name: string): PlayedTenant => {
    const row = limits.of(name)
    const isPaired = isHaTrackerOn && row.accept_ha_samples
    return { name, isRelabeled: dropsLabels(row), ha: isPaired ? haLabelsOf(row) : undefined }
  }
  const [soon, later] = PRACTICE_TENANTS
  return [soon.map(tenantOf), later.map(tenantOf)]
}

function dropsLabels({ drop_labels: dropped, metric_relabel_configs: rules }: TenantLimits) {
  return dropped.length > 0 || (Array.isArray(rules) && rules.length > 0)
}

/** None where they are longer than a request of this kind can say. */
function haLabelsOf(row: TenantLimits): PlayedTenant['ha'] {
  const { ha_cluster_label: cluster, ha_replica_label: replica } = row
  const bytes = Math.max(Buffer.byteLength(cluster), Buffer.byteLength(replica))
  return bytes > NAME_BYTES_MAX ? undefined : { cluster, replica }
}

/** What a request is made of. */
interface RequestPlan {
  readonly path: string
  readonly tenant: PlayedTenant
  /** Which of a pair sends it. */
  readonly sender: 'elected' | 'other' | 'alone'
  readonly first: number
  readonly count: number
  readonly startMs: number
}

/** The requests of one scrape after the other. */
export class RehearsalRequests {
  private readonly requests: Request[] = []
  private readonly plans: RequestPlan[] = []
  private readonly startMs: number
  private seriesCount: number
  private scrape = 0

  /**
   * @param path of the endpoint
   * @param tenants by turns: several, since what is made for one alone is made twice
   */
  constructor(path: string, series: number, startMs: number, tenants: readonly PlayedTenant[]) {
    this.startMs = startMs
    this.seriesCount = series
    const counts: number[] = []
    for (let left = series; left > 0; left -= counts.at(-1)!) {
      counts.push(Math.min(SIZES[counts.length % SIZES.length]!, left))
    }
    let first = 0
    for (const [i, count] of counts.entries()) {
      const tenant = tenants[i % tenants.length]!
      // The last ones, when each distributor has elected somebody.
      const isOther = counts.length - i <= tenants.length
      const isAlone = !isOther && counts.length - i <= 2 * tenants.length
      const sender = isOther ? 'other' : isAlone ? 'alone' : 'elected'
      const plan: RequestPlan = { path, tenant, sender, first, count, startMs }
      this.plans.push(plan)
      this.requests.push(requestOf(plan))
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

  /** Goes on to the next scrape; now and then one request's series make room for others, as targets do. */
  next(): void {
    this.scrape++
    if (this.scrape % SCRAPES_PER_CHANGE > 0) return
    const at = (this.scrape / SCRAPES_PER_CHANGE) % this.requests.length
    const plan = { ...this.plans[at]!, first: this.seriesCount }
    this.seriesCount += plan.count
    this.requests[at] = requestOf(plan)
  }
}

/** Constants, counters, and gauges with fractions. */
function valueAt(series: number, scrape: number): number {
  const kind = series % 3
  if (kind === 0) return series
  if (kind === 1) return series * 7 + scrape * (series % 11)
  return ((scrape * 37 + series * 11) % 1_000) / 7
}

function requestOf(plan: RequestPlan): Request {
  const { path, tenant, sender, first, count, startMs } = plan
  const packer = new Packer()
  for (let series = first; series < first + count; series++) {
    const time = varint(startMs)
    const sample = [VALUE, ...new Uint8Array(8), TIMESTAMP, ...time]
    const last = [SAMPLE, sample.length, ...sample]
    const labels = sorted([...labelsOf(series), ...labelsFor(tenant, sender, series)]).map(
      labelField,
    )
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
    `X-Scope-OrgID: ${tenant.name}`,
  ]
  const start = Buffer.from(`${head.join('\r\n')}\r\n\r\n`)
  const samples = packer.marks.map((at) => at + body.length - packer.length + start.length)
  return { bytes: Buffer.concat([start, body]), first, samples }
}

/** Copies of snappy with two bytes of offset (format_description.txt): at most so long, so far back. */
const COPY_BYTES_MAX = 64
const COPY_BACK_MAX = 65_535
const LITERAL_BYTES_MAX = 60
/** Of a name, so that label and name fit into a literal. */
const NAME_BYTES_MAX = 32

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

/** Labels that are looked for by limits. */
function labelsFor(tenant: PlayedTenant, sender: string, series: number): Pair[] {
  const { isRelabeled, ha } = tenant
  const labels: Pair[] = []
  // Some keep all that they have.
  if (isRelabeled && series % 4 > 0) labels.push([PRACTICE_DROPPED_LABEL, 'dropped'])
  if (ha !== undefined) labels.push([ha.cluster, 'rehearsal-one'])
  if (ha !== undefined && sender !== 'alone') labels.push([ha.replica, sender])
  return labels
}

/** By name; of one that comes twice the last. */
function sorted(labels: readonly Pair[]): Pair[] {
  return [...new Map(labels)].sort(([a], [b]) => compareUtf8(a, b))
}

function labelsOf(series: number): Pair[] {
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
    // Series of two kinds: one of a target has no interface.
    ...(place % 5 === 0 ? [] : [['interface', `eth${place % 2}`] as const]),
    ['job', 'rehearsal'],
    ['metrics_path', '/metrics/cadvisor'],
    ['namespace', `team-${target % 5}`],
    ['node', `pool-${target % 10}-node`],
    ['pod', `server-${target % 7}-${target}-abcde`],
  ]
}

/** A label as a field of a TimeSeries. */
function labelField([name, value]: Pair): Buffer {
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
