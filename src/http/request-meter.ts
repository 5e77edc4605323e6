/**
 * Counts and logs requests: `cortex_request_duration_seconds`, `cortex_inflight_requests` with
 * Mimir's labels, and a log line per request at debug level.
 */
import type { Env } from '../shared/env/index.js'
import type { Cell, HistogramCell } from '../shared/telemetry/index.js'

/** Methods that get a label value of their own; anything else would let clients make series. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'POST', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** The cells of one method and route. */
interface RouteCells {
  inflight: number
  readonly inflightCell: Cell
  /** By status. */
  readonly durations: Map<number, HistogramCell>
}

/** Counts requests by method, route and status, and times them. */
export class RequestMeter {
  private readonly env: Env
  /** By route, then by method. */
  private readonly routes = new Map<string, Map<string, RouteCells>>()

  constructor(env: Env) {
    this.env = env
  }

  /** A request has come; the returned function is called once, when its answer is out or lost. */
  begin(method: string, route: string): (status: number, isWhole: boolean) => void {
    const label = METHODS.has(method) ? method : 'other'
    const cells = this.cellsOf(label, route)
    const start = this.env.clock.monotonic()
    cells.inflightCell.set(++cells.inflight)
    return (status, isWhole) => {
      const tookMs = this.env.clock.monotonic() - start
      cells.inflightCell.set(--cells.inflight)
      // 499 as Mimir has it: the client went away before the answer was out.
      const code = isWhole ? status : 499
      let duration = cells.durations.get(code)
      if (duration === undefined) {
        const name = 'cortex_request_duration_seconds'
        duration = this.env.metrics.histogram(name, label, route, String(code), 'false')
        cells.durations.set(code, duration)
      }
      duration.observe(tookMs / 1000)
      this.env.log.debug('request', { method, route, status: code, took_ms: Math.round(tookMs) })
    }
  }

  private cellsOf(method: string, route: string): RouteCells {
    // Two maps: for one the key would be made, and hashed, for each request.
    let methods = this.routes.get(route)
    if (methods === undefined) {
      methods = new Map()
      this.routes.set(route, methods)
    }
    const known = methods.get(method)
    if (known !== undefined) return known
    const inflightCell = this.env.metrics.cell('cortex_inflight_requests', method, route)
    const cells = { inflight: 0, inflightCell, durations: new Map() }
    methods.set(method, cells)
    return cells
  }
}
