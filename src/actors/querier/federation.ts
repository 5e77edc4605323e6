/**
 * Several tenants as one (`X-Scope-OrgID: a|b`; reference: "Federated query semantics"): every series
 * gets `__tenant_id__`, a label of that name that it had becomes `original___tenant_id__`, and
 * matchers on it choose the tenants that are read at all. Stands before the fanout and offers what
 * that does; a single tenant goes past it. One tenant's error is the whole query's.
 */
import type { Labels } from '../../shared/model/labels.js'
import { compareUtf8 } from '../../shared/model/labels.js'
import type { Matcher } from '../../shared/model/matcher.js'
import { compileRegex } from '../../shared/model/regex.js'
import type {
  LabelTable,
  SelectedSeries,
  SelectRequest,
  SeriesSource,
} from '../../shared/promql/index.js'
import type { ExemplarsRequest, SeriesExemplars } from '../ingester/contract.js'
import type { Fanout, TimeRange } from './fanout.js'

/** What queries read from. */
export type Reads = Pick<
  Fanout,
  'source' | 'headStats' | 'labelNames' | 'labelValues' | 'metadata' | 'exemplars' | 'sets'
>

const TENANT_LABEL = '__tenant_id__'
const ORIGINAL_LABEL = `original_${TENANT_LABEL}`

/** The fanout, for one tenant or several. */
export class Federation implements Reads {
  private readonly fanout: Reads
  private readonly concurrencyMax: number

  /** @param concurrencyMax `tenant_federation.max_concurrent`: tenants read at a time */
  constructor(fanout: Reads, concurrencyMax: number) {
    this.fanout = fanout
    this.concurrencyMax = Math.max(1, concurrencyMax)
  }

  /** The tenants' series, for one query. */
  source(tenant: string): SeriesSource {
    if (!tenant.includes('|')) return this.fanout.source(tenant)
    const tenants = tenant.split('|')
    const sources = new Map(tenants.map((one) => [one, this.fanout.source(one)]))
    return {
      select: async (request, labels) => {
        const { chosen, rest } = choose(tenants, request.matchers)
        const asked: SelectRequest = { ...request, matchers: rest }
        const parts: SelectedSeries[] = []
        try {
          await this.each(chosen, async (one, at) => {
            parts[at] = tagged(await sources.get(one)!.select(asked, labels), one, labels)
          })
        } catch (error) {
          for (const part of parts) part?.release()
          throw error
        }
        return joined(parts)
      },
    }
  }

  labelNames(tenant: string, range: TimeRange): Promise<readonly string[]> {
    if (!tenant.includes('|')) return this.fanout.labelNames(tenant, range)
    return this.namesOf(tenant, range)
  }

  private async namesOf(tenant: string, range: TimeRange): Promise<readonly string[]> {
    const lists = await this.gather(tenant, (one) => this.fanout.labelNames(one, range))
    const names = lists.flat().map((name) => (name === TENANT_LABEL ? ORIGINAL_LABEL : name))
    return sorted([...names, TENANT_LABEL])
  }

  labelValues(tenant: string, name: string, range: TimeRange): Promise<readonly string[]> {
    if (!tenant.includes('|')) return this.fanout.labelValues(tenant, name, range)
    return this.valuesOf(tenant, name, range)
  }

  private async valuesOf(
    tenant: string,
    name: string,
    range: TimeRange,
  ): Promise<readonly string[]> {
    if (name === TENANT_LABEL) return sorted(tenant.split('|'))
    const stored = name === ORIGINAL_LABEL ? TENANT_LABEL : name
    const lists = await this.gather(tenant, (one) => this.fanout.labelValues(one, stored, range))
    return sorted(lists.flat())
  }

  async headStats(tenant: string, most: number): ReturnType<Fanout['headStats']> {
    return (await this.gather(tenant, (one) => this.fanout.headStats(one, most))).flat()
  }

  async metadata(tenant: string, metric: string): ReturnType<Fanout['metadata']> {
    return (await this.gather(tenant, (one) => this.fanout.metadata(one, metric))).flat()
  }

