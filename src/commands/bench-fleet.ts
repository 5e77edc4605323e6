/**
 * The made-up fleet of `nilo bench`: pods with forty series each, thirteen labels a series, cut into
 * requests of 2,000 samples at most that belong to one tenant each. Part of the pods come back under
 * a new name after a while.
 */
import { type Labels, labelsOf } from '../shared/model/labels.js'
import { RequestTemplate, type WriteProtocol } from '../shared/wire/remote-write/index.js'

/** What the fleet is like. */
export interface FleetOptions {
  readonly series: number
  readonly churnPercent: number
  readonly churnEveryMs: number
  readonly tenants: number
  /** '' : the header is not sent. */
  readonly tenant: string
  readonly protocol: WriteProtocol
}

/** Prometheus' `max_samples_per_send`. */
const SERIES_PER_REQUEST = 2_000
const SERIES_PER_POD = 40

interface Request {
  readonly tenant: string
  readonly from: number
  readonly count: number
  template: RequestTemplate
  generation: number
  time: number
}

/** Makes the requests of the fleet. */
export class BenchFleet {
  private readonly options: FleetOptions
  private readonly requests: Request[] = []
  private bornMs: number | undefined

  constructor(options: FleetOptions) {
    this.options = options
    const { series, tenants } = options
    for (let tenant = 0; tenant < tenants; tenant++) {
      const end = Math.floor(((tenant + 1) * series) / tenants)
      let from = Math.floor((tenant * series) / tenants)
      for (; from < end; from += SERIES_PER_REQUEST) {
        const count = Math.min(SERIES_PER_REQUEST, end - from)
        const template = this.templateOf(from, count, 0)
        const name = tenants === 1 ? options.tenant : `${options.tenant}${tenant + 1}`
        this.requests.push({ tenant: name, from, count, template, generation: 0, time: 0 })
      }
    }
  }

  /** Requests that hold each series once. */
  requestCount(): number {
    return this.requests.length
  }

  samplesOf(index: number): number {
    return this.requests[index]!.count
  }

  /** A request's tenant and compressed body, its samples stamped with a time later than the last. */
  request(index: number, nowMs: number): { tenant: string; body: Uint8Array } {
    const request = this.requests[index]!
    this.bornMs ??= nowMs
    const generation = Math.floor((nowMs - this.bornMs) / this.options.churnEveryMs)
    if (generation !== request.generation && this.options.churnPercent > 0) {
      request.generation = generation
      request.template = this.templateOf(request.from, request.count, generation)
    }
    request.time = Math.max(nowMs, request.time + 1)
    const { from, time, template, tenant } = request
    return { tenant, body: template.fill(time, (place) => valueAt(from + place, time)) }
  }

  private templateOf(from: number, count: number, generation: number): RequestTemplate {
    const labels: Labels[] = []
    for (let index = from; index < from + count; index++) {
      const pod = Math.floor(index / SERIES_PER_POD)
      const isChurning = (pod * 37) % 100 < this.options.churnPercent
      labels.push(seriesAt(index, pod, isChurning ? generation : 0))
    }
    return new RequestTemplate(labels, this.options.protocol)
  }
}

/** Counters of different pace, with fractions in one of four. */
function valueAt(index: number, time: number): number {
  const pace = 1 + (index % 97)
  const value = Math.floor((time / 1_000) * pace)
  return index % 4 === 0 ? value + (index % 8) / 8 : value
}

function seriesAt(index: number, pod: number, generation: number): Labels {
  const service = pod % 23
  return labelsOf({
    __name__: `bench_${index % SERIES_PER_POD}_requests_handled_total`,
    app_kubernetes_io_name: `service-${service}`,
    app_kubernetes_io_part_of: service % 2 === 0 ? 'shop' : 'payments',
    availability_zone: `europe-west1-${'bcd'[pod % 3]}`,
    cluster: 'production-europe-west1',
    container: `service-${service}`,
    instance: `10.${(pod >> 14) & 255}.${(pod >> 6) & 255}.${pod & 63}:8080`,
    job: `bench/service-${service}`,
    namespace: `team-${pod % 17}`,
    path: `/api/v1/resources-${index % SERIES_PER_POD}`,
    node: `ip-10-0-${(pod >> 4) & 255}-${pod & 15}.europe-west1.compute.internal`,
    pod: `service-${service}-${(0x9e3779b1 ^ (pod * 2_654_435_761)) >>> 0}-${pod}-${generation}`,
    status: ['200', '404', '500', '503'][index % 4]!,
  })
}
