/** The query side of a shard: selections in slices, so that frames are taken in between. */
import type { Env } from '../../shared/env/index.js'
import { fail } from '../../shared/errors/index.js'
import type { Labels } from '../../shared/model/labels.js'
import {
  decodeLabels,
  type Head,
  labelNamesSteps,
  labelValuesSteps,
  matchAnySteps,
  selectSteps,
  seriesSteps,
} from '../../shared/tsdb/index.js'
import type {
  CutSeriesRequest,
  Exemplar,
  ExemplarsRequest,
  IngesterCalls,
  LabelsRequest,
  MetricMetadata,
  SelectRequest,
  SeriesExemplars,
} from './contract.js'
import type { Tenants } from './tenants.js'

/** Longest slice of a selection, ms (architecture §8.20). */
const SLICE_MS = 5
/** Selections that met a removal of series, before one is made in one go. */
const SLICED_TRIES = 3

/** What a selection reads from. */
export interface SelectParts {
  readonly env: Env
  readonly shard: number
  readonly head: Head
  readonly tenants: Tenants
  /** Per cent of the replay; queries are answered from 100 on. */
  replayedPercent(): number
  /** Cuts blocks of whole heads, of all tenants when none is named. */
  flush(tenants: readonly string[]): Promise<void>
  /** Cuts a tenant's whole head, and goes on taking what comes a little late. */
  cutAll(tenant: string): Promise<void>
}

/** The calls over a head. */
export function createCalls(parts: SelectParts): IngesterCalls {
  const { head } = parts
  const indexOf = (tenant: string): number | undefined => {
    const percent = parts.replayedPercent()
    if (percent < 100) {
      const text = `ingester/${parts.shard} replays its log (${percent} %)`
      throw fail('overloaded', { text })
    }
    return parts.tenants.find(tenant)?.index
  }
  return {
    async select({ tenant, matchers, ...range }: SelectRequest): Promise<{ refs: Uint32Array }> {
      const index = indexOf(tenant)
      if (index === undefined) return { refs: new Uint32Array(0) }
      const refs = await sliced(parts, () => selectSteps(head, index, matchers, range))
      return { refs: refs.slice() }
    },
    async labelNames({ tenant, matchers, ...range }: LabelsRequest): Promise<string[]> {
      const index = indexOf(tenant)
      return index === undefined
        ? []
        : sliced(parts, () => labelNamesSteps(head, index, matchers, range))
    },
    async labelValues(request: LabelsRequest & { readonly name: string }): Promise<string[]> {
      const { tenant, matchers, name, ...range } = request
      const index = indexOf(tenant)
      if (index === undefined) return []
      return sliced(parts, () => labelValuesSteps(head, index, name, matchers, range))
    },
    async series({ tenant, matchers, ...range }: LabelsRequest): Promise<Labels[]> {
      const index = indexOf(tenant)
      return index === undefined
        ? []
        : sliced(parts, () => seriesSteps(head, index, matchers, range))
    },
    async metadata(request: { tenant: string; metric: string }): Promise<MetricMetadata[]> {
      return parts.tenants.find(request.tenant)?.metadata.list(request.metric) ?? []
    },
    async flush({ tenants, wait }) {
      const flushed = parts.flush(tenants)
      if (wait) await flushed
      // Failures are logged and counted where they happen.
      else flushed.catch(() => {})
    },
    async cutSeries({ tenant, selectors, isDry, ...range }: CutSeriesRequest) {
      const index = indexOf(tenant)
      if (index === undefined) return 0
      const found = new Set<number>()
      for (const matchers of selectors) {
        const refs = await sliced(parts, () => selectSteps(head, index, matchers, range))
        for (const ref of refs) found.add(ref)
      }
      if (found.size > 0 && !isDry) await parts.cutAll(tenant)
      return found.size
    },
    async exemplars(request: ExemplarsRequest) {
      const index = indexOf(request.tenant)
      if (index === undefined) return { series: [], isCut: false }
      const refs = await sliced(parts, () => matchAnySteps(head, index, request.selectors))
      return exemplarsOf(head, index, refs, request)
    },
  }
}

/** Exemplars by series, those of a series by time: they are kept in that order. */
function exemplarsOf(
  head: Head,
  tenant: number,
  refs: Uint32Array,
  { mint, maxt, max }: ExemplarsRequest,
): { series: SeriesExemplars[]; isCut: boolean } {
  const found = head.exemplars.select(tenant, new Set(refs), { mint, maxt })
  const isCut = found.length > max
  const bySeries = new Map<number, Exemplar[]>()
  for (const { ref, t, value, labels } of isCut ? found.slice(-max) : found) {
    const exemplar = { labels: decodeLabels(labels), value, t }
    const list = bySeries.get(ref)
    if (list === undefined) bySeries.set(ref, [exemplar])
    else list.push(exemplar)
  }
  const series = Array.from(bySeries, ([ref, exemplars]) => ({
    labels: head.view.labels(ref),
    exemplars,
  }))
  return { series, isCut }
}

/**
 * Runs steps to their end; lets turns happen after each slice. When series were taken out of the head
 * meanwhile it begins again, at last without a pause.
 */
async function sliced<T>(
  { env, head }: Pick<SelectParts, 'env' | 'head'>,
  begin: () => Generator<void, T>,
): Promise<T> {
  for (let tries = 0; ; tries++) {
    const before = head.changes
    const steps = begin()
    let end = env.clock.monotonic() + SLICE_MS
    for (;;) {
      const next = steps.next()
      if (next.done === true) {
        if (head.changes === before) return next.value
        break
      }
      if (tries >= SLICED_TRIES || env.clock.monotonic() < end) continue
      await env.timers.yieldNow()
      end = env.clock.monotonic() + SLICE_MS
    }
  }
}