  async exemplars(request: ExemplarsRequest): ReturnType<Fanout['exemplars']> {
    const { tenant, selectors } = request
    if (!tenant.includes('|')) return this.fanout.exemplars(request)
    const perTenant = await this.gather(tenant, async (one) => {
      const own = selectors.flatMap((matchers) => {
        const { chosen, rest } = choose([one], matchers)
        return chosen.length === 0 ? [] : [rest]
      })
      if (own.length === 0) return []
      return this.fanout.exemplars({ ...request, tenant: one, selectors: own })
    })
    const tenants = tenant.split('|')
    return perTenant.flatMap((answers, at) =>
      answers.map(({ series, isCut }) => ({
        isCut,
        series: series.map(
          (row): SeriesExemplars => ({ ...row, labels: withTenant(row.labels, tenants[at]!) }),
        ),
      })),
    )
  }

  async sets(
    tenant: string,
    matchers: readonly Matcher[],
    range: TimeRange,
    labels: LabelTable,
  ): Promise<Uint32Array> {
    if (!tenant.includes('|')) return this.fanout.sets(tenant, matchers, range, labels)
    const selected = await this.source(tenant).select({ matchers, ...range }, labels)
    selected.release()
    return selected.sets
  }

  /** The answers of all tenants, in their order. */
  private async gather<T>(tenant: string, ask: (one: string) => Promise<T>): Promise<T[]> {
    const answers: T[] = []
    await this.each(tenant.split('|'), async (one, at) => {
      answers[at] = await ask(one)
    })
    return answers
  }

  private async each(
    tenants: readonly string[],
    work: (tenant: string, at: number) => Promise<void>,
  ): Promise<void> {
    for (let at = 0; at < tenants.length; at += this.concurrencyMax) {
      const some = tenants.slice(at, at + this.concurrencyMax)
      await Promise.all(some.map((tenant, i) => work(tenant, at + i)))
    }
  }
}

/** The tenants that matchers on the tenant label leave, and the matchers that storage is asked with. */
function choose(
  tenants: readonly string[],
  matchers: readonly Matcher[],
): { chosen: readonly string[]; rest: Matcher[] } {
  const onTenant = matchers.filter(({ name }) => name === TENANT_LABEL)
  const rest = matchers
    .filter(({ name }) => name !== TENANT_LABEL)
    .map((matcher) =>
      matcher.name === ORIGINAL_LABEL ? { ...matcher, name: TENANT_LABEL } : matcher,
    )
  return { chosen: tenants.filter((one) => onTenant.every((m) => matches(m, one))), rest }
}

function matches({ op, value }: Matcher, text: string): boolean {
  switch (op) {
    case '=':
      return text === value
    case '!=':
      return text !== value
    case '=~':
      return compileRegex(value).test(text)
    case '!~':
      return !compileRegex(value).test(text)
  }
}

/** A tenant's series with the tenant as a label. */
function tagged(selected: SelectedSeries, tenant: string, labels: LabelTable): SelectedSeries {
  const known = labels.projected(`${TENANT_LABEL}\0${tenant}`)
  const sets = new Uint32Array(selected.count)
  for (let i = 0; i < sets.length; i++) {
    const set = selected.sets[i]!
    let made = known.get(set)
    if (made === 0) {
      made = labels.internLabels(withTenant(labels.labels(set), tenant)) + 1
      known.set(set, made)
    }
    sets[i] = made - 1
  }
  return {
    count: selected.count,
    sets,
    read: (index, mint, maxt, out) => selected.read(index, mint, maxt, out),
    release: () => selected.release(),
  }
}

function withTenant(labels: Labels, tenant: string): Labels {
  const renamed = labels.map(({ name, value }) => ({
    name: name === TENANT_LABEL ? ORIGINAL_LABEL : name,
    value,
  }))
  const all = [...renamed, { name: TENANT_LABEL, value: tenant }]
  return all.sort((a, b) => compareUtf8(a.name, b.name))
}

/** Selections of several tenants one after the other; no two have a series in common. */
function joined(parts: readonly SelectedSeries[]): SelectedSeries {
  const starts: number[] = []
  let count = 0
  for (const part of parts) {
    starts.push(count)
    count += part.count
  }
  const sets = new Uint32Array(count)
  const partOf = new Uint32Array(count)
  for (const [at, part] of parts.entries()) {
    sets.set(part.sets.subarray(0, part.count), starts[at]!)
    partOf.fill(at, starts[at]!, starts[at]! + part.count)
  }
  return {
    count,
    sets,
    read: (index, mint, maxt, out) => {
      const at = partOf[index]!
      parts[at]!.read(index - starts[at]!, mint, maxt, out)
    },
    release: () => {
      for (const part of parts) part.release()
    },
  }
}

function sorted(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort(compareUtf8)
}
